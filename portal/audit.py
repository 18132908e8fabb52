"""Who did what to which thing, append-only: the text itself never stands here.

Database triggers refuse UPDATE and DELETE (see the first migration); the actor's name is kept as it was then,
so a room above this one may forget a person without the trail losing its meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol, cast

from sqlalchemy import Index, String, Table, func, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UTCDateTime, db
from portal.keeping import Kept

KEPT_FOR = timedelta(days=7 * 365 + 2)


class Actor(Protocol):
    """Whoever acts: a member of staff."""

    id: int
    name: str


class AuditEntry(Base):
    """One act."""

    __tablename__ = "audit_entry"
    __table_args__ = (  # the orders in which the page reads: all, one person's, one act's
        Index("ix_audit_entry_at_id", "at", "id"),
        Index("ix_audit_entry_actor_id_at_id", "actor_id", "at", "id"),
        Index("ix_audit_entry_action_at_id", "action", "at", "id"),
        Index("ix_audit_entry_subject", "subject", "action", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    actor_id: Mapped[int | None]
    actor_name: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(120))
    detail: Mapped[str] = mapped_column(String(500), default="")


APPEND_ONLY_SQLITE = [
    f"""CREATE TRIGGER {{table}}_no_{act.lower()} BEFORE {act} ON {{table}}
    BEGIN SELECT RAISE(ABORT, '{{table}} is append-only'); END"""
    for act in ("UPDATE", "DELETE")
]
APPEND_ONLY_POSTGRESQL = [
    """CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$ LANGUAGE plpgsql""",
    """CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
]


_INTO_ENTRIES = insert(cast(Table, AuditEntry.__table__))


def append_only_statements(table: str, dialect: str) -> list[str]:
    """The statements that make `table` refuse UPDATE and DELETE on that database."""
    statements = APPEND_ONLY_SQLITE if dialect == "sqlite" else APPEND_ONLY_POSTGRESQL
    return [statement.format(table=table) for statement in statements]


def record(by: Actor | None, action: str, subject: str, *, at: datetime, detail: str = "") -> None:
    """Add one entry to the caller's transaction; `by` is None when the portal itself acts."""
    entry = {
        "at": at,
        "actor_id": by.id if by else None,
        "actor_name": by.name if by else "the portal",
        "action": action,
        "subject": subject,
        "detail": detail,
    }
    db.session.execute(_INTO_ENTRIES, entry)


def trail(subject: str, *, but: str = "") -> Sequence[AuditEntry]:
    """Every entry about one thing, oldest first; without those of an act that is done too often to list."""
    query = select(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.action != but)
    return db.session.scalars(query.order_by(AuditEntry.id)).all()


def last(subject: str, *, but: str = "") -> AuditEntry | None:
    """The latest entry about one thing."""
    query = select(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.action != but)
    return db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(1)).first()


def count(subject: str, action: str) -> int:
    """How often that was done with it."""
    query = select(func.count()).where(AuditEntry.subject == subject, AuditEntry.action == action)
    return db.session.scalar(query) or 0


def latest(subject: str, action: str, limit: int, *, before: datetime | None = None) -> Sequence[AuditEntry]:
    """The latest times that was done with it, newest first; of those before some moment, where one is given."""
    query = select(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.action == action)
    if before is not None:
        query = query.where(AuditEntry.at < before)
    return db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)).all()


KEPT = (
    Kept(
        table="audit_entry",
        personal=("actor_name",),
        rule="7 years, then its count and digest (append-only; ended by `retention.sealed`)",
        told={
            "en": ("Who of our staff opened or did what, and when", "7 years"),
            "es": ("Quién de nuestro personal abrió o hizo qué, y cuándo", "7 años"),
        },
        hidden="who did what is kept to answer for it, and holds no word that anybody typed",
    ),
)
