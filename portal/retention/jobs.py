"""The work of each day: requests whose time is over lose who asked and what."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from portal.clock import now
from portal.db import transaction
from portal.jobs import Hand, Job
from portal.retention import requests
from portal.settings import settings


def blank_some(folder: Path) -> int:
    """Blank one batch of the requests whose time is over; returns how many. Opens its own write."""
    ids = requests.over(now())
    if ids:
        with transaction():
            gone = requests.blank(ids)
        for number in gone:
            for path in folder.glob(f"*-{number}.*"):
                path.unlink(missing_ok=True)
    return len(ids)


def _daily(_hand: Hand) -> bool:
    return blank_some(settings().INSTANCE_DIR / "mail") == requests.BATCH


JOBS = (
    Job(
        name="retention.requests",
        label="Closed requests losing who asked",
        step=_daily,
        every=timedelta(days=1),
    ),
)
