"""What the worker does for the portal as a whole: forget what is over, look whether the database is whole."""

from __future__ import annotations

from datetime import timedelta

from portal import keeping
from portal.clock import now
from portal.jobs import Hand, Job, NotNow
from portal.ops import checks


def _forget(_hand: Hand) -> bool:
    return keeping.forget(now())


def _look(_hand: Hand) -> bool:
    if not (found := checks.integrity()).ok:
        raise NotNow(f"the database is not whole: {found.detail}. {found.remedy}")
    return False


JOBS = (
    Job(name="keeping.forget", label="Forgetting what is over", step=_forget, every=timedelta(minutes=10)),
    Job(
        name="ops.integrity",
        label="Looking whether the database is whole",
        step=_look,
        every=timedelta(days=1),
        within=timedelta(minutes=30),
    ),
)
