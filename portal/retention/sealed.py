"""What is append-only ends too: by an act that leaves in the trail how many rows went, which, and their digest.

The trigger that refuses DELETE is away for this one transaction, under the writer's lock, and back before it commits;
whoever kept a copy can show that it is what went.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, delete, func, select, text

from portal import audit, keeping, tokens
from portal.audit import AuditEntry
from portal.db import db, transaction
from portal.newsletter.models import ConsentEvent, Subscriber

KEPT_CONSENT = timedelta(days=5 * 365 + 1)
SEALS = ("audit.ended", "consent.ended")  # these stay: they tell of nobody
BATCH = 500


@dataclass(frozen=True)
class Ending:
    """One append-only table, and how its rows that are over are found."""

    table: Table
    over: Callable[[datetime, int], Sequence[int]]


def end(ending: Ending, *, at: datetime) -> int:
    """End one batch of that table; returns how many rows went. Opens its own write."""
    ids = ending.over(at, BATCH)  # outside the lock
    if not ids:
        return 0
    table = ending.table
    with transaction():
        for statement in _without_guard(table.name):  # first: it lets in one at a time, on PostgreSQL too
            db.session.execute(text(statement))
        rows = db.session.execute(select(table).where(table.c.id.in_(ids)).order_by(table.c.id)).all()
        if rows:  # none where another run ended them meanwhile
            seal = f"{len(rows)} rows, {rows[0].id} to {rows[-1].id}, SHA-256 {digest(rows)}"
            if table.name == AuditEntry.__tablename__:
                audit.record(None, "audit.ended", table.name, at=at, detail=seal)
            else:
                audit.record(None, "consent.ended", table.name, at=at, detail=seal)
            db.session.execute(delete(table).where(table.c.id.in_([row.id for row in rows])))
        for statement in _with_guard(table.name):
            db.session.execute(text(statement))
    return len(rows)


def digest(rows: Sequence[object]) -> str:
    """SHA-256 of rows as JSON, one a line, in order: a copy can be held against it."""
    sha = hashlib.sha256()
    for row in rows:
        values = [
            value if isinstance(value, int) else keeping.as_text(value)
            for value in cast("tuple[object]", row)
        ]
        sha.update(json.dumps(values, ensure_ascii=False).encode() + b"\n")
    return sha.hexdigest()


def count(ending: Ending, at: datetime) -> int:
    """How many rows would go."""
    return len(ending.over(at, 1_000_000_000))


def _audit_over(at: datetime, limit: int) -> Sequence[int]:
    old = select(AuditEntry.id).where(AuditEntry.at <= at - audit.KEPT_FOR, AuditEntry.action.not_in(SEALS))
    return db.session.scalars(old.order_by(AuditEntry.at, AuditEntry.id).limit(limit)).all()


def _consent_over(at: datetime, limit: int) -> Sequence[int]:
    """Events of whoever is no subscriber any more and did nothing for five years."""
    last = select(ConsentEvent.subject).group_by(ConsentEvent.subject)
    quiet = set(db.session.scalars(last.having(func.max(ConsentEvent.at) <= at - KEPT_CONSENT)))
    if quiet:
        handles = select(Subscriber.handle).where(Subscriber.created_at <= at - KEPT_CONSENT)
        quiet -= {
            tokens.digest(handle) for handle in db.session.scalars(handles.execution_options(yield_per=1000))
        }
    chosen = sorted(quiet)[:limit]
    query = select(ConsentEvent.id).where(ConsentEvent.subject.in_(chosen))
    return db.session.scalars(query.order_by(ConsentEvent.id)).all() if chosen else []


def _without_guard(table: str) -> list[str]:
    if db.engine.dialect.name == "sqlite":
        return [f"DROP TRIGGER {table}_no_delete"]
    return [f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only"]


def _with_guard(table: str) -> list[str]:
    if db.engine.dialect.name == "sqlite":
        return [
            statement
            for statement in audit.append_only_statements(table, "sqlite")
            if "no_delete" in statement
        ]
    return [f"ALTER TABLE {table} ENABLE TRIGGER {table}_append_only"]


ENDINGS = (
    Ending(cast(Table, AuditEntry.__table__), _audit_over),
    Ending(cast(Table, ConsentEvent.__table__), _consent_over),
)
