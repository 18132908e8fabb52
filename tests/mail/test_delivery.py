"""Delivery: at least once, always with the same Message-ID and bytes, whatever fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from portal.db import db, transaction
from portal.jobs import JOBS, Hand, JobRow, NotNow, begin
from portal.mail import deliver, lanes, promise, transport
from portal.mail import jobs as mail_jobs
from portal.mail.jobs import JOBS as MAIL_JOBS
from portal.mail.letters import LETTERS, Letter
from portal.mail.models import Body, Delivery, Lane, State
from portal.mail.transport import Deferred, Policy, Rejected, RelayDown
from portal.ops import checks
from portal.worker import Worker
from tests.conftest import START, Clock
from tests.mail.conftest import Promise, Sink, hand_over, row

MANY = 100_000


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    with app.app_context():
        yield app


@pytest.fixture
def letters(app: Flask) -> Iterator[list[Letter]]:
    """The register as it is; what a test puts into it is gone afterwards."""
    kept = list(LETTERS)
    yield kept
    LETTERS.fill(kept)


def test_a_mail_is_sent_once(context: Flask, promised: Promise) -> None:
    sink = Sink()
    [delivery] = promised()

    assert hand_over(sink) == 1
    assert hand_over(sink) == 0

    found = row(delivery)
    assert (found.state, found.attempts, found.lease_by) == (State.SENT, 1, None)
    assert found.over_at == START
    assert found.digest == sha256(sink.sent[0]).digest()


def test_a_deferred_mail_comes_again_later_with_the_same_bytes(
    context: Flask, promised: Promise, clock: Clock
) -> None:
    sink = Sink(Deferred("put off with 450"), None)
    [delivery] = promised()
    hand_over(sink)

    assert row(delivery).state == State.QUEUED
    assert row(delivery).last_error == "put off with 450"
    assert not hand_over(sink)
    clock.tick(90)
    assert hand_over(sink)

    assert row(delivery).state == State.SENT
    assert sink.sent[0] == sink.sent[1]


def test_a_mail_is_given_up_after_its_last_try(context: Flask, promised: Promise, clock: Clock) -> None:
    tries = len(lanes.BACK_OFF) + 1
    sink = Sink(*[Deferred("put off with 450")] * tries)
    [delivery] = promised()
    for rest in lanes.BACK_OFF:
        assert hand_over(sink)
        due = row(delivery).due_at
        assert 0.8 * rest <= due - clock.at <= 1.2 * rest
        clock.set(due - timedelta(seconds=1))
        assert not hand_over(sink)
        clock.set(due)
    assert hand_over(sink)

    assert (row(delivery).state, row(delivery).attempts) == (State.DEAD, tries)
    assert lanes.counts() == {"queued": 0, "held": 0, "sent": 0, "dead": 1, "withdrawn": 0}


def test_a_refused_mail_is_dead_at_once(context: Flask, promised: Promise) -> None:
    [delivery] = promised()
    hand_over(Sink(Rejected("refused with 550")))

    assert row(delivery).state == State.DEAD


def test_what_nobody_foresaw_holds_up_only_its_own_mail(
    context: Flask, promised: Promise, clock: Clock
) -> None:
    first, second = promised(["a@b.example", "c@d.example"], lane=Lane.SOON)

    hand_over(Sink(ValueError("c@d.example is odd")), Lane.SOON)

    assert row(second).state == State.SENT
    assert row(first).state == State.QUEUED
    assert row(first).last_error.startswith("ValueError at ")
    assert "odd" not in row(first).last_error


def test_a_relay_that_is_down_costs_no_mail_a_try(context: Flask, promised: Promise, clock: Clock) -> None:
    deliveries = promised([f"a{n}@b.example" for n in range(3)], lane=Lane.SOON)
    for _ in range(20):
        with pytest.raises(RelayDown):
            hand_over(Sink(RelayDown("closed")), Lane.SOON)
        clock.tick(60)

    assert [row(each).attempts for each in deliveries] == [0, 0, 0]
    assert [row(each).lease_by for each in deliveries] == [None, None, None]
    assert hand_over(Sink(), Lane.SOON) == 3


def test_a_leased_mail_is_left_alone_until_its_worker_is_given_up(
    context: Flask, promised: Promise, clock: Clock
) -> None:
    taken = promised()
    with transaction():
        assert lanes.take(Lane.NOW, taken, worker="dead", at=clock.at) == taken

    assert not hand_over(Sink())
    clock.set(clock.at + lanes.LEASE + timedelta(seconds=1))
    assert hand_over(Sink())


def test_a_late_outcome_of_a_lost_lease_is_dropped(context: Flask, promised: Promise, clock: Clock) -> None:
    [delivery] = promised()
    with transaction():
        lanes.take(Lane.NOW, [delivery], worker="slow", at=clock.at)
    clock.set(clock.at + lanes.LEASE + timedelta(seconds=1))
    hand_over(Sink(), worker="quick")
    late = {"delivery": delivery, "state": State.DEAD, "attempts": 9, "due_at": START, "last_error": ""}
    with transaction():
        lanes.finish("slow", [late])

    assert row(delivery).state == State.SENT


def test_many_workers_send_each_mail_once(app: Flask, promised: Promise) -> None:
    sink = Sink()
    promised([f"reader{number}@mail.example" for number in range(40)], lane=Lane.SOON)

    def work(name: str) -> None:
        with app.app_context():
            while hand_over(sink, Lane.SOON, name):
                pass

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(sink.sent) == 40
    assert len(set(sink.sent)) == 40


def test_a_lease_and_a_step_outlast_the_slowest_server() -> None:
    """RFC 5321, 4.5.3.2.6: ten minutes for the answer after the final dot; before it, less."""
    assert transport.COMMAND_SECONDS < transport.ACCEPT_SECONDS == 600
    assert deliver.BATCH_TIME + transport.LONGEST < lanes.WITHIN < lanes.LEASE


@pytest.fixture
def given_up(context: Flask, promised: Promise) -> list[int]:
    """Three mails that a server refused for good."""
    found = promised([f"a{n}@b.example" for n in range(3)], lane=Lane.SOON)
    hand_over(Sink(*[Rejected("refused: 550")] * 3), Lane.SOON)
    return found


def test_what_was_given_up_can_be_sent_again_one_or_all(given_up: list[int], clock: Clock) -> None:
    first, *others = given_up
    hand = Sink(RelayDown("closed"), None, None, None)

    with transaction():
        assert lanes.revive(clock.at, [first, 999]) == 1
    assert (row(first).state, row(first).attempts, row(first).last_error) == (State.QUEUED, 0, "")
    assert [row(each).state for each in others] == [State.DEAD] * 2
    with transaction():
        assert lanes.revive(clock.at) == 2
        assert lanes.revive(clock.at) == 0
    with pytest.raises(RelayDown):
        hand_over(hand, Lane.SOON)
    clock.tick(60)
    hand_over(hand, Lane.SOON)

    assert sorted(set(hand.recipients)) == ["a0@b.example", "a1@b.example", "a2@b.example"]
    assert lanes.counts()["sent"] == 3


def test_what_is_no_longer_kept_or_was_withdrawn_is_not_sent_again(given_up: list[int], clock: Clock) -> None:
    with transaction():
        assert promise.withdraw("test:1", at=clock.at) == 3
        assert lanes.revive(clock.at) == 0
        db.session.execute(db.update(Delivery).values(state=State.DEAD))
    clock.tick(days=91)
    with transaction():
        promise.retire(clock.at)
        assert lanes.revive(clock.at) == 0

    assert [each.kept for each in lanes.given_up(9)] == [False] * 3


def test_what_a_server_refuses_by_a_rule_waits_and_is_told(context: Flask, promised: Promise) -> None:
    [delivery] = promised()
    hand_over(Sink(Policy(f"{transport.POLICY}: 554 5.7.1 Relay access denied")))

    assert row(delivery).state == State.QUEUED
    assert [each.id for each in lanes.put_off(9)] == [delivery]
    assert "1 wait: refused for now: 554 5.7.1 Relay access denied" in checks.mail().detail


@pytest.mark.parametrize("outcome", [None, RelayDown("no TLS: its certificate is not valid yet")])
def test_what_a_clock_that_ran_ahead_made_goes_when_it_is_right_again(
    context: Flask, promised: Promise, clock: Clock, outcome: Exception | None
) -> None:
    """The mail, its date, its rest after a failure, the jobs that send it, and a lease that a dead worker left."""
    if not outcome:
        promised(not_before=START + timedelta(days=9), to="later@clinic.example")
    clock.tick(days=3650)
    right = START + timedelta(minutes=5)
    [mail] = promised(at=clock.at)
    if outcome:
        with pytest.raises(RelayDown):
            hand_over(Sink(outcome))
    else:
        deliver.write_all()
        with transaction():
            lanes.take(Lane.NOW, [mail], worker="dead", at=clock.at)
        for each in JOBS:
            assert begin(each, worker="dead", at=clock.at) or each.every is None or each.is_wanted
    clock.set(right)
    sink = Sink()
    for each in MAIL_JOBS:
        if begin(each, worker="w1", at=clock.at) and each.name == "mail.write":
            each.step(Hand("w1", lambda _seconds: False))

    while hand_over(sink):
        pass

    assert sink.recipients == ["ana@clinic.example"]
    assert b"Date: Thu, 15 Jan 2026 18:05:00 +0000" in sink.sent[0]


# ---- Lanes


def crowd(lane: Lane) -> None:
    """Very many deliveries of one body, all due, as an edition makes them."""
    body = {"message": "intake/notice", "language": "en", "facts": {}, "content": b"x", "created_at": START}
    with transaction():
        body_id = db.session.scalar(db.insert(Body).values(**body, faults=0).returning(Body.id))
        numbers = select(db.literal(1).label("n")).cte("numbers", recursive=True)
        numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < MANY))
        name = db.cast(numbers.c.n, db.String)
        given = {
            "body_id": db.literal(body_id),
            "message_id": name,
            "recipient": name,
            "recipient_key": name,
            "envelope_sender": db.literal(""),
            "headers": db.literal({}, Delivery.headers.type),
            "cause": db.literal("edition:1"),
            "lane": db.literal(lane),
            "state": db.literal(State.QUEUED),
            "created_at": db.literal(START, Delivery.created_at.type),
            "due_at": db.literal(START - timedelta(days=1), Delivery.due_at.type),
            "attempts": db.literal(0),
            "last_error": db.literal(""),
        }
        db.session.execute(db.insert(Delivery).from_select(list(given), select(*given.values())))


def test_with_very_many_in_bulk_a_mail_that_somebody_waits_for_leaves_at_once(
    context: Flask, promised: Promise, clock: Clock
) -> None:
    """By the clock, not by the wall: it falls due while they are on their way, and the next step sends it. And the
    database finds the next of each lane in the index, without sorting or reading through those that wait."""
    crowd(Lane.BULK)
    promised(not_before=START + timedelta(seconds=1))
    seen: list[str] = []
    sink = Sink()

    def see(*given: Any) -> None:
        seen.append(given[2])

    event.listen(db.engine, "before_cursor_execute", see)
    try:
        assert not hand_over(sink, Lane.NOW)
        asked = iter(range(deliver.BATCH[Lane.BULK]))
        assert hand_over(sink, Lane.BULK, wait=lambda _seconds: next(asked) == 49) == 50
        clock.tick(1)
        assert hand_over(sink, Lane.NOW) == 1
    finally:
        event.remove(db.engine, "before_cursor_execute", see)

    assert sink.recipients[-1] == "ana@clinic.example"
    assert len(seen) < 25, "no step asks more often because many wait"
    if db.engine.dialect.name == "postgresql":
        with transaction():
            db.session.execute(db.text("ANALYZE mail_delivery"))
    for lane in Lane:
        plan = explain(lane, clock)
        assert "ix_mail_delivery_next" in plan, plan
        assert "SCAN" not in plan.upper().replace("INDEX SCAN", "").replace("INDEX ONLY SCAN", ""), plan
        assert "SORT" not in plan.upper() and "TEMP B-TREE" not in plan, plan


def explain(lane: Lane, clock: Clock) -> str:
    query = select(Delivery.id).where(*lanes._may_go(lane, clock.at)).order_by(*lanes._ORDER).limit(50)
    word = "EXPLAIN" if db.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    written = query.compile(db.engine, compile_kwargs={"literal_binds": True})
    return "\n".join(str(each[-1]) for each in db.session.execute(db.text(f"{word} {written}")))


def test_a_batch_costs_one_commit(context: Flask, promised: Promise) -> None:
    """With the body's writing in it: what became of one is kept with the taking of the next."""
    promised([f"reader{number}@mail.example" for number in range(120)], lane=Lane.BULK)
    commits: list[object] = []
    count = lambda connection: commits.append(connection)  # noqa: E731
    event.listen(db.engine, "commit", count)
    sink = Sink()
    try:
        while hand_over(sink, Lane.BULK):
            pass
    finally:
        event.remove(db.engine, "commit", count)

    assert len(sink.sent) == 120
    assert len(commits) == 3 + 1


def test_the_rate_is_kept_in_bulk_alone(context: Flask, promised: Promise, change_settings: Promise) -> None:
    change_settings(MAIL_RATE_PER_SECOND=4)
    waits: dict[Lane, list[float]] = {lane: [] for lane in Lane}
    for lane in Lane:
        promised(["a@b.example", "c@d.example"], lane=lane)
        while hand_over(Sink(), lane, wait=waits[lane].append):  # type: ignore[func-returns-value]
            pass

    assert waits == {Lane.NOW: [0, 0], Lane.SOON: [0, 0], Lane.BULK: [0.25, 0]}


@pytest.mark.parametrize("rate", [0, 4, 0.1, 1 / 60])
def test_a_step_ends_in_time_and_keeps_what_it_sent_before_it_waits_long(
    context: Flask, promised: Promise, clock: Clock, change_settings: Promise, rate: float
) -> None:
    """A step that took too long would be ended with its worker, and all that it had sent sent again."""
    change_settings(MAIL_RATE_PER_SECOND=rate)
    promised([f"reader{number}@mail.example" for number in range(60)], lane=Lane.BULK)
    kept: list[bool] = []

    class Slow(Sink):
        def send(self, **order: Any) -> None:
            clock.tick(6)
            super().send(**order)

    def wait(seconds: float) -> bool:
        if seconds > 20:
            kept.append(lanes.counts()["sent"] == len(sink.sent))
        clock.tick(seconds)
        return False

    sink = Slow()
    while lanes.counts()["queued"]:
        before = clock.at
        assert hand_over(sink, Lane.BULK, wait=wait)
        assert clock.at - before < lanes.WITHIN / 2

    assert len(sink.sent) == 60
    assert all(kept)
    assert clock.at - START >= timedelta(seconds=59 / rate if rate else 0)


def test_a_body_that_is_forgotten_while_it_is_written_stops_nothing(
    context: Flask, promised: Promise, monkeypatch: pytest.MonkeyPatch, letters: list[Letter]
) -> None:
    promised("anna@mail.example", lane=Lane.SOON)
    promised("ben@mail.example", lane=Lane.SOON)
    compose = deliver.compose

    def erased_meanwhile(body: Body) -> bytes:
        monkeypatch.setattr(deliver, "compose", compose)
        with transaction():
            promise.forget("anna@mail.example")
        raise KeyError

    monkeypatch.setattr(deliver, "compose", erased_meanwhile)
    sink = Sink()

    assert hand_over(sink, Lane.SOON)

    assert sink.recipients == ["ben@mail.example"]


def test_a_clock_that_is_a_moment_behind_takes_nothing_out_of_a_workers_hands(
    context: Flask, promised: Promise, clock: Clock
) -> None:
    """Two workers of one database never look at the time in the same moment, nor at the same clock."""
    [delivery] = promised(lane=Lane.BULK)
    with transaction():
        lanes.take(Lane.BULK, [delivery], worker="w1", at=START + timedelta(seconds=30))
        lanes.set_right(START)
    assert row(delivery).lease_by == "w1"
    with transaction():
        lanes.set_right(START - timedelta(hours=1))
    assert row(delivery).lease_by is None, "an hour is a clock that was wrong"


def test_who_is_told_to_stop_gives_back_what_was_not_tried(context: Flask, promised: Promise) -> None:
    deliveries = promised([f"a{n}@b.example" for n in range(5)], lane=Lane.BULK)
    sink = Sink()

    hand_over(sink, Lane.BULK, wait=lambda _seconds: len(sink.sent) == 2)

    assert [row(each).state for each in deliveries].count(State.SENT) == len(sink.sent) == 2
    assert {row(each).lease_by for each in deliveries} == {None}


def test_a_worker_that_dies_repeats_at_most_its_batch_with_the_same_bytes(
    context: Flask, promised: Promise, clock: Clock
) -> None:
    promised([f"reader{number}@mail.example" for number in range(120)], lane=Lane.BULK)

    class Killed(BaseException):
        pass

    class Dying(Sink):
        def send(self, **order: object) -> None:
            super().send(**order)  # type: ignore[arg-type]
            if len(self.sent) == 70:
                raise Killed

    sink = Dying()
    with pytest.raises(Killed):
        while hand_over(sink, Lane.BULK):
            pass
    clock.tick(lanes.LEASE.total_seconds() + 1)
    while hand_over(sink, Lane.BULK, "w2"):
        pass

    assert len(set(sink.recipients)) == 120
    assert len(sink.sent) == 120 + 20
    assert len(set(sink.sent)) == 120, "a repeat is byte for byte the same"


# ---- Letters that this version cannot write


def break_letter(letters: list[Letter], how: str) -> None:
    def fails(_facts: object) -> dict[str, object]:
        raise KeyError("ana@clinic.example")

    others = [each for each in letters if each.message != "intake/notice"]
    LETTERS.fill(
        others + ([Letter(message="intake/notice", label="N", context=fails)] if how == "raises" else [])
    )


@pytest.mark.parametrize(("how", "error"), [("unknown", "NoSuchLetter"), ("raises", "KeyError")])
def test_a_letter_that_cannot_be_written_rests_stops_nothing_and_goes_when_it_can(
    context: Flask, promised: Promise, clock: Clock, letters: list[Letter], how: str, error: str
) -> None:
    deliveries = promised(["ana@clinic.example", "ben@clinic.example"])
    promised("eve@clinic.example", message="people/notice", facts={"what": "X."})
    break_letter(letters, how)
    sink, rests = Sink(), []

    for _ in range(9):
        while hand_over(sink):
            pass
        due = row(deliveries[0]).due_at
        rests.append(due - clock.at)
        clock.set(due)

    assert sink.recipients == ["eve@clinic.example"]
    assert rests == sorted(rests) and rests[0] < rests[-1] == timedelta(hours=24), "growing"
    [trouble] = lanes.resting(9)
    assert (trouble.message, trouble.attempts) == ("intake/notice", 9)
    assert trouble.last_error.startswith(f"{error} at ")
    assert "ana@" not in trouble.last_error

    LETTERS.fill(letters)  # as after a roll-back
    while hand_over(sink):
        pass

    assert sink.recipients == ["eve@clinic.example", "ana@clinic.example", "ben@clinic.example"]
    assert lanes.resting(9) == []


def test_a_mail_to_ten_is_written_once(
    context: Flask, promised: Promise, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    compose = deliver.compose
    monkeypatch.setattr(deliver, "compose", lambda body: written.append(body.id) or compose(body))
    promised([f"staff{number}@pharmacy.example" for number in range(10)], lane=Lane.SOON)
    sink = Sink()

    assert hand_over(sink, Lane.SOON) == 10

    assert len(written) == 1
    assert len({content.partition(b"\r\nFrom: ")[2] for content in sink.sent}) == 1
    assert len({content.partition(b"\r\nFrom: ")[0] for content in sink.sent}) == 10


def test_what_waits_can_be_written_before_its_time(context: Flask, promised: Promise, clock: Clock) -> None:
    promised(not_before=START + timedelta(days=9))
    promise_then = deliver.write_all()
    before = db.session.scalars(select(Body.content)).one()
    clock.tick(days=400)
    sink = Sink()

    hand_over(sink)

    assert promise_then == {}
    assert before is not None and sink.sent[0].endswith(before)


def test_the_bytes_do_not_depend_on_when_or_where_they_are_written(context: Flask, promised: Promise) -> None:
    promised()
    body = db.session.scalars(select(Body)).one()

    assert deliver.compose(body) == deliver.compose(body)


def test_the_envelope_names_where_bounces_go(context: Flask, promised: Promise) -> None:
    sink = Sink()
    promised()
    promised(envelope_sender="b+7.mac@bounces.pharmacy.example")

    while hand_over(sink):
        pass

    assert sink.senders == ["portal@pharmacy.example", "b+7.mac@bounces.pharmacy.example"]


def test_a_worker_alone_takes_back_the_leases_of_the_dead(context: Flask, promised: Promise) -> None:
    taken = promised()
    with transaction():
        lanes.take(Lane.NOW, taken, worker="dead", at=START)
        lanes.free_leases()

    assert hand_over(Sink()) == 1


def test_retired_and_settled_bodies_are_never_sent(context: Flask, promised: Promise) -> None:
    promised()
    with transaction():
        promise.settle(START)

    assert not hand_over(Sink())


def test_a_relay_that_is_back_is_not_said_to_be_away_while_much_still_waits(
    context: Flask, promised: Promise, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    promised([f"reader{number}@mail.example" for number in range(60)], lane=Lane.BULK)
    sink = Sink(RelayDown("the mail server cannot be reached"))
    monkeypatch.setattr(mail_jobs, "_transport", lambda: sink)
    bulk = next(job for job in mail_jobs.JOBS if job.name == "mail.bulk")
    with pytest.raises(NotNow):
        Worker().run_job(bulk)
    assert db.session.scalars(select(JobRow.last_error).where(JobRow.name == bulk.name)).all() == [
        "the mail server cannot be reached"
    ]
    clock.tick(minutes=1)

    assert bulk.step(Hand("w", lambda _seconds: len(sink.sent) > 10))

    assert lanes.counts()["queued"] > 0
    db.session.expire_all()
    assert db.session.scalars(select(JobRow.last_error).where(JobRow.name == bulk.name)).all() == [""]
