"""Where a page of the list ends: a cursor that is a place between two rows, never the number of a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from portal.db import UTCDateTime
from portal.intake.models import Request

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True)
class Cursor:
    """A place between two rows: microseconds since 1970 and an id, so that it is exact and says nothing else."""

    at: datetime
    id: int
    backwards: bool

    @classmethod
    def of(cls, request: Request, key: InstrumentedAttribute[datetime]) -> Cursor:
        """The place of a row in the order of that column."""
        return cls(getattr(request, key.key), request.id, backwards=False)

    @classmethod
    def parse(cls, value: str | None) -> Cursor | None:
        """From an address; nothing where it is none."""
        way, _, rest = (value or "").partition(".")
        moment, _, number = rest.partition(".")
        if way not in ("a", "b") or not (_is_number(moment, 17) and _is_number(number, 10)):
            return None
        if int(number) > _LARGEST_ID:
            return None
        return cls(_EPOCH + timedelta(microseconds=int(moment)), int(number), way == "b")

    @property
    def bound(self) -> ColumnElement[Any]:
        """What a row's place is held against."""
        return tuple_(literal(self.at, UTCDateTime), literal(self.id))

    def text(self) -> str:
        """As an address holds it."""
        moment = (self.at - _EPOCH) // timedelta(microseconds=1)
        return f"{'b' if self.backwards else 'a'}.{moment}.{self.id}"


def _is_number(value: str, digits: int) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= digits


def is_id(value: str) -> bool:
    """Whether it can be the number of a row."""
    return _is_number(value, 10) and int(value) <= _LARGEST_ID
