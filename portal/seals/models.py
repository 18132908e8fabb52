"""Seals, each over a batch of the trail and the seal before it, and what each look through all of them said."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import LargeBinary, String, Table
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UTCDateTime
from portal.keeping import Kept

FAULT_MAX = 300


class Seal(Base):
    """One batch: append-only, as what it seals.

    `tags` holds of each entry its number, from `first_id` on, and a keyed digest of the rest: so the first row that
    is wrong has a name, and the chain can be followed when rows have ended. `mac` is over all of it and the seal
    before.
    """

    __tablename__ = "audit_seal"

    id: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False
    )  # 1, 2, 3: two sealers cannot both add one
    first_id: Mapped[int]
    last_id: Mapped[int]
    oldest_at: Mapped[datetime] = mapped_column(UTCDateTime)  # of its entries
    sealed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    key_id: Mapped[str] = mapped_column(String(16))
    tags: Mapped[bytes] = mapped_column(LargeBinary)
    mac: Mapped[str] = mapped_column(String(64))


class AuditCheck(Base):
    """What one look through the whole trail said; `fault` is empty when all of it holds."""

    __tablename__ = "audit_check"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    sealed: Mapped[int]
    unsealed: Mapped[int]
    fault: Mapped[str] = mapped_column(String(FAULT_MAX), default="")


SEALS, CHECKS = cast(Table, Seal.__table__), cast(Table, AuditCheck.__table__)
KEPT = (
    Kept(table="audit_seal", rule="always: numbers, times and keyed digests, from which nobody is told"),
    Kept(
        table="audit_check",
        rule="13 months; when the trail was looked through, and what was found",
        after=timedelta(days=396),
        since="at",
    ),
)
