"""The one door for text that people type: of a known length, free of characters that deceive or break.

Refused: control characters, bidirectional controls, lone surrogates, non-characters. Kept: every letter,
accent, apostrophe, hyphen and emoji, with the joiners (ZWJ, ZWNJ) that emoji and several scripts need.
"""

import re
import unicodedata
from urllib.parse import unquote_to_bytes

# U+2028 and U+2029 are what word processors paste for a line break; NEL (U+0085) is a control, refused.
_LINE_ENDINGS = re.compile("\r\n|[\r\u2028\u2029]")

# What may stand around a value unseen: spaces, line breaks, zero-width space, word joiner, byte order mark.
_EDGES = (
    " \t\n\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
    "\u200b\u2060\ufeff"
)

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TAB = re.compile("\t")
_BIDI_CONTROL = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# The last two code points of each of the 17 planes are non-characters.
_PLANE_ENDS = "".join(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
_NO_CHARACTER = re.compile(f"[\ud800-\udfff\ufdd0-\ufdef{_PLANE_ENDS}]")

_UNSEEN = frozenset({"Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"})

# Letters by category that nobody can see: Hangul fillers and the empty Braille pattern.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")

# No character is composed of more than four, so a text of over four times the limit can't come under it.
_MOST_COMPOSED = 4


class TextFault(ValueError):
    """A text is refused. The message is the end of a sentence that begins with the field's label:
    "Your question" + " must be 2,000 characters or less. You have 2,140".
    """


def check(value: str, *, max_length: int, multiline: bool = False) -> str:
    """The text in Unicode NFC, trimmed, its line endings \\n, of at most max_length code points.

    A text with nothing visible in it comes back empty. Raises TextFault with a message that says what to do.
    """
    text = _LINE_ENDINGS.sub("\n", value).strip(_EDGES)
    # Before composing, because that takes quadratic time on a long run of accents.
    if len(text) > max_length * _MOST_COMPOSED:
        raise _too_long(len(text), max_length)
    _refuse_characters(text, multiline)
    text = unicodedata.normalize("NFC", text)
    if len(text) > max_length:
        raise _too_long(len(text), max_length)
    return text if any(map(_is_visible, text)) else ""


def is_utf8_form(body: bytes) -> bool:
    """Whether an application/x-www-form-urlencoded body, percent-decoded, is valid UTF-8.

    The form parser would put U+FFFD in place of the bad bytes, and nobody would see that something was lost.
    """
    try:
        unquote_to_bytes(body).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _refuse_characters(text: str, multiline: bool) -> None:
    if found := _NO_CHARACTER.search(text):
        raise TextFault(
            f"has a character that cannot be stored ({_code(found)}). Delete it and type it again"
        )
    if not multiline and "\n" in text:
        raise TextFault("must be on one line. Remove the line break")
    if found := _CONTROL.search(text) or (None if multiline else _TAB.search(text)):
        raise TextFault(f"has a hidden control character ({_code(found)}). Delete the text and type it again")
    if found := _BIDI_CONTROL.search(text):
        raise TextFault(
            f"has a hidden character that turns the direction of writing ({_code(found)}). "
            "Delete the text and type it again"
        )


def _too_long(length: int, max_length: int) -> TextFault:
    return TextFault(f"must be {max_length:,} characters or less. You have {length:,}")


def _code(found: re.Match[str]) -> str:
    return f"U+{ord(found.group()):04X}"


def _is_visible(char: str) -> bool:
    # An accent alone (Mn, Me) has nothing to stand on. Unassigned (Cn) may be an emoji of a newer Unicode.
    return unicodedata.category(char) not in _UNSEEN and char not in _BLANKS
