"""Requests sent while something ends, sent again when in doubt, and held against what is stored and mailed."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller

from tests.live import Browserless, Live, free_port

POSTS = 12  # a round
POSTERS = 4
Ask = Callable[[str], Iterable[tuple[Any, ...]]]


class Sink:
    """A mail server that takes everything and keeps it."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []
        self.port = free_port()
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.url = f"smtp://127.0.0.1:{self.port}?tls=none"

    def __enter__(self) -> Sink:
        self.controller.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.controller.stop()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, session: Any, _envelope: Any, hostname: str, answers: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*answers[:-1], "250-PIPELINING", answers[-1]]  # as every mail server of today

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        content = bytes(envelope.content)
        head = content.split(b"\r\n\r\n")[0]
        identity = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"message-id:"))
        self.mails.append((identity.decode(), content))
        return "250 taken"


@dataclass
class Tally:
    """What those who sent requests saw."""

    accepted: set[str] = field(default_factory=set)
    in_doubt: dict[str, tuple[Browserless, dict[str, object]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    sent: int = 0
    counts: bool = True  # whether an answer that comes now is believed

    @contextmanager
    def sending(self, port: int) -> Iterator[None]:
        """While the block runs, one round of requests is sent by several at once; after it all were tried."""
        orders = [_order(port, self.sent + n) for n in range(POSTS)]
        self.sent += POSTS
        posters = [
            threading.Thread(target=self._post_all, args=(orders[n::POSTERS],)) for n in range(POSTERS)
        ]
        for poster in posters:
            poster.start()
        yield
        for poster in posters:
            poster.join()

    def settle(self, within: float = 30) -> None:
        """Send again what was cut off, the same form with the same token, until all of it is accepted."""
        end = time.monotonic() + within
        while self.in_doubt:
            self._post_all(list(self.in_doubt.values()))
            assert time.monotonic() < end, "a request in doubt, sent again, is answered"
            time.sleep(0.1 if self.in_doubt else 0)

    def _post_all(self, orders: Iterable[tuple[Browserless, dict[str, object]]]) -> None:
        for visitor, data in orders:
            token = str(data["form_token"])
            try:
                answer = visitor.ask("POST", "/requests/resources", data)
            except (OSError, http.client.HTTPException):
                answer = None
            assert answer is None or answer.status in (303, 503), f"{answer.status}: {answer.text[:800]}"
            with self.lock:
                if answer is not None and answer.status == 303 and self.counts:
                    self.accepted.add(token)
                    self.in_doubt.pop(token, None)
                else:
                    self.in_doubt[token] = (visitor, data)


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


def wait_for_the_last_mail(ask: Ask, live: Live) -> None:
    """Until none is queued; a slow machine may take its time, as long as one goes after the other."""
    waits, end = -1, 0.0
    while True:
        ((left,),) = list(ask("SELECT count(*) FROM mail_delivery WHERE state = 'queued'")) or [(waits,)]
        if left == 0:
            return
        if left != waits:
            waits, end = left, time.monotonic() + 60
        assert time.monotonic() < end, f"{left} mails still wait: {live.logged()[-3000:]}"
        time.sleep(0.1)


def hold(ask: Ask, tally: Tally, sink: Sink, *, cuts: int) -> dict[str, int]:
    """Nothing accepted is lost or doubled, nor a mail promised for it; only a cut repeats a mail, as it was."""
    rows = Counter(token for (token,) in ask("SELECT form_token FROM request"))
    promised = dict(ask("SELECT message_id, state FROM mail_delivery"))  # type: ignore[arg-type]
    causes = {cause for (cause,) in ask("SELECT cause FROM mail_delivery")}
    references = {f"request:{reference}" for (reference,) in ask("SELECT reference FROM request")}
    assert not tally.in_doubt
    assert len(tally.accepted) == tally.sent
    assert tally.accepted <= set(rows), "every request answered 303 is there"
    assert max(rows.values()) == 1, "no form token has two rows"
    assert causes == references, "every request promised its mail, in the same transaction"
    assert set(promised.values()) == {"sent"}
    arrived = Counter(identity.partition(" ")[2].strip() for identity, _ in sink.mails)
    assert set(arrived) == set(promised), "every promised mail arrived, and nothing else"
    repeats = sum(arrived.values()) - len(arrived)
    assert repeats <= cuts, "a mail is repeated only by a cut between the 250 and our commit"
    assert len(set(sink.mails)) == len(arrived), "a repeat has the same bytes"
    return {"posts": len(tally.accepted), "kills": cuts, "mails": len(arrived), "repeats": repeats}
