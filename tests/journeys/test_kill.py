"""Nothing accepted is lost, whatever is killed: real processes, SIGKILL, a real SMTP sink."""

from __future__ import annotations

import http.client
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.figures import Figure, amount
from tests.live import Browserless, Live, free_port

ROUNDS = amount(9, 200)
POSTS_A_ROUND = 12
POSTERS = 4
VICTIMS = (("web",), ("worker",), ("web", "worker"))  # in turn, so that few rounds kill each


class Sink:
    """A mail server that takes everything and keeps it."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []
        self.port = free_port()
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        content = bytes(envelope.content)
        head = content.split(b"\r\n\r\n")[0]
        identity = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"message-id:"))
        self.mails.append((identity.decode(), content))
        return "250 taken"


@dataclass
class Tally:
    """What the posters saw."""

    accepted: set[str] = field(default_factory=set)
    in_doubt: dict[str, tuple[Browserless, dict[str, object]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    made.controller.start()
    yield made
    made.controller.stop()


@pytest.fixture
def live(tmp_path: Path, sink: Sink) -> Iterator[Live]:
    smtp = f"smtp://127.0.0.1:{sink.port}?tls=none"
    portal = Live(tmp_path / "instance", warm=True, TRUSTED_PROXIES="1", SMTP_URL=smtp).migrate()
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
        orders = [_order(live.port, number * POSTS_A_ROUND + n) for n in range(POSTS_A_ROUND)]
        posters = [
            threading.Thread(target=_post_all, args=(orders[first::POSTERS], tally))
            for first in range(POSTERS)
        ]
        for poster in posters:
            poster.start()
        time.sleep(chance.uniform(0.0, 0.12))
        victims = VICTIMS[number % len(VICTIMS)]
        for victim in victims:
            live.kill(victim)
            kills += 1
        for poster in posters:
            poster.join()
        if "worker" in victims:
            live.start_worker()
        if "web" in victims:
            live.start_web()
        _settle(tally)
    _settle(tally)
    assert not tally.in_doubt, "a post in doubt, sent again, is answered"
    _wait_for_the_last_mail(live)

    with sqlite3.connect(live.folder / "portal.db") as database:
        rows = Counter(token for (token,) in database.execute("SELECT form_token FROM request"))
        promised = dict(database.execute("SELECT message_id, state FROM mail_delivery").fetchall())
        causes = Counter(cause for (cause,) in database.execute("SELECT cause FROM mail_delivery"))
        references = {f"request:{ref}" for (ref,) in database.execute("SELECT reference FROM request")}
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    assert tally.accepted <= set(rows), "every submission answered 303 is there"
    assert len(tally.accepted) == rounds * POSTS_A_ROUND
    assert max(rows.values()) == 1, "no form token has two rows"
    assert set(causes) == references, "every request promised its mail, in the same transaction"
    assert set(promised.values()) == {"sent"}
    arrived = Counter(identity.partition(" ")[2].strip() for identity, _ in sink.mails)
    assert set(arrived) == set(promised), "every promised mail arrived, and nothing else"
    repeats = sum(arrived.values()) - len(arrived)
    assert repeats <= kills, "a mail is repeated only by a kill between the 250 and our commit"
    assert len(set(sink.mails)) == len(arrived), "a repeat has the same bytes"
    return {"posts": len(tally.accepted), "kills": kills, "mails": len(arrived), "repeats": repeats}


def _order(port: int, number: int) -> tuple[Browserless, dict[str, object]]:
    """One visitor with an open form, ready to send."""
    visitor = Browserless(port, f"10.{number // 250 % 250}.{number % 250}.7")
    data: dict[str, object] = {
        **visitor.hidden("/requests/resources"),
        "confirmed": "1",
        "name": "Ana Ruiz",
        "credential": "NP",
        "practice": "Kill Clinic",
        "state": "CA",
        "email": f"ana{number}@clinic.example",
        "items": ["prescriber-guide"],
        "delivery": "email",
    }
    return visitor, data


def _post_all(orders: list[tuple[Browserless, dict[str, object]]], tally: Tally) -> None:
    for visitor, data in orders:
        _post(visitor, data, tally)


def _post(visitor: Browserless, data: dict[str, object], tally: Tally) -> None:
    token = str(data["form_token"])
    try:
        answer = visitor.ask("POST", "/requests/resources", data)
    except (OSError, http.client.HTTPException):
        with tally.lock:
            tally.in_doubt[token] = (visitor, data)
        return
    assert answer.status in (303, 503), f"{answer.status}: {answer.text[:800]}"
    with tally.lock:
        if answer.status == 303:
            tally.accepted.add(token)
            tally.in_doubt.pop(token, None)
        else:
            tally.in_doubt[token] = (visitor, data)


def _settle(tally: Tally) -> None:
    """Send again what was cut off: the same form, the same token."""
    for visitor, data in list(tally.in_doubt.values()):
        _post(visitor, data, tally)


def _wait_for_the_last_mail(live: Live) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        with sqlite3.connect(live.folder / "portal.db") as database:
            if not database.execute("SELECT count(*) FROM mail_delivery WHERE state = 'queued'").fetchone()[
                0
            ]:
                return
        time.sleep(0.1)
    raise AssertionError(f"mail still waits: {live.logged()[-3000:]}")
