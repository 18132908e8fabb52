"""What the worker does for the newsletter."""

from __future__ import annotations

from datetime import timedelta

from portal.clock import now
from portal.jobs import Hand, Job
from portal.newsletter import leaving, reminders, service
from portal.settings import settings

HOUSEKEEPING = timedelta(minutes=10)


def _answer(_hand: Hand) -> bool:
    return service.answer_signups(keys=settings().keys, at=now()) == service.BATCH


def _set_right(_hand: Hand) -> bool:
    return service.set_right(at=now())


def _end_pauses(_hand: Hand) -> bool:
    return service.end_pauses(at=now())


def _remind(_hand: Hand) -> bool:
    return reminders.remind(keys=settings().keys, at=now())


def _leave(_hand: Hand) -> bool:
    return leaving.answer(at=now())


JOBS = (
    Job(
        name="newsletter.set-right",
        label="Sign-ups of a clock that ran ahead",
        step=_set_right,
        every=HOUSEKEEPING,
    ),
    Job(name="newsletter.end-pauses", label="Ending pauses", step=_end_pauses, every=HOUSEKEEPING),
    Job(name="newsletter.remind", label="Reminders to confirm", step=_remind, every=HOUSEKEEPING),
    Job(name="newsletter.leave", label="Links to stop the newsletter", step=_leave),
    Job(name="newsletter.answer", label="Answering sign-ups", step=_answer, soonest=service.soonest),
)
