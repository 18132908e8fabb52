"""What the worker does for the people who work here."""

from __future__ import annotations

from datetime import timedelta

from portal.clock import now
from portal.db import transaction
from portal.jobs import Hand, Job
from portal.people import credentials, invitations


def _purge(_hand: Hand) -> bool:
    with transaction():
        credentials.purge_sessions(at=now())
        invitations.purge(at=now())
    return False


JOBS = (
    Job(
        name="people.purge",
        label="Forgetting sessions and links that are over",
        step=_purge,
        every=timedelta(minutes=10),
    ),
)
