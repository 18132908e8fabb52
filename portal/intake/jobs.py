"""What the worker does with new requests: have their NPI judged, so that nobody at the form waits for it."""

from __future__ import annotations

from datetime import timedelta

from portal.clock import now
from portal.intake import checks
from portal.jobs import Hand, Job
from portal.npi import index
from portal.npi.verdicts import Answer
from portal.settings import settings

AGAIN_EVERY = timedelta(minutes=15)


def _ask(npi: str) -> Answer:
    return index.Index(settings().INSTANCE_DIR / index.NAME).ask(npi)


def _check(_hand: Hand) -> bool:
    return checks.check_new(_ask, now())


def _again(_hand: Hand) -> bool:
    checks.check_unchecked(_ask, now())
    return False


JOBS = (
    Job(name="npi.check", label="Checking the NPI of new requests", step=_check),
    Job(
        name="npi.again",
        label="Checking the NPI where nobody could be asked before",
        step=_again,
        every=AGAIN_EVERY,
    ),
)
