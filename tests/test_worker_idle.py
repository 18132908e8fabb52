"""A worker with nothing to do: how often it looks, by a clock of ours, and that what comes is seen all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal import jobs, worker
from portal.changes import Changes
from portal.db import db, transaction
from portal.jobs import JOBS, Job
from portal.mail import promise
from portal.mail.models import Delivery, State
from portal.worker import Worker
from tests.conftest import START, Clock
from tests.figures import Figure
from tests.mail.conftest import FACTS

WITHIN = 1.0  # seconds, for a mail somebody waits for


class Minute:
    """A minute of our clock, lived by one job's thread at a time: it stands for the worker's event and condition."""

    def __init__(self, clock: Clock, changes: Changes, happens: Callable[[float], None]) -> None:
        self.clock, self.changes, self.happens = clock, changes, happens
        self.worker = Worker()
        self.worker._stop = self.worker._news = self  # type: ignore[assignment]

    def live(self, job: Job) -> None:
        """Let the job's thread work for a minute."""
        self.clock.set(START + timedelta(hours=1))
        self.changes.look()
        self.worker._work(job)

    def is_set(self) -> bool:
        return self._lived >= 60

    def wait(self, seconds: float) -> bool:
        self._pass(lambda: False, seconds)
        return self.is_set()

    def wait_for(self, is_over: Callable[[], bool], seconds: float) -> None:
        self._pass(is_over, seconds)

    def notify_all(self) -> None:
        """Nobody else waits."""

    def __enter__(self) -> Minute:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    @property
    def _lived(self) -> float:
        return (self.clock() - START).total_seconds() - 3600

    def _pass(self, is_over: Callable[[], bool], seconds: float) -> None:
        end = min(self._lived + seconds, 60)
        while self._lived < end and not is_over():
            self.clock.tick(max(0.001, min(worker.WATCH_SECONDS, end - self._lived)))
            self.happens(self._lived)
            if self.changes.look():
                self.worker._wake()


@pytest.fixture
def minute(app: Flask, clock: Clock) -> Iterator[Callable[..., Minute]]:
    """Makes one, after all that was due has been done."""
    with app.app_context():
        Worker().run_once()
        clock.tick(hours=1)
        Worker().run_once()
        changes = Changes(db.engine)

        def make(happens: Callable[[float], None] = lambda _lived: None) -> Minute:
            return Minute(clock, changes, happens)

        yield make
        changes.close()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each job looked."""
    found, begin = Counter[str](), jobs.begin

    def counted(job: Job, **more: Any) -> bool:
        found[job.name] += 1
        return begin(job, **more)

    monkeypatch.setattr(jobs, "begin", counted)
    return found


def test_in_an_idle_minute_no_job_looks_more_than_the_work_it_does(
    minute: Callable[..., Minute], looks: Counter[str], figure: Figure
) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL tells of every database of its server, of its own housekeeping too")
    idle = minute()
    for job in JOBS:
        idle.live(job)

    continuous = {job.name for job in JOBS if job.every is None}
    assert set(looks) == {job.name for job in JOBS}
    assert all(looks[name] <= 3 for name in continuous), looks
    assert looks["editions.send"] <= 3, "it leases, and so writes, only when there is an edition"
    figure("worker: looks of all jobs in an idle minute", looks.total(), f"of {len(looks)} jobs")
    assert looks.total() <= 5 * len(looks)


def test_what_is_saved_meanwhile_is_seen_within_its_second(
    app: Flask, minute: Callable[..., Minute], clock: Clock
) -> None:
    saved = list[float]()

    def happens(lived: float) -> None:
        if lived > 21 and not saved:
            saved.append(lived)
            promise_one(app, at=clock())

    minute(happens).live(JOBS.get("mail.now"))

    assert (sent_at(clock) - saved[0]) < WITHIN


@pytest.mark.parametrize("after", [0.3, 7.3, 29.7, 41.0])
def test_what_falls_due_leaves_within_its_second_though_nothing_is_saved(
    app: Flask, minute: Callable[..., Minute], clock: Clock, after: float
) -> None:
    begins = START + timedelta(hours=1)
    one = minute()
    promise_one(app, at=begins, not_before=begins + timedelta(seconds=after))

    one.live(JOBS.get("mail.now"))

    assert 0 <= sent_at(clock) - after < WITHIN


def promise_one(app: Flask, **more: Any) -> None:
    """A mail, as a request promises it."""
    with app.app_context(), transaction():
        promise.promise("intake/notice", to="a@b.example", cause="test:1", facts=FACTS, **more)


def sent_at(clock: Clock) -> float:
    """When in the minute the one mail was handed over."""
    mail = db.session.scalars(select(Delivery)).one()
    assert mail.state == State.SENT and mail.over_at is not None
    return (mail.over_at - START).total_seconds() - 3600


def test_a_look_tells_of_every_save_by_others_and_of_nothing_else(app: Flask) -> None:
    with app.app_context():
        changes = Changes(db.engine)
        assert changes.look(), "at first nothing is known"
        db.session.scalar(select(Delivery.id))
        db.session.rollback()
        is_sqlite = db.engine.dialect.name == "sqlite"  # the other tells of its own housekeeping too
        assert not (changes.look() and is_sqlite)

        with transaction():
            db.session.add(jobs.JobRow(name="x", due_at=START, failures=0, last_error=""))

        assert changes.look()
        assert not (changes.look() and is_sqlite)
        changes.close()
