"""Addresses we must remember without keeping them: each as an HMAC under the portal's secret key.

After a change of SECRET_KEY the old ones are still found by the fallbacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select

from portal import tokens
from portal.db import db
from portal.newsletter.models import Reason, Tombstone, key_of

BLOCKED_FOR = timedelta(days=365)  # after "this was not me"


def hashes_of(address: str, keys: Sequence[str]) -> list[str]:
    """The hash of an address under each key; `keys` begins with the key in use."""
    return [tokens.derive(key, "newsletter/tombstone", key_of(address)) for key in keys]


def put(
    address: str, reason: Reason, *, keys: Sequence[str], at: datetime, until: datetime | None = None
) -> None:
    """Remember an address for a reason; a second time only moves the end."""
    stone = _find(address, reason, keys)
    if stone is None:
        db.session.add(Tombstone(address_hash=hashes_of(address, keys)[0], reason=reason, at=at, until=until))
    else:
        stone.until = until


def lift_block(address: str, *, keys: Sequence[str]) -> None:
    """Forget a "this was not me", because its owner has now said yes."""
    if stone := _find(address, Reason.BLOCKED, keys):
        db.session.delete(stone)


def reasons(address: str, *, keys: Sequence[str], at: datetime) -> set[Reason]:
    """Why an address is remembered, as far as it still counts."""
    query = select(Tombstone.reason).where(
        Tombstone.address_hash.in_(hashes_of(address, keys)),
        or_(Tombstone.until.is_(None), Tombstone.until > at),
    )
    return {Reason(reason) for reason in db.session.scalars(query)}


def among(addresses: Sequence[str], *, keys: Sequence[str], at: datetime) -> set[str]:
    """Which of these, by key, are remembered for any reason that still counts."""
    by_hash = {one: key_of(address) for address in addresses for one in hashes_of(address, keys)}
    counts = or_(Tombstone.until.is_(None), Tombstone.until > at)
    query = select(Tombstone.address_hash).where(Tombstone.address_hash.in_(list(by_hash)), counts)
    return {by_hash[one] for one in db.session.scalars(query)}


def _find(address: str, reason: Reason, keys: Sequence[str]) -> Tombstone | None:
    query = select(Tombstone).where(
        Tombstone.address_hash.in_(hashes_of(address, keys)), Tombstone.reason == reason
    )
    return db.session.scalars(query.limit(1)).first()
