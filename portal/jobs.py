"""The register of jobs: what the worker does, each on its own, and how each has fared.

A job that fails rests, longer each time, and says so in its row; nobody else's waits for it. A periodic job is leased
by one conditional UPDATE, so that of several workers one runs it in a period, and the lease of a worker that was
killed runs out. A continuous job writes its row only when that changes.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import CursorResult, String, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UTCDateTime, db, transaction
from portal.keeping import Kept
from portal.register import Register

SKEW = timedelta(minutes=1)  # so far the clocks of two machines, or two looks at one, may be apart
FIRST_REST, LONGEST_REST = timedelta(seconds=5), timedelta(minutes=15)
ERROR_MAX = 300
HERE = Path(__file__).parent
PASSED_BY_ALL = {HERE / "worker.py", HERE / "db.py"}  # a fault that arose there is the step's


class NotNow(Exception):
    """What a job stands on cannot be reached: no fault of the job. The text is safe to keep."""


class Closable(Protocol):
    """What is open until it is closed."""

    def close(self) -> None:
        """End it."""


Open = TypeVar("Open", bound=Closable)


@dataclass
class Hand:
    """What a step may use: whose it is, how to wait, and what it keeps open from one step to the next."""

    worker: str
    wait: Callable[[float], bool]  # seconds; whether to stop
    handled: int = 0  # how many mails
    _open: list[Closable] = field(default_factory=list)

    def keep(self, make: Callable[[], Open]) -> Open:
        """The one thing this job keeps open, made at its first use."""
        if not self._open:
            self._open.append(make())
        return cast(Open, self._open[0])

    def close(self) -> None:
        """Let go of it."""
        while self._open:
            self._open.pop().close()


@dataclass(frozen=True, kw_only=True)
class Job:
    """One kind of work. `step` does a bounded piece of it and says whether there may be more at once.

    With `every` it runs once in a period, if it `is_wanted`; else whenever something was saved. At `soonest` there is
    something to do though nothing is saved until then. A step that is not done `within` is taken for one that never
    ends. `recover`, in a transaction, takes back what dead workers held.
    """

    name: str  # room.what
    label: str  # for staff
    step: Callable[[Hand], bool]
    every: timedelta | None = None
    soonest: Callable[[datetime], datetime | None] | None = None  # later than the time that it is given
    is_wanted: Callable[[datetime], bool] | None = None  # asked before a lease is taken, which is a write
    within: timedelta = timedelta(minutes=1)
    recover: Callable[[], object] | None = None


class JobRow(Base):
    """How one job has fared. A name that this version does not know rests."""

    __tablename__ = "job"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ran_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failures: Mapped[int] = mapped_column(default=0)  # in a row
    last_error: Mapped[str] = mapped_column(String(ERROR_MAX), default="")
    lease_by: Mapped[str | None] = mapped_column(String(60))
    lease_until: Mapped[datetime | None] = mapped_column(UTCDateTime)


KEPT = (Kept(table="job", rule="always; how the portal's own work goes"),)
JOBS: Register[Job] = Register("jobs", lambda job: job.name)


@dataclass(frozen=True)
class Standing:
    """How a job stands: `label` is empty for one that this version does not know."""

    name: str
    label: str
    due_at: datetime | None
    ran_at: datetime | None
    failures: int
    last_error: str

    @property
    def is_well(self) -> bool:
        """Whether nobody need look at it."""
        return bool(self.label) and not self.last_error


def standings() -> list[Standing]:
    """Every job there is, and every row of one that this version does not know."""
    rows = {row.name: row for row in db.session.scalars(select(JobRow).order_by(JobRow.name))}
    labels = {job.name: job.label for job in JOBS}
    found = []
    for name in [*labels, *(name for name in rows if name not in labels)]:
        row = rows.get(name)
        told = (row.due_at, row.ran_at, row.failures, row.last_error) if row else (None, None, 0, "")
        found.append(Standing(name, labels.get(name, ""), *told))
    return found


def begin(job: Job, *, worker: str, at: datetime, early: bool = False, resting: bool = False) -> bool:
    """Whether this worker may take a step now; a periodic job is its own until it ends it.

    `early` asks for no period to be over, `resting` for no rest. Opens its own transactions.
    """
    row = db.session.execute(
        select(JobRow.due_at, JobRow.failures).where(JobRow.name == job.name)
    ).one_or_none()
    db.session.rollback()
    if row is None and job.every is not None:
        _make_row(job, at)
    elif row is not None and at < row.due_at <= _latest(job, at) and not (resting if row.failures else early):
        return False
    if job.every is None:
        return True
    if job.is_wanted is not None and not (early or resting) and not job.is_wanted(at):
        db.session.rollback()
        return False
    # Twice what a step may take, so that a step that is not over yet is nobody else's.
    lease = 2 * job.within
    free = or_(
        JobRow.lease_until.is_(None),
        JobRow.lease_until <= at,
        JobRow.lease_until > at + lease + SKEW,  # by a clock that ran ahead
        JobRow.lease_by == worker,
    )
    due = [] if early or resting else [or_(JobRow.due_at <= at, JobRow.due_at > _latest(job, at))]
    wanted = update(JobRow).where(JobRow.name == job.name, free, *due)
    with transaction():
        return _changed(wanted.values(lease_by=worker, lease_until=at + lease))


def next_look(job: Job, *, at: datetime) -> datetime | None:
    """When it is due after `at`, though nothing be saved until then; None when that is not known."""
    due_at = db.session.scalar(select(JobRow.due_at).where(JobRow.name == job.name, JobRow.due_at > at))
    if due_at is None and job.soonest is not None:
        due_at = job.soonest(at)
    db.session.rollback()
    return due_at


def end(job: Job, *, worker: str, at: datetime) -> None:
    """All is done for now."""
    if job.every is None:
        trouble = select(JobRow.name).where(JobRow.name == job.name, JobRow.last_error != "")
        in_trouble = db.session.scalar(trouble) is not None
        db.session.rollback()
        if in_trouble:
            with transaction():
                _set(job, ran_at=at, failures=0, last_error="")
        return
    with transaction():
        rest = {"lease_by": None, "lease_until": None, "failures": 0, "last_error": ""}
        mine = update(JobRow).where(JobRow.name == job.name, JobRow.lease_by == worker)
        db.session.execute(mine.values(due_at=at + job.every, ran_at=at, **rest))


def fail(job: Job, error: str, *, at: datetime, worker: str = "") -> None:
    """Let it rest, longer each time, and keep why: a type and a place, never what somebody typed.

    A `worker` whose lease ran out meanwhile says nothing about the step of the one who has it now.
    """
    with transaction():
        row = _get(job, at)
        if _is_anothers(row, worker):
            return
        row.failures += 1
        rest = min(FIRST_REST * 2 ** min(row.failures - 1, 20), LONGEST_REST)
        row.due_at = at + rest * random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
        row.last_error = error[:ERROR_MAX]
        row.lease_by = row.lease_until = None


def blame(name: str, *, at: datetime) -> None:
    """Let a job rest whose step never ended."""
    if (job := JOBS.get(name)) is not None:
        fail(job, f"did not end its step within {job.within.total_seconds():.0f} s", at=at)


def put_off(job: Job, reason: str, *, worker: str, at: datetime) -> None:
    """Say that what it stands on cannot be reached; it is asked again as ever."""
    known = db.session.scalar(select(JobRow.last_error).where(JobRow.name == job.name))
    db.session.rollback()
    if known == reason[:ERROR_MAX] and job.every is None:
        return
    with transaction():
        row = _get(job, at)
        if _is_anothers(row, worker):
            return
        row.last_error = reason[:ERROR_MAX]
        row.lease_by = row.lease_until = None


def hasten(name: str, *, at: datetime) -> None:
    """Let a periodic job be due now, in the caller's transaction; one that never ran is due anyway."""
    db.session.execute(update(JobRow).where(JobRow.name == name, JobRow.failures == 0).values(due_at=at))


def recover() -> None:
    """Take back every lease, in the caller's transaction: for a worker that knows no other lives."""
    db.session.execute(update(JobRow).values(lease_by=None, lease_until=None))
    for job in JOBS:
        if job.recover is not None:
            job.recover()


def place(error: BaseException) -> str:
    """An error's type and where in our code it arose; its text may hold what somebody typed."""
    frames = traceback.extract_tb(error.__traceback__)
    paths = [Path(frame.filename) for frame in frames]
    ours = [n for n, path in enumerate(paths) if HERE in path.parents and path not in PASSED_BY_ALL]
    if not frames:
        return type(error).__name__
    at = ours[-1] if ours else -1
    file = paths[at].relative_to(HERE) if ours else paths[at].name
    return f"{type(error).__name__} at {file}:{frames[at].lineno} {frames[at].name}"


def _latest(job: Job, at: datetime) -> datetime:
    """When it is due at the latest; what lies beyond was written by a clock that ran ahead."""
    return at + max(job.every or LONGEST_REST, 1.2 * LONGEST_REST)


def _make_row(job: Job, at: datetime) -> None:
    try:
        with transaction():
            db.session.add(JobRow(name=job.name, due_at=at, failures=0, last_error=""))
    except IntegrityError:
        pass  # another worker was first


def _get(job: Job, at: datetime) -> JobRow:
    row = db.session.get(JobRow, job.name, with_for_update=True)
    if row is None:
        row = JobRow(name=job.name, due_at=at, failures=0, last_error="")
        db.session.add(row)
    return row


def _is_anothers(row: JobRow, worker: str) -> bool:
    return bool(worker and row.lease_by) and row.lease_by != worker


def _set(job: Job, **values: Any) -> bool:
    return _changed(update(JobRow).where(JobRow.name == job.name).values(**values))


def _changed(statement: Any) -> bool:
    result = db.session.execute(statement.execution_options(synchronize_session=False))
    return bool(cast("CursorResult[Any]", result).rowcount)
