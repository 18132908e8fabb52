"""Sealing: batches of what has stood in the trail for a while, each MAC over its batch and the MAC before.

A public post never waits for it: rows are read and digested in no write transaction, and the one that follows is a
single INSERT. HMAC-SHA-256 (RFC 2104) throughout.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from portal.audit import AuditEntry
from portal.db import db, transaction
from portal.seals.models import SEALS, Seal

BATCH = 1000
# Numbers are given when a row is written and seen when its transaction ends: on PostgreSQL a lower one may come after
# a higher. No transaction of ours lasts minutes (`db.POSTGRESQL_LIMITS`).
SETTLED = timedelta(minutes=5)
TAG = struct.Struct(">I12s")
COLUMNS = (
    AuditEntry.id,
    AuditEntry.at,
    AuditEntry.actor_id,
    AuditEntry.actor_name,
    AuditEntry.action,
    AuditEntry.subject,
    AuditEntry.detail,
)
Entry = Any  # a row of these


@dataclass(frozen=True)
class Head:
    """The last seal of a chain."""

    id: int = 0
    last_id: int = 0
    mac: str = ""

    def __str__(self) -> str:
        return f"{self.id}:{self.mac}" if self.id else ""


def head() -> Head:
    """How far the chain is."""
    query = select(Seal.id, Seal.last_id, Seal.mac).order_by(Seal.id.desc()).limit(1)
    found = db.session.execute(query).one_or_none()
    return Head(*found) if found else Head()


def seal_some(key: bytes, key_id: str, *, at: datetime) -> Head | None:
    """Seal one batch; returns the chain's new head, or None when there is nothing to seal. Opens its own write."""
    db.session.rollback()  # what is seen is what is there now
    before = head()
    query = select(*COLUMNS).where(AuditEntry.id > before.last_id).order_by(AuditEntry.id).limit(BATCH)
    entries = list(_settled(db.session.execute(query), at))
    db.session.rollback()
    if not entries:
        return None
    first, last = entries[0].id, entries[-1].id
    row = {
        "id": before.id + 1,
        "first_id": first,
        "last_id": last,
        "oldest_at": min(entry.at for entry in entries),
        "sealed_at": at,
        "key_id": key_id,
        "tags": b"".join(TAG.pack(entry.id - first, tag(key, entry)) for entry in entries),
    }
    mac = mac_of(key, before.mac, row)
    try:
        with transaction():
            db.session.execute(insert(SEALS), {**row, "mac": mac})
    except IntegrityError:
        return None  # another was faster, and goes on
    return Head(before.id + 1, last, mac)


def tag(key: bytes, entry: Entry) -> bytes:
    """The keyed digest of what an entry says; its number stands beside it."""
    _number, at, *words = entry
    told = json.dumps([moment(at), *words], ensure_ascii=False, separators=(",", ":"))
    return hmac.digest(key, told.encode("utf-8", "surrogatepass"), "sha256")[:12]


def mac_of(key: bytes, before: str, seal: Any) -> str:
    """What binds a seal (a mapping) to all that it says and to the one before it."""
    told = [
        before,
        seal["id"],
        seal["first_id"],
        seal["last_id"],
        moment(seal["oldest_at"]),
        moment(seal["sealed_at"]),
        seal["key_id"],
        hashlib.sha256(seal["tags"]).hexdigest(),
    ]
    return hmac.digest(key, json.dumps(told).encode(), "sha256").hex()


def tags_of(seal: Any) -> list[tuple[int, bytes]]:
    """The number and the digest of each entry that a seal (a mapping) is over."""
    return [(seal["first_id"] + offset, tag) for offset, tag in TAG.iter_unpack(seal["tags"])]


def moment(at: datetime) -> str:
    """A moment as both databases keep it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")


def _settled(entries: Iterable[Entry], at: datetime) -> Iterator[Entry]:
    """All before the first that is too new; what a clock that ran ahead wrote is as settled as the rest."""
    for entry in entries:
        if abs(at - entry.at) < SETTLED:
            return
        yield entry
