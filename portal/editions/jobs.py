"""What the worker does with editions: begins what is due, ends what is sent, pauses what fails."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select

from portal.clock import now
from portal.db import db, transaction
from portal.editions import service
from portal.editions.models import Edition, State
from portal.errors import Conflict
from portal.jobs import Hand, Job

EVERY = timedelta(seconds=5)


def _due(at: datetime) -> Select[Any]:
    return select(Edition.id).where(Edition.state == State.SCHEDULED, Edition.due_at <= at)


_SENDING = select(Edition.id).where(Edition.state == State.SENDING)


def _is_wanted(at: datetime) -> bool:
    return any(db.session.scalar(query.limit(1)) is not None for query in (_due(at), _SENDING))


def _soonest(at: datetime) -> datetime | None:
    later = select(func.min(Edition.due_at)).where(Edition.state == State.SCHEDULED, Edition.due_at > at)
    return db.session.scalar(later)


def _step(_hand: Hand) -> bool:
    at = now()
    starts, going = db.session.scalars(_due(at)).all(), db.session.scalars(_SENDING).all()
    for edition_id in starts:
        _start(edition_id)
    for edition_id in going:
        try:
            with transaction():
                service.look_after(service.get(edition_id), at=at)
        except Conflict:
            pass  # a person paused or cancelled it in this moment
    db.session.rollback()
    return False


def _start(edition_id: int) -> None:
    at = now()
    edition = service.get(edition_id)
    version, due_at = edition.version, edition.due_at
    is_late = due_at is not None and due_at < at - service.TOO_LATE
    contents = {} if is_late else service.written(edition, at)
    try:
        with transaction():
            if is_late:
                service.hold_late(edition, at=at)
            else:
                service.begin(edition, contents, version=version, at=at)
    except Conflict:
        pass  # stopped, or begun by another worker, in this moment


JOBS = (
    Job(
        name="editions.send",
        label="Sending newsletter editions",
        step=_step,
        every=EVERY,
        soonest=_soonest,
        is_wanted=_is_wanted,
        within=timedelta(minutes=5),
    ),
)
