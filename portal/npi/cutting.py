"""Cuts the rows of NPPES' data file: many at once, by where their separators are, as one array.

A row has its values in double quotes with commas between, and none inside. Whatever is otherwise is refused here, so
what is cut is what `csv.reader` would have read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.npi.facts import DAYS, FACTS, ORGANISATION, OTHERS

Whole = NDArray[np.int64]
Bytes = NDArray[np.uint8]

NEWLINE, QUOTE, COMMA = b'\n",'
PERSON, COMPANY = b"12"
ENTITY, REPLACEMENT = FACTS.index("Entity Type Code"), FACTS.index("Replacement NPI")
TEN = np.arange(1, 11)
POWERS = 10 ** np.arange(9, -1, -1)


def _from(least: bytes, most: bytes) -> tuple[Bytes, Bytes]:
    """The least that each character may be, and by how much it may be more. What is less wraps, and is too much."""
    first, last = np.frombuffer(least, np.uint8), np.frombuffer(most, np.uint8)
    return first, last - first


NUMBER_FROM, NUMBER_SPAN = _from(b"1000000000", b"2999999999")
DAY_FROM, DAY_SPAN = _from(b"00/00/1000", b"19/39/2999")


@dataclass(frozen=True)
class Cut:
    """Providers: their numbers, their lines (each behind a newline), where each begins and where the last ends."""

    numbers: Whole
    lines: bytes
    starts: Whole

    def __len__(self) -> int:
        return len(self.numbers)


class Cutter:
    """Cuts rows whose columns are these. Raises ValueError where a row is not as NPPES writes it."""

    def __init__(self, columns: list[str]) -> None:
        # glibc keeps at hand what is freed up to twice the largest block that it gave back. Without this one, each
        # piece's arrays go back to the system and are asked for again, which costs as much as cutting does.
        bytearray(16 << 20)
        at = {name: n for n, name in enumerate(columns)}
        self.columns = len(columns)
        self.facts = np.array([at[name] for name in FACTS])
        self.others = np.array([at[name] for name in OTHERS])
        # Few are several kinds of provider: where nothing stands between the first and the last of these columns,
        # they are not looked at one by one.
        self.first, self.last = int(self.others.min()), int(self.others.max())
        self.can_skip = self.first > 0

    def cut(self, rows: bytes) -> list[Cut]:
        """The providers of whole rows, each with its newline."""
        text, marks, starts = self._marks(rows)
        opens, lengths = self._values(marks, starts, self.facts)
        numbers = _checked(text, opens, lengths)
        is_company = text[opens[:, ENTITY] + 1] == COMPANY
        lengths[is_company, ORGANISATION:] = 0
        more = ~is_company
        if self.can_skip:
            empty = 3 * (self.last - self.first + 1)
            more &= marks[:, self.last] - marks[:, self.first - 1] != empty
        found = []
        if len(few := np.flatnonzero(~more)):
            found.append(_gathered(text, numbers[few], opens.take(few, axis=0), lengths.take(few, axis=0)))
        if len(many := np.flatnonzero(more)):
            others = self._values(marks.take(many, axis=0), starts[many], self.others)
            both = zip((opens.take(many, axis=0), lengths.take(many, axis=0)), others, strict=True)
            opens, lengths = (np.hstack(pair) for pair in both)
            found.append(_gathered(text, numbers[many], opens, _without_blank_ends(lengths)))
        return found

    def _marks(self, rows: bytes) -> tuple[Bytes, Whole, Whole]:
        """The text with one more quote, where a comma or a row's end stands between quotes, and where rows begin."""
        text = np.frombuffer(rows + b'"', np.uint8)
        quotes, between = text == QUOTE, text == NEWLINE
        count = np.count_nonzero(between)
        between |= text == COMMA
        between[1:-1] &= quotes[:-2]
        between[:-1] &= quotes[1:]
        found = np.flatnonzero(between)
        if len(found) != count * self.columns or (between[2:] & between[:-2]).any():
            raise ValueError("not as many columns as the header")
        marks = found.reshape(count, self.columns)
        starts = np.concatenate(([0], marks[:-1, -1] + 1))
        # With as many quotes as that, each stands where it must, and none is inside a value.
        if (
            np.count_nonzero(quotes) != 2 * count * self.columns + 1
            or text[0] != QUOTE
            or (text[marks[:, -1]] != NEWLINE).any()
        ):
            raise ValueError("a quote that is too many or too few")
        return text, marks, starts

    def _values(self, marks: Whole, starts: Whole, columns: Whole) -> tuple[Whole, Whole]:
        """Where the quote before each value stands, and how long the value is with it."""
        opens = marks.take(np.maximum(columns - 1, 0), axis=1) + 1
        opens[:, columns == 0] = starts[:, None]
        return opens, marks.take(columns, axis=1) - 1 - opens


def _checked(text: Bytes, opens: Whole, lengths: Whole) -> Whole:
    """The numbers of the rows; raises ValueError unless each row has one, with a kind and dates as they must be."""
    kind, has_kind = text[opens[:, ENTITY] + 1], lengths[:, ENTITY] != 1
    if not ((kind == PERSON) | (kind == COMPANY) | ~has_kind).all() or lengths[:, ENTITY].max() > 2:
        raise ValueError("no kind")
    has_other = lengths[:, REPLACEMENT] != 1
    _numbers(text, opens[has_other, REPLACEMENT], lengths[has_other, REPLACEMENT])
    has_day = lengths[:, DAYS] != 1
    day = _ten(text, opens[:, DAYS][has_day], lengths[:, DAYS][has_day])
    digits = day - DAY_FROM
    month, date = digits[:, 0] * 10 + digits[:, 1], digits[:, 3] * 10 + digits[:, 4]
    if not ((digits <= DAY_SPAN).all() and (month - 1 < 12).all() and (date - 1 < 31).all()):
        raise ValueError("no date")
    return _numbers(text, opens[:, 0], lengths[:, 0])


def _numbers(text: Bytes, opens: Whole, lengths: Whole) -> Whole:
    digits = _ten(text, opens, lengths) - NUMBER_FROM
    if not (digits <= NUMBER_SPAN).all():
        raise ValueError("no NPI")
    return digits @ POWERS + 10**9


def _ten(text: Bytes, opens: Whole, lengths: Whole) -> Bytes:
    if (lengths != 11).any():
        raise ValueError("not ten characters")
    return text[opens[:, None] + TEN]


def _gathered(text: Bytes, numbers: Whole, opens: Whole, lengths: Whole) -> Cut:
    """Lines of these values: each comes with the quote before it, and the first one's is made a newline."""
    wide, flat = lengths.shape[1], lengths.ravel()
    ends = flat.cumsum()
    places = np.repeat(opens.ravel() - (ends - flat), flat)
    places += np.arange(len(places))
    lines = text[places]
    starts = np.concatenate(([0], ends[wide - 1 :: wide]))
    lines[starts[:-1]] = NEWLINE
    return Cut(numbers, lines.tobytes(), starts)


def _without_blank_ends(lengths: Whole) -> Whole:
    """The same, where nothing comes behind the last value that is there."""
    wide = lengths.shape[1]
    kept = wide - (lengths > 1)[:, ::-1].argmax(axis=1)
    return np.where(np.arange(wide) < kept[:, None], lengths, 0)
