"""One rate for all workers, over any restart."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.db import db, transaction
from portal.mail import lanes, rate
from portal.mail.models import Lane, MailRate
from tests.conftest import START, Clock
from tests.mail.conftest import Promise, Sink, hand_over

READERS = [f"reader{n}@mail.example" for n in range(40)]


class Timed(Sink):
    """Keeps when each mail came; each takes some time."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds
        self.times: list[float] = []

    def send(self, **mail: Any) -> None:
        self.times.append((self.clock.at - START).total_seconds())
        self.clock.tick(seconds=self.seconds)
        super().send(**mail)


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("stopped_after", [1, 3, 1000])
def test_workers_that_begin_again_and_again_go_no_faster_than_one(
    app: Flask, promised: Promise, clock: Clock, change_settings: Promise, seconds: float, stopped_after: int
) -> None:
    change_settings(MAIL_RATE_PER_SECOND=5)
    promised(READERS, lane=Lane.BULK)
    sink = Timed(clock, seconds)
    with app.app_context():
        for number in count():
            if not lanes.counts()["queued"]:
                break
            waited = count(1)

            def wait(pause: float, waited: Any = waited) -> bool:
                clock.tick(seconds=pause)
                return next(waited) >= stopped_after  # and then another worker comes at once

            hand_over(sink, Lane.BULK, worker=f"w{number}", wait=wait)

    assert sorted(sink.recipients) == sorted(READERS)
    gaps = [later - earlier for earlier, later in zip(sink.times, sink.times[5:], strict=False)]
    assert min(gaps) >= 1 - 1e-6, "never more than five begin within a second"
    if stopped_after == 1000:
        assert sink.times[-1] <= max(0.2, seconds) * 40 + 2, "and what is allowed is used"


def test_of_two_workers_at_once_one_has_what_the_rate_allows(
    app: Flask, promised: Promise, change_settings: Promise
) -> None:
    change_settings(MAIL_RATE_PER_SECOND=5)
    with app.app_context():
        with transaction():
            assert rate.reserve(Lane.BULK, 50, START) == 10
            assert rate.reserve(Lane.BULK, 50, START) == 0
        assert rate.rest(Lane.BULK, START) == 2
        assert rate.rest(Lane.NOW, START) == 0
        with transaction():
            assert rate.reserve(Lane.BULK, 3, START + timedelta(seconds=2)) == 3
        assert rate.rest(Lane.BULK, START + timedelta(seconds=2)) == pytest.approx(0.6)
        assert db.session.scalars(select(MailRate.lane)).all() == ["bulk"]


def test_without_a_limit_nothing_is_written(app: Flask) -> None:
    with app.app_context(), transaction():
        assert rate.reserve(Lane.BULK, 50, START) == 50
        assert db.session.scalars(select(MailRate)).all() == []


def test_a_time_that_no_worker_wrote_stops_nothing(app: Flask, change_settings: Promise) -> None:
    """A clock that ran ahead, or a rate that was much lower."""
    change_settings(MAIL_RATE_PER_SECOND=5)
    with app.app_context(), transaction():
        rate.reserve(Lane.BULK, 50, START + timedelta(hours=1))
        assert rate.rest(Lane.BULK, START) == 0
        assert rate.reserve(Lane.BULK, 50, START) == 10
