"""By which words a request is found: folded, so that `núñez` and NUNEZ, O'Brien and O’Brien are one.

A row for each word of who asked, never of what was asked: not everybody who searches may read that (`words.py`).
Rows, not a full-text index: one request's words can be removed for good in one short transaction (`secure_delete`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, Table, delete, insert, select

from portal.db import db
from portal.intake.models import Request, RequestTerm

SEARCHED = (
    "reference",
    "name",
    "credential",
    "practice",
    "email",
    "delegate_name",
    "delegate_email",
    "answer_email",
    "npi",
    "phone",
)
TERM_MAX = 60
FEW = 1000
LEAST_DIGITS = 7  # of a telephone number or NPI that was written in groups

# Letters that no decomposition takes apart (Unicode, UAX 15), as people here type them.
_PLAIN = str.maketrans({"ø": "o", "đ": "d", "ð": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})
_APOSTROPHES = re.compile("['’‘`´ʼʻ]")
_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"\d(?:[\s().+-]*\d)*")
_OF_NUMBERS = ("npi", "no", "number", "tel", "phone", "fax", "ext", "x", "option")
_OF_REFERENCES = ("ldn",)
_INTO = insert(cast(Table, RequestTerm.__table__))


def fold(text: str) -> str:
    """Without case, accents and width; each kind of apostrophe as one, before an accent that stands alone is lost."""
    taken_apart = unicodedata.normalize("NFKD", _APOSTROPHES.sub("'", text.casefold()))
    letters = "".join(sign for sign in taken_apart if not unicodedata.combining(sign))
    return letters.casefold().translate(_PLAIN)


GONE = "[erased]"  # stands for a name or a text that is kept no longer, and is no word


def words_of(text: str) -> list[str]:
    """The folded words of a text, each also as it is written together: `O'Brien` is `obrien` and `o`, `brien`."""
    found: list[str] = []
    for piece in fold(text).split():
        parts = _WORD.findall(piece)
        found += [*parts, "".join(_WORD.findall(_APOSTROPHES.sub("", piece)))]
    found += _numbers(text)
    return [word[:TERM_MAX] for word in dict.fromkeys(found) if word]


def index(request_id: int, answers: Mapping[str, Any]) -> None:
    """Keep the words of a new request, in the caller's transaction."""
    words = dict.fromkeys(word for name in SEARCHED for word in words_of(str(answers.get(name) or "")))
    if words:
        db.session.execute(_INTO, [{"request_id": request_id, "term": word} for word in words])


def index_anew(request: Request) -> None:
    """The words of a request as it stands now."""
    db.session.execute(delete(RequestTerm).where(RequestTerm.request_id == request.id))
    index(request.id, {name: getattr(request, name) for name in SEARCHED})


def has(word: str) -> ColumnElement[bool]:
    """Whether a request holds this word, perhaps unfinished: one look into the index for each request."""
    return holding(word).where(RequestTerm.request_id == Request.id).exists()


def holds(*whole: str) -> ColumnElement[bool]:
    """Whether a request holds one of these addresses or numbers, whole; each is one look into the index."""
    words = {word for text in whole for word in [*_numbers(text), _together(text)] if word}
    return Request.id.in_(select(RequestTerm.request_id).where(RequestTerm.term.in_(sorted(words))))


def numbers_of(text: str) -> set[str]:
    """The telephone numbers in it, however they are written."""
    return set(_numbers(text))


def holding(word: str) -> Select[int]:
    """The requests that hold it, found from the word's side."""
    return select(RequestTerm.request_id).where(*beginning(RequestTerm.term, word))


def beginning(column: Any, word: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Whether it begins with this word: a range, not LIKE, for only that is looked up in the index everywhere."""
    return column >= word, column < f"{word}\U0010ffff"


def wanted(typed: str) -> list[str]:
    """The words to look for: numbers in one piece, whatever stands in or before them."""
    numbers = _numbers(typed)
    rest = _DIGITS.sub(lambda run: " " if _numbers(run.group()) else run.group(), typed)
    pieces = (_APOSTROPHES.sub("", piece) for piece in fold(rest).split())
    words = [word for piece in pieces for word in _WORD.findall(piece)]
    said = _OF_NUMBERS if numbers else _OF_REFERENCES
    return [*numbers, *(word for word in words if word not in said)]


def _together(text: str) -> str:
    """One piece of text as `words_of` keeps it in one word."""
    return "".join(_WORD.findall(_APOSTROPHES.sub("", fold(text))))[:TERM_MAX]


def _numbers(text: str) -> list[str]:
    """The digits of each telephone number and NPI, without the country's 1."""
    runs = ("".join(sign for sign in run if sign.isdigit()) for run in _DIGITS.findall(text))
    return [run[1:] if len(run) == 11 and run[0] == "1" else run for run in runs if len(run) >= LEAST_DIGITS]
