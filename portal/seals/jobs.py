"""The sealer's round, and the look through all of the trail once a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import insert, select

from portal.clock import now
from portal.db import db, transaction
from portal.errors import Refused
from portal.jobs import Hand, Job, NotNow
from portal.seals import chain, key
from portal.seals.models import CHECKS, FAULT_MAX, AuditCheck
from portal.seals.verify import Verdict, verify
from portal.settings import settings

AT_ONCE = 20  # batches in one step
SEAL, CHECK = "audit.seal", "audit.verify"


def seal_all(at: datetime, *, most: int = AT_ONCE) -> bool:
    """Seal what has settled, so many batches at most; whether there may be more. Raises Refused: no key.

    A key is made only for a portal that has no seal yet: for a chain without its key a person has to look.
    """
    config = settings()
    if chain.head().id and not key.read(config):
        raise Refused(f"The audit's key is not at {key.path_of(config)}: put it back (docs/audit.md).")
    first = key.made(config)[0]
    heads: list[chain.Head] = []
    while len(heads) < most and (head := chain.seal_some(first, key.id_of(first), at=at)):
        heads.append(head)
    if heads:
        key.reach(config, str(heads[-1]))
    return len(heads) == most


def look(at: datetime, heads: Mapping[str, str]) -> Verdict:
    """Look through the whole trail, and keep what was found. Raises Refused: the key cannot be read."""
    config = settings()
    verdict = verify(key.read(config), at=at, heads={"audit.head": key.reached(config), **heads})
    row = {"at": at, "sealed": verdict.sealed, "unsealed": verdict.unsealed}
    with transaction():
        db.session.execute(insert(CHECKS), {**row, "fault": verdict.fault[:FAULT_MAX]})
    return verdict


def last_look() -> AuditCheck | None:
    """What the last one said."""
    return db.session.scalar(select(AuditCheck).order_by(AuditCheck.id.desc()).limit(1))


def _seal(_hand: Hand) -> bool:
    try:
        return seal_all(now())
    except Refused as error:
        raise NotNow(error.message) from error


def _look(_hand: Hand) -> bool:
    try:
        look(now(), {})
    except Refused as error:
        raise NotNow(error.message) from error
    return False


JOBS = (
    Job(name=SEAL, label="Sealing the audit trail", step=_seal, every=timedelta(minutes=10)),
    Job(
        name=CHECK,
        label="Looking through the audit trail",
        step=_look,
        every=timedelta(days=1),
        within=timedelta(hours=1),
    ),
)
