"""What the worker does for whoever asked: read their replies."""

from __future__ import annotations

from datetime import timedelta

from portal.asker import mailbox
from portal.jobs import Hand, Job


def _replies(_hand: Hand) -> bool:
    return mailbox.poll()


JOBS = (Job(name="asker.replies", label="Reading replies", step=_replies, every=timedelta(minutes=1)),)
