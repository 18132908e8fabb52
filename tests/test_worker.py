"""The worker's jobs share no fate: what fails rests and is named, what never ends is given up, mail goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal import jobs
from portal.app import ROOMS_JOBS, create_app
from portal.db import db, transaction
from portal.errors import CodeFaults
from portal.jobs import Hand, Job, JobRow, NotNow
from portal.ops import checks
from portal.worker import Worker
from tests.conftest import START, Clock
from tests.live import ROOT

SOON = 20  # seconds, generous: the machine may be busy


@pytest.fixture
def sign_in_jobs(app: Flask) -> Iterator[Callable[..., None]]:
    """Put jobs into the register for one test."""
    kept = list(jobs.JOBS)
    yield lambda *some: jobs.JOBS.fill(some)
    jobs.JOBS.fill(kept)


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    with app.app_context():
        yield app


def value_error(_hand: Hand) -> bool:
    raise ValueError("ana@clinic.example")


def integrity_error(_hand: Hand) -> bool:
    with transaction():
        for _ in range(2):
            db.session.execute(
                text("INSERT INTO job (name, due_at, failures, last_error) VALUES ('x', '2026-01-15', 0, '')")
            )
    return False


def row(name: str) -> JobRow:
    db.session.expire_all()
    return db.session.get_one(JobRow, name)


def run(worker: Worker) -> list[str]:
    """Let it work until a step tells it to stop; a test that waits in vain fails."""
    late = threading.Timer(SOON, worker.stop)
    late.start()
    try:
        return worker.run()
    finally:
        late.cancel()


class Mail:
    """A job that counts its steps, as mail that waits would."""

    def __init__(self, most: int = 3) -> None:
        self.sent, self.most = 0, most

    def __call__(self, hand: Hand) -> bool:
        self.sent += 1
        hand.handled += 1
        return self.sent < self.most


@pytest.mark.parametrize(
    ("faulty", "kind"), [(value_error, "ValueError"), (integrity_error, "IntegrityError")]
)
@pytest.mark.parametrize("every", [None, timedelta(minutes=10)])
def test_a_job_that_raises_holds_up_nobody_else(
    faulty: Callable[[Hand], bool],
    kind: str,
    every: timedelta | None,
    context: Flask,
    clock: Clock,
    sign_in_jobs: Callable[..., None],
) -> None:
    mail = Mail()
    sign_in_jobs(
        Job(name="a.faulty", label="A faulty one", step=faulty, every=every),
        Job(name="mail", label="Mail", step=mail),
    )

    assert Worker().run_once() == 3

    assert row("a.faulty").failures == 1
    assert kind in row("a.faulty").last_error
    assert "ana@" not in row("a.faulty").last_error, "an error's own words may be somebody's"
    found = checks.work()
    assert not found.ok
    assert "a.faulty failed 1 times" in found.detail
    assert kind in found.detail


def test_what_fails_rests_longer_each_time_and_is_well_again_after_one_success(
    context: Flask, clock: Clock, sign_in_jobs: Callable[..., None]
) -> None:
    broken = [True] * 9

    def step(_hand: Hand) -> bool:
        if broken.pop():
            raise ValueError
        return False

    job = Job(name="a.faulty", label="A faulty one", step=step)
    sign_in_jobs(job)
    rests = []
    for _ in range(9):
        Worker().run_once()
        rests.append((row("a.faulty").due_at - clock()).total_seconds())
        before = len(broken)
        Worker().run_once()
        assert len(broken) == before, "it rests"
        clock.set(row("a.faulty").due_at)

    assert 4 <= rests[0] <= 6
    assert all(later > earlier for earlier, later in zip(rests, rests[1:6], strict=False))
    assert max(rests) <= 15 * 60 * 1.2
    broken.append(False)
    Worker().run_once()
    assert (row("a.faulty").failures, row("a.faulty").last_error) == (0, "")
    assert checks.work().ok


def test_one_whose_step_never_ends_holds_up_nobody_else(
    app: Flask, context: Flask, sign_in_jobs: Callable[..., None]
) -> None:
    """Mail goes on beside it; then `run` names it, so that a new process is begun, where it rests."""
    never, gone_on = threading.Event(), threading.Event()
    mail = Mail(most=10**9)

    def step(hand: Hand) -> bool:
        mail(hand)
        if mail.sent == 5:
            gone_on.set()
        return not gone_on.is_set()

    sign_in_jobs(
        Job(
            name="a.hung",
            label="One that hangs",
            step=lambda _hand: never.wait(60),
            within=timedelta(seconds=1),
        ),
        Job(name="mail", label="Mail", step=step),
    )
    try:
        hung = run(Worker())
        assert hung == ["a.hung"]
        assert gone_on.is_set()
    finally:
        never.set()

    jobs.blame("a.hung", at=START)

    assert row("a.hung").last_error == "did not end its step within 1 s"
    assert not jobs.begin(next(iter(jobs.JOBS)), worker="w", at=START + timedelta(seconds=1))
    assert "a.hung" in checks.work().detail


def test_a_step_that_never_ends_is_blamed_by_the_process_that_follows(
    app: Flask, monkeypatch: pytest.MonkeyPatch, sign_in_jobs: Callable[..., None]
) -> None:
    """As `flask worker` does it: what it becomes is told whose step that was, and lets that job rest."""
    never, became = threading.Event(), []
    hung = Job(name="a.hung", label="One", step=lambda _hand: never.wait(SOON), within=timedelta(seconds=0.3))
    sign_in_jobs(hung)
    monkeypatch.setattr(signal, "signal", lambda *_which: None)
    monkeypatch.setattr(os, "execv", lambda _path, command: became.append(command))
    try:
        app.test_cli_runner().invoke(args=["worker"])
        assert became[0][1:] == ["-m", "flask", "worker", "--hung", "a.hung"]

        monkeypatch.setattr(Worker, "run", lambda _self: [])
        assert app.test_cli_runner().invoke(args=became[0][3:]).exit_code == 0
    finally:
        never.set()

    with app.app_context():
        assert (row("a.hung").failures, row("a.hung").last_error) == (1, "did not end its step within 0 s")
        assert "a.hung" in checks.work().detail


def test_a_worker_that_is_told_to_stop_ends_though_a_step_does_not(
    context: Flask, monkeypatch: pytest.MonkeyPatch, sign_in_jobs: Callable[..., None]
) -> None:
    never, worker = threading.Event(), Worker()
    monkeypatch.setattr("portal.worker.GRACE_SECONDS", 0.3)

    def step(_hand: Hand) -> bool:
        worker.stop()
        return never.wait(SOON)

    sign_in_jobs(Job(name="a.hung", label="One", step=step, within=timedelta(seconds=0.1)))
    try:
        assert run(worker) == []
    finally:
        never.set()


def test_a_step_that_ends_too_late_still_gets_its_worker_a_new_process(
    context: Flask, sign_in_jobs: Callable[..., None]
) -> None:
    """The others have stopped already: nobody may be left with a worker that ended in silence."""
    slow = Job(name="a.slow", label="One", step=lambda hand: hand.wait(SOON), within=timedelta(seconds=0.1))
    sign_in_jobs(slow)

    assert run(Worker()) == ["a.slow"]


def test_a_step_that_would_end_the_process_ends_nothing(
    context: Flask, sign_in_jobs: Callable[..., None]
) -> None:
    """Its thread goes on, and the job rests like any other that fails."""
    worker = Worker()

    def stop(_hand: Hand) -> bool:
        if row("a.exits").failures:
            worker.stop()
        return False

    def exits(_hand: Hand) -> bool:
        raise SystemExit(3)

    with transaction():
        db.session.add(JobRow(name="a.exits", due_at=START, failures=0, last_error=""))
    sign_in_jobs(
        Job(name="a.exits", label="One that exits", step=exits), Job(name="b", label="Another", step=stop)
    )

    run(worker)

    assert row("a.exits").last_error.startswith("SystemExit at ")
    assert Worker().run_once() == 0


def test_a_connection_that_cannot_be_given_back_ends_no_job(
    context: Flask, monkeypatch: pytest.MonkeyPatch, sign_in_jobs: Callable[..., None]
) -> None:
    worker, rollback, steps, broken = Worker(), Session.rollback, [], []
    monkeypatch.setattr("portal.worker.STORAGE_SECONDS", 0.01)

    def gone(session: Session) -> None:
        if len(steps) == 1 and broken.append(1) is None and len(broken) == 1:
            raise OperationalError("ROLLBACK", {}, Exception("gone"))
        rollback(session)

    def step(_hand: Hand) -> bool:
        steps.append(1)
        if len(steps) == 1:
            raise ValueError
        worker.stop()
        return False

    monkeypatch.setattr(Session, "rollback", gone)
    sign_in_jobs(Job(name="a.broken", label="One", step=step))

    run(worker)

    assert len(steps) == 2


def test_what_is_kept_of_an_error_is_a_place_in_our_own_code(
    context: Flask, sign_in_jobs: Callable[..., None]
) -> None:
    """Not the driver's line, which is the same for every refusal, nor a path of the machine."""

    def step(_hand: Hand) -> bool:
        with transaction():
            jobs.recover()
            db.session.add_all(JobRow(name="x", due_at=START, failures=0, last_error="") for _ in range(2))
            return bool(jobs.standings())

    sign_in_jobs(Job(name="a.faulty", label="One", step=step))

    Worker().run_once()

    assert re.fullmatch(r"IntegrityError at jobs\.py:\d+ standings", row("a.faulty").last_error)


def test_what_waits_for_another_service_is_named_and_not_at_fault(
    context: Flask, sign_in_jobs: Callable[..., None]
) -> None:
    down = [True]

    def step(_hand: Hand) -> bool:
        if down:
            raise NotNow("the mail server cannot be reached")
        return False

    sign_in_jobs(Job(name="mail", label="Mail", step=step))

    worker = Worker()

    assert worker.run_once() == 0
    assert worker.undone == {"mail": "has to wait: the mail server cannot be reached"}
    assert (row("mail").failures, row("mail").last_error) == (0, "the mail server cannot be reached")
    assert "mail waits (the mail server cannot be reached)" in checks.work().detail
    down.clear()
    Worker().run_once()
    assert checks.work().ok


def test_a_row_that_this_version_does_not_know_rests_and_is_named(context: Flask) -> None:
    with transaction():
        db.session.add(JobRow(name="registry.import", due_at=START, failures=0, last_error=""))

    Worker().run_once()

    assert row("registry.import").ran_at is None
    assert "registry.import is not of this version and rests" in checks.work().detail
    assert [each.name for each in jobs.standings() if not each.label] == ["registry.import"]


def test_two_jobs_of_one_name_stop_the_start(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.app.ROOMS_JOBS", (*ROOMS_JOBS, ROOMS_JOBS[0]))
    try:
        with pytest.raises(CodeFaults) as raised:
            create_app(app.extensions["settings"])
    finally:
        jobs.JOBS.fill(job for room in ROOMS_JOBS for job in room.JOBS)

    assert raised.value.faults == [
        "two entries of jobs are called keeping.forget",
        "two entries of jobs are called ops.integrity",
    ]


def test_the_process_exits_with_78_and_names_the_jobs(tmp_path: Path) -> None:
    start = "import portal.app as app; app.ROOMS_JOBS += app.ROOMS_JOBS[:1]; import wsgi"
    env = {"PATH": os.environ["PATH"], "INSTANCE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", start], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 78
    assert "  - two entries of jobs are called keeping.forget\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_of_several_workers_one_runs_a_periodic_job_in_a_period(
    app: Flask, clock: Clock, sign_in_jobs: Callable[..., None]
) -> None:
    ran: list[str] = []
    together = threading.Barrier(4)
    job = Job(
        name="a.periodic",
        label="One",
        step=lambda hand: ran.append(hand.worker) or False,
        every=timedelta(hours=1),
    )
    sign_in_jobs(job)

    def work(name: str) -> None:
        with app.app_context():
            together.wait(SOON)
            if jobs.begin(job, worker=name, at=clock()):
                job.step(Hand(name, lambda _seconds: False))
                together.wait(SOON)  # nobody ends it before all have asked
                jobs.end(job, worker=name, at=clock())
            else:
                together.wait(SOON)

    for period in range(1, 4):
        threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)
        assert len(ran) == period
        clock.tick(hours=1)


def test_the_lease_of_a_worker_that_is_gone_runs_out(
    context: Flask, clock: Clock, sign_in_jobs: Callable[..., None]
) -> None:
    job = Job(name="a.periodic", label="One", step=lambda _hand: False, every=timedelta(hours=1))
    sign_in_jobs(job)
    assert jobs.begin(job, worker="gone", at=clock())

    assert not jobs.begin(job, worker="next", at=clock.tick(seconds=119))
    assert jobs.begin(job, worker="next", at=clock.tick(seconds=1))
    jobs.end(job, worker="gone", at=clock())
    jobs.fail(job, "ValueError", worker="gone", at=clock())
    jobs.put_off(job, "down", worker="gone", at=clock())
    kept = row("a.periodic")
    assert (kept.lease_by, kept.failures, kept.last_error) == ("next", 0, ""), (
        "who comes too late ends nothing"
    )


def test_a_worker_whose_clock_is_a_moment_behind_takes_no_job_from_another(
    context: Flask, clock: Clock, sign_in_jobs: Callable[..., None]
) -> None:
    job = Job(name="a.periodic", label="One", step=lambda _hand: False, every=timedelta(hours=1))
    sign_in_jobs(job)
    assert jobs.begin(job, worker="one", at=clock())

    assert not jobs.begin(job, worker="two", at=clock() - timedelta(seconds=30))
    assert jobs.begin(job, worker="two", at=clock() - timedelta(hours=2)), (
        "two hours are a clock that was wrong"
    )


def test_a_job_in_another_workers_hands_is_not_said_to_be_done(
    app: Flask, clock: Clock, sign_in_jobs: Callable[..., None]
) -> None:
    job = Job(name="a.periodic", label="One", step=lambda _hand: False, every=timedelta(hours=1))
    sign_in_jobs(job)
    with app.app_context():
        assert jobs.begin(job, worker="other", at=clock())

    result = app.test_cli_runner().invoke(args=["jobs", "run", "a.periodic"])

    assert result.exit_code == 1
    assert result.output == "a.periodic has to wait: another worker is at it.\n"
    with app.app_context():
        assert row("a.periodic").lease_by == "other"


def test_a_continuous_job_writes_nothing_while_all_is_well(context: Flask) -> None:
    Worker().run_once()

    assert set(db.session.scalars(select(JobRow.name))) == {job.name for job in jobs.JOBS if job.every}


HANGS = """
import sys, time
from config import Config
from portal.app import create_app
from portal.db import db, transaction
from portal import jobs
from portal.worker import Worker
from sqlalchemy import text
app = create_app(Config.from_env())
def step(hand):
    with transaction():
        db.session.execute(text("UPDATE job SET failures = 7"))
        print("in hand", flush=True)
        time.sleep(60)
from datetime import timedelta
jobs.JOBS.fill([jobs.Job(name="a.killed", label="One", step=step, every=timedelta(hours=1))])
with app.app_context():
    Worker().run()
"""


@pytest.mark.kill
@pytest.mark.xdist_group("kill")
def test_a_worker_killed_in_the_middle_of_a_job_leaves_it_to_the_next(
    context: Flask, clock: Clock, settings: dict[str, str], sign_in_jobs: Callable[..., None]
) -> None:
    """Inside a write, its lock held: the next one takes lock and lease at once, and ends it."""
    done: list[str] = []
    job = Job(
        name="a.killed", label="One", step=lambda hand: done.append("") or False, every=timedelta(hours=1)
    )
    sign_in_jobs(job)
    worker = subprocess.Popen(
        [sys.executable, "-c", HANGS],
        cwd=ROOT,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"in hand\n"
    worker.send_signal(signal.SIGKILL)
    worker.wait(SOON)
    worker.stdout.close()
    assert row("a.killed").lease_by, "the lease of the dead is still there"

    Worker().run_once()

    assert done == [""]
    assert (row("a.killed").failures, row("a.killed").lease_by) == (0, None)
