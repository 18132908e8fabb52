"""An edition whose worker dies at each step of a delivery: nobody is missed, and what is repeated is a true repeat
within the documented window, the batch that was marked (N20)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.db import db, transaction
from portal.editions import proof, service
from portal.editions.models import Edition, State
from portal.editions.progress import progress
from portal.mail import deliver, lanes
from portal.mail.models import Delivery, Lane
from portal.mail.transport import BROKE, Deferred
from tests import world
from tests.conftest import Clock
from tests.editions.conftest import step
from tests.mail.conftest import Sink, hand_over
from tests.newsletter.people import make_subscriber

PEOPLE, KILLS = 120, 10
BEFORE_SENDING, AFTER_THE_ANSWER, BEFORE_THE_COMMIT, AFTER_TAKING = "before", "after", "commit", "taken"


class Killed(BaseException):
    """Nothing runs after it: no handler, no roll-back of what is committed."""


class Deadly(Sink):
    """Kills its worker at the n-th mail: before the server has it, or after its last answer and before we know."""

    def __init__(self, point: str, after: int) -> None:
        super().__init__()
        self.point, self.after = point, after

    def send(self, **mail: Any) -> None:
        self.after -= 1
        if self.after == 0 and self.point == BEFORE_SENDING:
            raise Killed
        super().send(**mail)
        if self.after == 0 and self.point == AFTER_THE_ANSWER:
            raise Killed


@pytest.mark.parametrize("point", [BEFORE_SENDING, AFTER_THE_ANSWER, BEFORE_THE_COMMIT, AFTER_TAKING])
def test_a_worker_killed_at_any_step_loses_nobody_and_repeats_one_batch_at_most(
    app: Flask,
    edition: Callable[..., Edition],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    for n in range(PEOPLE):
        make_subscriber(app, address=f"reader{n}@mail.example")
    made = edition()
    clock.tick(minutes=10)
    step()
    got: list[tuple[str, bytes]] = []
    kills = 0
    while progress(made).waiting:
        sink = Deadly(point, 5 + 3 * kills) if kills < KILLS else Sink()
        with monkeypatch.context() as patch:
            if kills < KILLS and point == BEFORE_THE_COMMIT:
                patch.setattr(lanes, "finish", _die)
            if kills < KILLS and point == AFTER_TAKING:
                patch.setattr(deliver, "_hand_over", _die)
            try:
                hand_over(sink, Lane.BULK, worker=f"w{kills}", wait=lambda _seconds: False)
            except Killed:
                kills += 1
                db.session.rollback()
        got += zip(sink.recipients, sink.sent, strict=True)
        clock.tick(seconds=(lanes.LEASE + timedelta(seconds=1)).total_seconds())
    step()

    copies = Counter(to for to, _mail in got)
    assert kills == KILLS
    assert len(copies) == PEOPLE
    assert sum(copies.values()) - PEOPLE <= kills * deliver.BATCH[Lane.BULK]
    assert len({mail for _to, mail in got}) == PEOPLE, "each repeat has the same bytes and Message-ID"
    flagged = {row.recipient for row in db.session.scalars(select(Delivery)) if row.last_error == lanes.TWICE}
    assert {to for to, count in copies.items() if count > 1} <= flagged, "and is flagged"
    assert len(flagged) == progress(made).twice <= kills * deliver.BATCH[Lane.BULK]
    assert (made.state, progress(made).sent) == (State.SENT, PEOPLE)
    assert {found for _id, found in proof.verify(made)} == {"same"}


def _die(*_words: object, **_more: object) -> None:
    raise Killed


def test_what_is_in_doubt_is_told_apart_and_stays_so_when_no_more_is_sent(
    app: Flask, edition: Callable[..., Edition], clock: Clock
) -> None:
    for n in range(60):
        make_subscriber(app, address=f"reader{n}@mail.example")
    made = edition()
    clock.tick(minutes=10)
    step()
    with pytest.raises(Killed):
        hand_over(Deadly(AFTER_THE_ANSWER, 3), Lane.BULK, wait=lambda _seconds: False)
    db.session.rollback()
    with transaction():
        lanes.free_leases()  # as the next worker on this machine does

    found = progress(made)
    assert (found.waiting, found.doubtful, found.sent, found.total) == (60, 50, 0, 60)
    broken = Sink(Deferred(BROKE))
    hand_over(broken, Lane.BULK, wait=lambda _seconds: len(broken.sent) == 2)
    found = progress(made)
    assert (found.waiting, found.doubtful, found.sent, found.twice) == (59, 49, 1, 1)
    with transaction():
        service.cancel(made, by=world.employ(role="manager", name="Mo Lane"), at=clock.at)
    found = progress(made)
    assert (found.waiting, found.doubted, found.sent, found.skipped) == (0, 49, 1, {"cancelled": 10})
    assert found.total == 60
