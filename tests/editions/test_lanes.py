"""What somebody waits for does not wait for an edition: the worker's threads, and a server that takes its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from portal import clock as portal_clock
from portal import jobs
from portal.clock import now
from portal.db import transaction
from portal.editions.models import Edition
from portal.mail import jobs as mail_jobs
from portal.mail import promise
from portal.worker import Worker
from tests.conftest import Clock
from tests.editions.conftest import step
from tests.figures import Figure
from tests.live import until
from tests.mail.conftest import FACTS, Sink
from tests.newsletter.people import make_subscriber

PEOPLE, EACH = 120, 0.02  # seconds that the server takes for a mail of the edition
IN_THE_MIDDLE = (10, 40, 70)
SOON = timedelta(milliseconds=200)
WITHIN = timedelta(seconds=1)


class Slow(Sink):
    """A server that takes its time for an edition; while it goes, others cause mails that are due soon."""

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self.app, self.bulk = app, 0
        self.due: dict[str, datetime] = {}
        self.waited: dict[str, timedelta] = {}

    def send(self, **mail: Any) -> None:
        if mail["recipient"] in self.due:
            self.waited[mail["recipient"]] = now() - self.due[mail["recipient"]]
            return
        self.bulk += 1
        if self.bulk in IN_THE_MIDDLE:
            visitor = threading.Thread(target=self._ask, args=(f"ana{self.bulk}@clinic.example",))
            visitor.start()
            visitor.join()
        time.sleep(EACH)

    def _ask(self, to: str) -> None:
        self.due[to] = now() + SOON
        told: dict[str, Any] = {"cause": "test:1", "facts": FACTS, "at": now(), "not_before": self.due[to]}
        with self.app.app_context(), transaction():
            promise.promise("intake/notice", to=to, **told)


@pytest.fixture
def lanes_alone() -> Iterator[None]:
    """No job but those that hand mails over."""
    kept = list(jobs.JOBS)
    jobs.JOBS.fill([job for job in kept if job.name in ("mail.now", "mail.soon", "mail.bulk")])
    yield
    jobs.JOBS.fill(kept)


@pytest.mark.slow
@pytest.mark.usefixtures("lanes_alone")
def test_a_mail_that_falls_due_in_the_middle_of_an_edition_leaves_within_a_second(
    app: Flask,
    edition: Callable[..., Edition],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    figure: Figure,
) -> None:
    for n in range(PEOPLE):
        make_subscriber(app, address=f"reader{n}@mail.example")
    edition()
    clock.tick(minutes=10)
    step()
    sink, began = Slow(app), time.monotonic()
    monkeypatch.setattr(
        portal_clock, "source", lambda: clock.at + timedelta(seconds=time.monotonic() - began)
    )
    monkeypatch.setattr(mail_jobs, "_transport", lambda: sink)
    worker = Worker()

    def run() -> None:
        with app.app_context():
            worker.run()

    running = threading.Thread(target=run)

    running.start()
    try:
        until(lambda: len(sink.waited) == len(IN_THE_MIDDLE))
        left = PEOPLE - sink.bulk
    finally:
        worker.stop()
        running.join()

    assert left > 0, "the edition was under way all the time"
    middle = sorted(sink.waited.values())[1]  # of three: the machine may be busy with others
    assert timedelta(0) <= middle <= WITHIN
    figure(
        "a mail somebody waits for, in the middle of an edition", middle.total_seconds(), "s after it was due"
    )
