"""An edition under way while its workers are killed, and several of them at once: real processes, a real SMTP sink.

What `tests/editions/test_kills.py` shows by exceptions: nobody is missed, a repeat is of a killed worker's batch, is
flagged, and is the same bytes (N20).
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

from config import Config
from portal.app import create_app
from portal.clock import now
from portal.db import db, transaction
from portal.editions import proof, service
from portal.editions.models import Edition, State
from portal.editions.progress import Progress, progress
from portal.jobs import JobRow
from portal.mail import deliver, lanes
from portal.mail.models import Delivery, Lane
from portal.newsletter import subscriptions
from portal.newsletter.models import Language, Subscription, Topic, TopicState
from portal.newsletter.models import State as Person
from tests import postgres, world
from tests.deadly import STEPS
from tests.editions.conftest import DRAFT
from tests.figures import Figure, amount, is_full
from tests.journeys.rounds import Sink
from tests.live import Live

pytestmark = [pytest.mark.kill, pytest.mark.xdist_group("kill")]

PEOPLE, KILLS = amount(150, 5000), amount(5, 100)
FURTHEST = amount(20, 60)  # the mail at which a worker dies, counted from its start
TO = re.compile(rb"^To: (.+)\r$", re.MULTILINE)


@pytest.fixture
def portal_on(tmp_path: Path, sink: Sink) -> Iterator[Callable[..., Live]]:
    made: list[Live] = []

    def start(**settings: str) -> Live:
        live = Live(
            tmp_path / "instance", warm=True, SMTP_URL=sink.url, ORG_ADDRESS="1 Main Street", **settings
        )
        made.append(live.migrate())
        return live

    yield start
    for live in made:
        live.stop()


@contextmanager
def inside(live: Live) -> Iterator[Flask]:
    """The portal's own code, on its database, in this process."""
    app = create_app(Config.from_env(live.env))
    try:
        with app.app_context():
            yield app
    finally:
        for face in (app, app.extensions["staff"]):
            with face.app_context():
                db.session.remove()
                db.engine.dispose()


def schedule(people: int) -> Edition:
    """So many subscribers, half of them reading Spanish, and an edition that is due."""
    at = now()
    with transaction():
        for number in range(people):
            language = list(Language)[number % 2]
            who = subscriptions.enrol(f"reader{number}@mail.example", language, at=at, state=Person.ACTIVE)
            who.subscriptions = [Subscription(topic=Topic.NEWS, state=TopicState.CHOSEN, changed_at=at)]
        by = world.employ(role="manager")
        made = service.write(None, DRAFT, version=0, by=by, at=at)
        for text in made.texts:
            text.tested = text.digest
        service.schedule(made, due_at=None, version=made.version, by=by, at=at)
        made.due_at = at
    return made


def begin(people: int) -> None:
    """The same, and its sending has begun."""
    made, at = schedule(people), now()
    contents, version = service.written(made, at), made.version
    with transaction():
        service.begin(made, contents, version=version, at=at)


def wait_for_the_end(live: Live, within: float) -> Progress:
    """Until the worker says that all of it is sent."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        db.session.rollback()
        made = db.session.scalars(select(Edition)).one()
        if made.state == State.SENT:
            return progress(made)
        time.sleep(0.2)
    raise AssertionError(f"it is not sent: {progress(made)} {live.logged()[-3000:]}")


def copies(sink: Sink) -> Counter[str]:
    """How often each reader got it."""
    return Counter(
        TO.findall(mail.partition(b"\r\n\r\n")[0] + b"\r\n")[0].decode() for _id, mail in sink.mails
    )


def let_leases_end() -> None:
    """The time has passed after which a worker that says nothing is given up."""
    with transaction():
        for table in (Delivery, JobRow):
            held = update(table).where(table.lease_by.is_not(None))
            db.session.execute(held.values(lease_until=now()))


@pytest.mark.parametrize("database", ["sqlite", "postgresql"] if is_full() else ["sqlite"])
def test_an_edition_outlives_its_workers(
    request: pytest.FixtureRequest,
    portal_on: Callable[..., Live],
    sink: Sink,
    figure: Figure,
    database: str,
) -> None:
    is_postgresql, chance = database == "postgresql", random.Random(20261128)
    live = portal_on(**(request.getfixturevalue("on_postgresql") if is_postgresql else {}))
    with inside(live):
        begin(PEOPLE)
        for kill in range(KILLS):
            step = STEPS[kill % len(STEPS)]
            number = 1 if step in ("connect", "commit") else chance.randint(1, FURTHEST)
            live._start("worker", [sys.executable, "-m", "tests.deadly", step, str(number)])
            live.processes.pop("worker").wait(60)
            if is_postgresql:  # on SQLite the next worker knows that it is dead
                let_leases_end()
        live.start_worker()
        found = wait_for_the_end(live, 180 + PEOPLE / 20)

        got, at_most = copies(sink), KILLS * deliver.BATCH[Lane.BULK]
        assert set(got) == {f"reader{number}@mail.example" for number in range(PEOPLE)}, "nobody is missed"
        repeats = sum(got.values()) - PEOPLE
        assert 0 < repeats <= at_most
        assert len({mail for _id, mail in sink.mails}) == PEOPLE, "a repeat is the same bytes"
        rows = db.session.scalars(select(Delivery).where(Delivery.lane == Lane.BULK)).all()
        flagged = {row.recipient for row in rows if row.last_error.endswith(lanes.TWICE)}
        assert {to for to, times in got.items() if times > 1} <= flagged
        assert (found.sent, found.total, found.twice) == (PEOPLE, PEOPLE, len(flagged))
        assert found.twice <= at_most
        assert {same for _id, same in proof.verify(db.session.scalars(select(Edition)).one())} == {"same"}
    told = f"of {PEOPLE}, {repeats} mails repeated, nobody missed"
    figure(f"kills: of the worker of an edition, {database}", KILLS, told, how="sum")


@pytest.fixture
def on_postgresql() -> Iterator[dict[str, str]]:
    tools = postgres.binaries()
    if tools is None:
        pytest.skip("needs Debian's postgresql")
    with tempfile.TemporaryDirectory() as name:  # that an ordinary user may enter
        server = postgres.Server(tools, Path(name))
        yield {"DATABASE_URL": server.url}
        server.stop()


@pytest.mark.parametrize("workers", [2, 4] if is_full() else [4])
def test_of_several_workers_on_postgresql_none_sends_what_another_has(
    on_postgresql: dict[str, str], portal_on: Callable[..., Live], sink: Sink, workers: int
) -> None:
    send_once(portal_on(**on_postgresql), sink, workers)


@pytest.mark.parametrize("workers", [2, 4] if is_full() else [2])
def test_of_several_workers_on_sqlite_none_sends_what_another_has(
    portal_on: Callable[..., Live], sink: Sink, workers: int
) -> None:
    send_once(portal_on(), sink, workers)


def send_once(live: Live, sink: Sink, workers: int) -> None:
    """Begun and sent by so many workers at once, to each reader once."""
    with inside(live):
        schedule(PEOPLE)
        for number in range(workers):
            live.start_worker(f"worker{number}")
        found = wait_for_the_end(live, 180 + PEOPLE / 20)

    got = copies(sink)
    assert (len(got), max(got.values())) == (PEOPLE, 1)
    assert (found.sent, found.total, found.twice) == (PEOPLE, PEOPLE, 0)
