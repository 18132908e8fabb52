"""Nothing accepted is lost, whatever is killed: real processes, SIGKILL, a real SMTP sink."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.figures import Figure, amount
from tests.journeys.rounds import Sink, Tally, hold, wait_for_the_last_mail
from tests.live import Live

ROUNDS = amount(3, 200)
VICTIMS = (("web",), ("worker",), ("web", "worker"))  # in turn, so that few rounds kill each


@pytest.fixture
def live(tmp_path: Path, sink: Sink) -> Iterator[Live]:
    portal = Live(tmp_path / "instance", warm=True, TRUSTED_PROXIES="1", SMTP_URL=sink.url).migrate()
    yield portal
    portal.stop()


@pytest.mark.kill
@pytest.mark.xdist_group("kill")
def test_nothing_accepted_is_lost_when_everything_is_killed(live: Live, sink: Sink, figure: Figure) -> None:
    seen = kill_rounds(live, sink, rounds=ROUNDS, seed=20260115)

    figure("kills: of web server and worker", seen["kills"], f"in {ROUNDS} rounds, nothing lost", how="sum")


def kill_rounds(live: Live, sink: Sink, *, rounds: int, seed: int) -> dict[str, int]:
    """Post, kill, start again, `rounds` times; then hold what was seen against what is there."""
    chance = random.Random(seed)
    live.start_web()
    live.start_worker()
    tally, kills = Tally(), 0
    for number in range(rounds):
        victims = VICTIMS[number % len(VICTIMS)]
        with tally.sending(live.port):
            time.sleep(chance.uniform(0.0, 0.12))
            for victim in victims:
                live.kill(victim)
                kills += 1
        if "worker" in victims:
            live.start_worker()
        if "web" in victims:
            live.start_web()
        tally.settle()
    return held_in_the_file(live, sink, tally, cuts=kills)


def held_in_the_file(live: Live, sink: Sink, tally: Tally, *, cuts: int) -> dict[str, int]:
    """Wait for the last mail, then judge; the file is whole too."""
    with closing(sqlite3.connect(live.folder / "portal.db")) as database:

        def ask(query: str) -> list[tuple[Any, ...]]:
            return database.execute(query).fetchall()

        wait_for_the_last_mail(ask, live)
        assert ask("PRAGMA integrity_check") == [("ok",)]
        assert ask("PRAGMA foreign_key_check") == []
        return hold(ask, tally, sink, cuts=cuts)
