"""What the worker does with editions: begins what is due, ends what is sent, pauses what fails."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from portal.clock import now
from portal.db import db, transaction
from portal.editions import service
from portal.editions.models import Edition, State
from portal.errors import Conflict
from portal.jobs import Hand, Job

EVERY = timedelta(seconds=5)


def _step(_hand: Hand) -> bool:
    at = now()
    due = select(Edition.id).where(Edition.state == State.SCHEDULED, Edition.due_at <= at)
    sending = select(Edition.id).where(Edition.state == State.SENDING)
    starts, going = db.session.scalars(due).all(), db.session.scalars(sending).all()
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
        within=timedelta(minutes=5),
    ),
)
