"""What the worker does with new requests: have their NPI judged, so that nobody at the form waits for it."""

from __future__ import annotations

from datetime import timedelta

from portal.clock import now
from portal.errors import Unavailable
from portal.intake import checks
from portal.jobs import Hand, Job
from portal.npi import index
from portal.npi.remote import Remote
from portal.npi.verdicts import NOBODY_ASKED, Answer
from portal.settings import settings

AGAIN_EVERY = timedelta(minutes=15)
REMEMBERED = timedelta(days=30)


def _ask(npi: str, again: bool) -> Answer:
    """The index first; the remote registry, where there is one, for what the index does not know."""
    config, found = settings(), NOBODY_ASKED
    try:
        found = index.Index(config.INSTANCE_DIR / index.NAME).ask(npi)
        if found.known or not config.NPI_REGISTRY_URL:
            return found
    except Unavailable:
        if not config.NPI_REGISTRY_URL:
            raise
    remote = Remote(config.NPI_REGISTRY_URL)
    if not again and (lately := checks.remembered(npi, remote.host, now() - REMEMBERED)):
        return lately
    try:
        return remote.ask(npi, now().date())
    except Unavailable:
        return found


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
