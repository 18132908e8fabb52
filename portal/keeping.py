"""What is kept of people, for how long, and how it leaves: one register that every table is in.

Each room lists its tables beside its models; a table that is missing fails the suite, a column that is none stops the
start. Whatever has a simple rule (so long after such a moment, then the row goes) is forgotten by one job from this
list; what has a rule of its own names it in `rule`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, MetaData, Table, and_, delete, func, or_, select

from portal.addresses import LANGUAGES
from portal.db import db, transaction
from portal.register import Register

BATCH = 100  # rows that leave in one transaction: nobody waits long for the lock


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One table: what in it tells of a person, how long it stays, and how a person's rows are found and given out.

    With `after`, a row leaves so long after the moment in its column `since`, where `only` (column, words) holds.
    `whose` are columns that hold a person's address; `of` is (column, table) where the row belongs to another one.
    `exported` are the columns a person is given; none where `hidden` says why. `told` says what it is and how long
    it stays to whom it is about, in each language.
    """

    table: str
    personal: tuple[str, ...] = ()
    rule: str  # in words, for docs/keeping.md
    after: timedelta | None = None
    since: str = ""
    only: tuple[str, tuple[str, ...]] | None = None
    whose: tuple[str, ...] = ()
    of: tuple[str, str] | None = None
    exported: tuple[str, ...] = ()
    hidden: str = ""
    told: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # for the privacy pages

    @property
    def columns(self) -> set[str]:
        """Every column that is named here."""
        named = {*self.personal, *self.whose, *self.exported, self.since, *(self.of or ())[:1]}
        return (named | {self.only[0]} if self.only else named) - {""}


KEPT: Register[Kept] = Register("kept tables", lambda kept: kept.table)


def faults(metadata: MetaData) -> list[str]:
    """What in the register names no table or no column, or gives nothing out without a reason."""
    found = []
    for kept in KEPT:
        table = metadata.tables.get(kept.table)
        if table is None:
            found.append(f"kept table {kept.table!r}: there is no such table")
            continue
        wrong = sorted(kept.columns - set(table.columns.keys()))
        found += [f"kept table {kept.table!r}: there is no column {name!r}" for name in wrong]
        if kept.of and kept.of[1] not in metadata.tables:
            found.append(f"kept table {kept.table!r}: there is no table {kept.of[1]!r} to belong to")
        if (kept.after is None) != (not kept.since):
            found.append(f"kept table {kept.table!r}: an age and the moment it counts from go together")
        if kept.personal and not kept.exported and not kept.hidden:
            found.append(f"kept table {kept.table!r}: say what a person is given, or why nothing is")
        if kept.told and set(kept.told) != set(LANGUAGES):
            found.append(f"kept table {kept.table!r}: told in every language or in none")
    return found


def forget(at: datetime) -> bool:
    """Let one batch of each table's rows go whose time is over; whether there may be more. Opens its own writes."""
    more = [
        _forget(kept, kept.after, at) for kept in KEPT if kept.after is not None
    ]  # of each, whatever the first says
    return any(more)


def due(at: datetime) -> dict[str, int]:
    """How many rows of each table `forget` would let go."""
    counts = {}
    for kept in KEPT:
        if kept.after is not None:
            query = select(func.count()).select_from(_table(kept.table)).where(_is_over(kept, kept.after, at))
            counts[kept.table] = db.session.scalar(query) or 0
    return counts


def export(address: str) -> dict[str, list[dict[str, Any]]]:
    """Every row about whoever has that address, by table, without what the register hides."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kept in KEPT:
        if kept.exported and (rows := _rows_of(kept, address)):
            found[kept.table] = rows
    return found


def addresses() -> set[str]:
    """Every address that any table holds of anybody."""
    columns = [_table(kept.table).c[name] for kept in KEPT for name in kept.whose]
    return {found for column in columns for found in db.session.scalars(select(column).distinct()) if found}


def _forget(kept: Kept, after: timedelta, at: datetime) -> bool:
    table, over = _table(kept.table), _is_over(kept, after, at)
    key = next(iter(table.primary_key.columns))
    some = db.session.scalars(select(key).where(over).limit(BATCH)).all()
    if some:  # nobody's lock is taken for nothing; and what was used meanwhile stays
        with transaction():
            db.session.execute(delete(table).where(key.in_(some), over))
    return len(some) == BATCH


def _is_over(kept: Kept, after: timedelta, at: datetime) -> ColumnElement[bool]:
    table = _table(kept.table)
    over = table.c[kept.since] <= at - after
    return and_(over, table.c[kept.only[0]].in_(kept.only[1])) if kept.only else over


def _rows_of(kept: Kept, address: str) -> list[dict[str, Any]]:
    mine = _is_about(kept, address)
    if mine is None:
        return []
    table = _table(kept.table)
    query = select(*(table.c[name] for name in kept.exported)).where(mine)
    return [dict(row) for row in db.session.execute(query.order_by(*table.primary_key.columns)).mappings()]


def _is_about(kept: Kept, address: str) -> ColumnElement[bool] | None:
    """Which rows of that table are about the person: by their address, or by the row they belong to."""
    table = _table(kept.table)
    ways = [func.lower(table.c[name]) == address.lower() for name in kept.whose]
    if kept.of and (parent := KEPT.get(kept.of[1])) is not None:
        theirs = _is_about(parent, address)
        if theirs is not None:
            ways.append(table.c[kept.of[0]].in_(select(_table(parent.table).c.id).where(theirs)))
    return or_(*ways) if ways else None


def _table(name: str) -> Table:
    return db.metadata.tables[name]


def as_text(value: object) -> str:
    """What JSON has no word for, as text: moments in ISO 8601, sets by their words."""
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
