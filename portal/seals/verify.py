"""Looking through the whole trail, seal by seal: the first row that was changed, added, taken away or moved is named.

What retention ended (decision 0036) is missing by right: an entry of the trail says so, which is sealed like all.

Memory holds one seal's batch at a time and one entry for each batch that was ended.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, func, select

from portal import audit
from portal.audit import AuditEntry
from portal.db import db
from portal.seals import chain, key
from portal.seals.models import SEALS, Seal

ENDED = "audit.ended"
TOLD = re.compile(r"(\d{1,18}) rows, (\d{1,18}) to (\d{1,18}), SHA-256 [0-9a-f]{64}")
SLACK = timedelta(days=1)  # between two clocks
AT_ONCE = 50  # seals


@dataclass(frozen=True)
class Verdict:
    """What was found; `fault` is empty when all that is sealed is there as it was, and in its order."""

    sealed: int  # entries
    ended: int  # of them, by their age
    unsealed: int  # not sealed yet
    head: str
    fault: str = ""


@dataclass(frozen=True)
class _Ending:
    """A batch of rows that retention let go, as the trail says."""

    at: datetime
    count: int
    first: int
    last: int


class _Broken(Exception):
    """The first thing that is wrong, in words."""


def verify(keys: Sequence[bytes], *, at: datetime, heads: Mapping[str, str]) -> Verdict:
    """Look through all seals and all that they are over.

    `heads` are heads that the chain once had, by what says so: a chain that lacks one was cut off. Opens no write.
    """
    db.session.rollback()  # what is seen is what is there now
    walk = _Walk({key.id_of(one): one for one in keys}, at)
    fault = ""
    try:
        for seal in _seals():
            walk.take(seal)
        walk.end(heads)
    except _Broken as broken:
        fault = str(broken)
    unsealed = db.session.scalar(
        select(func.count()).select_from(AuditEntry).where(AuditEntry.id > walk.head.last_id)
    )
    db.session.rollback()
    return Verdict(walk.sealed, walk.missing, unsealed or 0, str(walk.head), fault)


class _Walk:
    """From the first seal to the last."""

    def __init__(self, keys: Mapping[str, bytes], at: datetime) -> None:
        self.keys, self.at = keys, at
        self.head = chain.Head()
        self.sealed = self.missing = 0
        self.endings = _endings()

    def take(self, seal: RowMapping) -> None:
        """Look at the next seal and what it is over."""
        number = self.head.id + 1
        if seal["id"] != number:
            raise _Broken(f"seal {number} is missing (entries from {self.head.last_id + 1} on)")
        made_with = self.keys.get(seal["key_id"])
        if made_with is None:
            raise _Broken(f"seal {number} was made with a key that AUDIT_KEY_FILE does not hold")
        if not hmac.compare_digest(seal["mac"], chain.mac_of(made_with, self.head.mac, seal)):
            raise _Broken(
                f"seal {number} (entries {seal['first_id']} to {seal['last_id']}) was changed, or is not ours"
            )
        self._compare(seal, made_with)
        self.head = chain.Head(number, seal["last_id"], seal["mac"])

    def end(self, heads: Mapping[str, str]) -> None:
        """What only the whole chain can say."""
        for name, told in heads.items():
            number, _, mac = told.partition(":")
            if not told:
                continue
            query = select(Seal.mac).where(Seal.id == int(number)) if number.isdigit() else None
            if query is None or db.session.scalar(query) != mac:
                raise _Broken(
                    f"the chain ends at seal {self.head.id}, and {name} knows it with seal {number}: "
                    "its end was cut off or made anew"
                )
        if self.missing > (ended := sum(ending.count for ending in self.endings)):
            raise _Broken(f"{self.missing} entries are missing, of which the trail ended {ended}")

    def _compare(self, seal: RowMapping, made_with: bytes) -> None:
        there = select(*chain.COLUMNS).where(AuditEntry.id <= seal["last_id"])
        if self.head.id:
            there = there.where(AuditEntry.id > self.head.last_id)
        told = dict(chain.tags_of(seal))
        some = there.order_by(AuditEntry.id).limit(len(told) + 1)  # of many more the first one is among these
        found = {entry.id: entry for entry in db.session.execute(some)}
        for number in sorted(found.keys() | told.keys()):
            if number not in told:
                raise _Broken(f"entry {number} was added after its time")
            if number not in found:
                self._miss(number, seal)
                continue
            entry = found[number]
            tag = chain.tag(made_with, entry)
            if not hmac.compare_digest(tag, told[number]):
                is_anothers = tag in told.values()
                raise _Broken(
                    f"entry {number} {'stands in the place of another' if is_anothers else 'was changed'}"
                )
            if entry.action == ENDED and entry.at > seal["sealed_at"] + SLACK:
                raise _Broken(f"entry {number} tells of an end that was to come")
        self.sealed += len(told)

    def _miss(self, number: int, seal: RowMapping) -> None:
        """A row is away: by right, when the trail says that its batch was ended, and it was old enough."""
        if not self._was_ended(number, seal):
            self.endings = _endings()  # perhaps while we looked
            if not self._was_ended(number, seal):
                raise _Broken(f"entry {number} is missing")
        self.missing += 1

    def _was_ended(self, number: int, seal: RowMapping) -> bool:
        oldest = seal["oldest_at"]
        return any(
            ending.first <= number <= ending.last
            and oldest <= ending.at - audit.KEPT_FOR
            and ending.at <= self.at + SLACK
            for ending in self.endings
        )


def _seals() -> Iterator[RowMapping]:
    last = 0
    while (
        some := db.session.execute(select(SEALS).where(Seal.id > last).order_by(Seal.id).limit(AT_ONCE))
        .mappings()
        .all()
    ):
        yield from some
        db.session.rollback()  # no snapshot is held for long
        last = some[-1]["id"]


def _endings() -> list[_Ending]:
    query = select(AuditEntry.at, AuditEntry.detail).where(AuditEntry.action == ENDED).order_by(AuditEntry.id)
    found = []
    for at, detail in db.session.execute(query):
        if told := TOLD.fullmatch(detail):
            found.append(_Ending(at, *(int(number) for number in told.groups())))
    return found
