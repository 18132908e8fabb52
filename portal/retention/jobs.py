"""The work of each day: requests and mails lose whom they tell of, trail and consent their oldest."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from portal.clock import now
from portal.db import transaction
from portal.errors import Unavailable
from portal.jobs import Hand, Job, NotNow
from portal.mail import promise as mail
from portal.retention import requests, sealed, traces
from portal.settings import settings


def blank_some(folder: Path) -> int:
    """Blank one batch of the requests whose time is over; returns how many. Opens its own write."""
    ids = requests.over(now())
    if ids:
        with transaction():
            gone = requests.blank(ids)
        traces.unlink(folder, gone)
    return len(ids)


def hash_some() -> int:
    """Put a hash in the place of one batch of addresses; returns how many. Opens its own write."""
    at = now()
    rows = mail.to_hash(at)
    with transaction():
        mail.hash_recipients(rows, settings().keys, at)
    return len(rows)


def seal_some() -> int:
    """End one batch of each append-only table; returns how many rows. Opens its own writes."""
    return sum(sealed.end(ending, at=now()) for ending in sealed.ENDINGS)


def _files(_hand: Hand) -> bool:
    if left := traces.unlink_forgotten(settings().INSTANCE_DIR / "mail"):
        raise NotNow(f"{len(left)} files of mails cannot be deleted, {left[0]} first")
    return False


def _mail(_hand: Hand) -> bool:
    return hash_some() == mail.RETIRED_AT_ONCE


def _sealed(_hand: Hand) -> bool:
    return seal_some() > 0


def _daily(_hand: Hand) -> bool:
    has_more = blank_some(settings().INSTANCE_DIR / "mail") == requests.BATCH
    if not has_more:
        with suppress(Unavailable):  # tomorrow, then
            traces.wipe()
    return has_more


JOBS = (
    Job(
        name="retention.requests",
        label="Closed requests losing who asked",
        step=_daily,
        every=timedelta(days=1),
    ),
    Job(
        name="retention.files",
        label="Files of mails going with what they said",
        step=_files,
        every=timedelta(hours=1),
    ),
    Job(
        name="retention.mail",
        label="Old mails losing to whom they went",
        step=_mail,
        every=timedelta(days=1),
    ),
    Job(
        name="retention.sealed",
        label="The oldest of the trail and of consent ending",
        step=_sealed,
        every=timedelta(days=1),
    ),
)
