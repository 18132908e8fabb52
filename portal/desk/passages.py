"""Words that a person named, wherever they stand in a text: whole, in any case, however they were typed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

MARK = "▇"
AROUND = 40  # signs of a text on each side of the words
# What nobody sees and may stand within a word: soft hyphens, joiners, marks of direction and of a variant.
_UNSEEN = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff"
_ACCENTS = (
    "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"  # where each is a sign of its own
)
_GAP = rf"[\s>{_UNSEEN}]+"  # a mail that quotes begins its lines with `>`
_ALIKE = {
    sign: f"[{re.escape(signs)}]" for signs in ("'‘’‛`´ʻʼ′＇", "-‐‑‒–—―−﹣－", '"“”„‟″＂') for sign in signs
}


@dataclass(frozen=True)
class Passage:
    """One place in a text, with a little of what stands around the words."""

    before: str
    words: str
    after: str


def pattern_of(words: str) -> re.Pattern[str]:
    """These words: each kind of apostrophe, dash and blank as any other, an accent as part of its letter or after it.

    A letter, a digit or an accent beside them makes another word of it; an underscore does not.
    """
    plain = unicodedata.normalize("NFC", re.sub(f"[{_UNSEEN}]", "", words)).split()
    body = _GAP.join(f"[{_UNSEEN}]*".join(map(_spelled, piece)) for piece in plain)
    before = rf"(?<![^\W_])(?<![{_ACCENTS}])" if plain and plain[0][0].isalnum() else ""
    last = plain[-1][-1] if plain else ""
    after = rf"(?![^\W_]|[{_ACCENTS}])" if last.isalnum() or re.match(f"[{_ACCENTS}]", last) else ""
    return re.compile(before + body + after, re.IGNORECASE)


def masked(wanted: re.Pattern[str], text: str) -> str:
    """The text with a mark for each sign of the words."""
    return wanted.sub(lambda found: MARK * len(found[0]), text)


def found(wanted: re.Pattern[str], text: str) -> Iterator[Passage]:
    """Each place in the text where the words stand."""
    for match in wanted.finditer(text):
        start, end = match.span()
        before, after = text[max(0, start - AROUND) : start], text[end : end + AROUND]
        yield Passage(
            f"…{before}" if start > AROUND else before,
            match[0],
            f"{after}…" if end + AROUND < len(text) else after,
        )


def _spelled(sign: str) -> str:
    """One sign, in every way that it is typed."""
    if sign in _ALIKE:
        return _ALIKE[sign]
    apart = unicodedata.normalize("NFD", sign)
    return re.escape(sign) if apart == sign else f"(?:{re.escape(sign)}|{re.escape(apart)})"
