"""What the worker does with mail: each lane is a job of its own, with a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from portal import jobs
from portal.clock import now
from portal.db import transaction
from portal.jobs import Hand, Job, NotNow
from portal.mail import deliver, lanes, maildir, promise, returns
from portal.mail.models import Lane
from portal.mail.transport import RelayDown, Transport, transport_for
from portal.settings import settings

WRITTEN_EVERY = timedelta(minutes=10)
LABELS = {
    Lane.NOW: "Mail somebody waits for",
    Lane.SOON: "Notices to staff, reminders",
    Lane.BULK: "The newsletter",
}


def _transport() -> Transport:
    config = settings()
    return transport_for(config.SMTP_URL, config.INSTANCE_DIR / "mail")


def _of(lane: Lane) -> Callable[[Hand], bool]:
    def step(hand: Hand) -> bool:
        try:
            handled = deliver.deliver(lane, hand.keep(_transport), worker=hand.worker, wait=hand.wait)
        except RelayDown as error:
            raise NotNow(str(error)) from error
        hand.handled += handled
        if handled:  # what it had waited for is there again, however much still waits
            jobs.end(next(job for job in JOBS if job.name == f"mail.{lane}"), worker=hand.worker, at=now())
        return bool(handled)

    return step


def _write(_hand: Hand) -> bool:
    with transaction():
        lanes.set_right(now())
    deliver.write_all()
    return False


def _retire(_hand: Hand) -> bool:
    with transaction():
        return promise.retire(now()) == promise.RETIRED_AT_ONCE


def _returns(_hand: Hand) -> bool:
    with transaction():  # first: for this no folder is needed
        refused = returns.hear_refusals(now())
    folder = settings().BOUNCE_MAILDIR
    more = maildir.poll(folder) if folder else False
    return more or refused == returns.REFUSED_AT_ONCE


JOBS = (
    # First: a worker that does all once then sends what a wrong clock had kept back.
    Job(name="mail.write", label="Writing mail that is not due yet", step=_write, every=WRITTEN_EVERY),
    *(
        Job(
            name=f"mail.{lane}",
            label=LABELS[lane],
            step=_of(lane),
            soonest=partial(lanes.soonest, lane),
            within=lanes.WITHIN,
            recover=lanes.free_leases if lane is Lane.NOW else None,
        )
        for lane in Lane
    ),
    Job(name="mail.returns", label="Reading what came back", step=_returns, every=timedelta(minutes=1)),
    Job(name="mail.retire", label="Forgetting what old mail said", step=_retire, every=timedelta(hours=1)),
)
