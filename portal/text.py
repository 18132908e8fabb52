"""The one door for text that people type or paste: what has no meaning in a field is gone, what is left is kept.

Pasting brings what nobody sees: controls, marks of direction, zero-width and soft hyphens, non-characters. They are
dropped before anything is judged, never stored, and never a reason to refuse; what stands for a blank or a line
break becomes one. Kept: every letter, accent, apostrophe, hyphen and emoji, with the joiners (ZWJ, ZWNJ) that emoji
and several scripts need. Refused: half a character (a lone surrogate), and a line break where one line is asked for.
"""

import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from email_validator import EmailNotValidError, validate_email

# What ends a line elsewhere: VT, FF, NEL, and what word processors paste (U+2028, U+2029).
_OTHER_LINE_ENDINGS = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_LINE_ENDINGS = re.compile("\r\n|\r")
# Every blank of Unicode that is not the plain one: no-break, figure, thin, ideographic, ... spaces.
_BLANK = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
# The last two code points of each of the 17 planes are non-characters.
_PLANE_ENDS = "".join(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
_MEANINGLESS = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls
    "\u00ad\u180e\u200b\u2060-\u2064\ufeff"  # soft hyphen, zero-width space, joiners that only hold a line
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of writing
    "\u206a-\u206f\ufff9-\ufffc"  # withdrawn controls, marks of annotations, the place of what was no text
    f"\ufdd0-\ufdef{_PLANE_ENDS}]"  # what Unicode keeps for no character
)
# What shows nothing and yet has a use in words: joiners, fillers, marks of a variant (Default_Ignorable_Code_Point).
_JOINERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")

_UNSEEN = frozenset({"Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"})

# Letters by category that nobody can see: Hangul fillers and the empty Braille pattern.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")

# No character is composed of more than four, so a text of over four times the limit can't come under it.
_MOST_COMPOSED = 4

# What a spreadsheet begins a formula with, and the wide forms that some read as the same.
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")

# What the library takes as it stands, whatever the domain: at most 64 characters before the @ (RFC 5321, 4.5.3.1).
_PLAIN_ADDRESS = re.compile(
    r"(?=[^@]{1,64}@)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@([a-z0-9-]+(?:\.[a-z0-9-]+)+)"
)
_LONGEST_ADDRESS = 254  # the same, without the brackets
ADDRESS_FORMAT = "must be in the correct format, like name@example.com"


class TextFault(ValueError):
    """A text is refused. The message is the end of a sentence that begins with the field's label:
    "Your question" + " must be 2,000 characters or less. You have 2,140".
    """


def check(value: str, *, max_length: int, multiline: bool = False) -> str:
    """The text as `clean` leaves it, in Unicode NFC, of at most max_length code points.

    A text with nothing visible in it comes back empty. Raises TextFault with a message that says what to do.
    """
    text = clean(value, multiline=multiline)
    # Before composing, because that takes quadratic time on a long run of accents.
    if len(text) > max_length * _MOST_COMPOSED:
        raise _too_long(len(text), max_length)
    if found := _SURROGATE.search(text):
        code = f"U+{ord(found.group()):04X}"
        raise TextFault(f"has a character that cannot be stored ({code}). Delete it and type it again")
    if not multiline and "\n" in text:
        raise TextFault("must be on one line. Remove the line break")
    text = unicodedata.normalize("NFC", text)
    if len(text) > max_length:
        raise _too_long(len(text), max_length)
    return text if any(map(_is_visible, text)) else ""


def clean(value: str, *, multiline: bool = False) -> str:
    """The text without what nobody can see, blanks as plain ones, line endings as \\n, trimmed; judges nothing."""
    text = _MEANINGLESS.sub("", _LINE_ENDINGS.sub("\n", value))
    text = _BLANK.sub(" ", _OTHER_LINE_ENDINGS.sub("\n" if multiline else " ", text))
    return (text if multiline else text.replace("\t", " ")).strip(" \t\n")


def bare(value: str) -> str:
    """What is no words but a number, a code or an address, as `clean` leaves it and without joiners and fillers."""
    return clean(_JOINERS.sub("", value))


def email_address(value: str) -> str:
    """An address as every mail server takes it: its domain in lower case and IDNA 2008's ASCII, the rest as typed.

    The one door for all that come in, by a form, a command, a file or a setting. No look-up. Raises TextFault for
    what is no address (RFC 5321), needs SMTPUTF8, or would be read as an encoded word in a header (RFC 2047).
    """
    typed = bare(value)
    if len(typed) <= _LONGEST_ADDRESS and (plain := _PLAIN_ADDRESS.fullmatch(typed)) and _is_domain(plain[1]):
        return typed
    try:
        found = validate_email(typed, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as fault:
        raise TextFault(ADDRESS_FORMAT) from fault
    address = found.ascii_email or found.normalized
    if "=?" in address:
        raise TextFault(ADDRESS_FORMAT)
    return address


@lru_cache(maxsize=4096)
def _is_domain(domain: str) -> bool:
    """Whether the library takes this domain as it is written; most people share a few."""
    try:
        return (
            validate_email(f"a@{domain}", check_deliverability=False, strict=True).normalized == f"a@{domain}"
        )
    except EmailNotValidError:
        return False


def masked(address: str) -> str:
    """`anna@mail.example` as `an…@mail.example`: its owner knows it, whoever else reads it does not."""
    local, _, domain = address.rpartition("@")
    return f"{local[: 2 if len(local) > 2 else 1]}…@{domain}"


def is_utf8_form(body: bytes) -> bool:
    """Whether an application/x-www-form-urlencoded body, percent-decoded, is valid UTF-8.

    The form parser would put U+FFFD in place of the bad bytes, and nobody would see that something was lost.
    """
    try:
        unquote_to_bytes(body).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _too_long(length: int, max_length: int) -> TextFault:
    return TextFault(f"must be {max_length:,} characters or less. You have {length:,}")


def _is_visible(char: str) -> bool:
    # An accent alone (Mn, Me) has nothing to stand on. Unassigned (Cn) may be an emoji of a newer Unicode.
    return unicodedata.category(char) not in _UNSEEN and char not in _BLANKS


def as_cell(value: str) -> str:
    """What a spreadsheet would take for a formula, as text (OWASP, CSV Injection)."""
    return f"'{value}" if value[:1] in _FORMULA else value
