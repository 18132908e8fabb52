"""The front page beside those who only hold connections: `python -m bench.crowd`, alone and behind each proxy.

A crowd is so many connections from many addresses of this machine: idle ones, slow heads (a byte each half second) or
slow bodies. Beside it somebody opens the front page again and again, each time by a new connection; its 99th
percentile stands beside the one of the same seconds without the crowd. Rounds are taken in turn. At the end the crowd
goes, and the page must come at once.
"""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import resource
import selectors
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.live import ROOT, Live
from tests.promises import CROWDS as TITLE
from tests.proxies import NAME, PROXIES, Https, Place, running

ASKED = 300  # times in a round
ROUNDS = 3
HEAD = b"POST /newsletter HTTP/1.1\r\nHost: portal.example\r\nContent-Type: application/x-www-form-urlencoded\r\n"
CROWDS = {
    "2,000 idle": (2_000, b"", b""),
    "10,000 idle": (10_000, b"", b""),
    "1,000 slow heads": (1_000, b"GET / HTTP/1.1\r\nHost: portal.example\r\nX-Slow: ", b"a"),
    "1,000 slow bodies": (1_000, HEAD + b"Content-Length: 9000\r\n\r\nemail=", b"a"),
}
PATIENCE = 20.0  # seconds
EACH = 30  # connections of one address: fewer than the portal and the proxies' examples let one have

HEADING = (
    "| before the portal | crowd | p99 without | p99 with | ratio | first after |\n|---|---|--:|--:|--:|--:|"
)
WORDS = """
The front page, opened anew {asked} times in each of {rounds} rounds, without and beside connections of many
addresses that say nothing, or a byte each half second; then once when they are gone
(`python -m bench.crowd --write`, loopback; portal, proxy, crowd and reader share two cores).
20,000 ms: it did not come.

"""

Ask = Callable[[], float]


class Crowd:
    """Connections that do nothing, or next to nothing, in a process of their own; what is closed is opened anew."""

    def __init__(self, port: int, size: int, begin: bytes, then: bytes) -> None:
        self._port, self._size, self._begin, self._then = port, size, begin, then
        self._made = 0
        self._is_there = multiprocessing.Event()
        self._held = multiprocessing.Value("i", 0)
        self._process = multiprocessing.Process(target=self._stay, daemon=True)

    def __enter__(self) -> Crowd:
        self._process.start()
        self._is_there.wait(30)  # one that takes no more of them is asked beside those that it took
        return self

    @property
    def held(self) -> int:
        """How many it had at most."""
        return self._held.value

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.join()

    def _stay(self) -> None:
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with selectors.DefaultSelector() as held:  # what it costs to hold them is nobody else's to pay
            while True:
                while len(held.get_map()) < self._size and (one := self._open()) is not None:
                    held.register(one, selectors.EVENT_READ)
                self._held.value = max(self._held.value, len(held.get_map()))
                if len(held.get_map()) == self._size:
                    self._is_there.set()
                time.sleep(0.5)
                for key in list(held.get_map().values()) if self._then else ():
                    with contextlib.suppress(OSError):
                        key.fileobj.send(self._then)  # type: ignore[union-attr]
                for key, _ in held.select(0):
                    held.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]

    def _open(self) -> socket.socket | None:
        self._made += 1
        address = self._made // EACH % 60_000
        connection = socket.socket()
        connection.bind((f"127.1.{address // 250}.{address % 250 + 1}", 0))
        connection.settimeout(PATIENCE)
        try:
            connection.connect(("127.0.0.1", self._port))
        except OSError:  # refused, or nobody takes it
            connection.close()
            return None
        with contextlib.suppress(OSError):
            connection.sendall(self._begin)
        connection.setblocking(False)
        return connection


def plain(live: Live) -> Ask:
    """The front page by a new connection: in how many seconds."""

    def ask() -> float:
        return _timed(http.client.HTTPConnection("127.0.0.1", live.port, timeout=PATIENCE))

    return ask


def through(place: Place) -> Ask:
    """The same, by the proxy."""
    return lambda: _timed(Https(place), NAME)


def _timed(connection: http.client.HTTPConnection, name: str = "127.0.0.1") -> float:
    began = time.perf_counter()
    try:
        connection.request("GET", "/", headers={"Host": name})
        answer = connection.getresponse()
        answer.read()
        return time.perf_counter() - began if answer.status == 200 else PATIENCE
    except (OSError, http.client.HTTPException):
        return PATIENCE
    finally:
        connection.close()


def percentile(ask: Ask) -> float:
    """The 99th of one round, in milliseconds; once so many did not come that it cannot be less, no more are asked."""
    took: list[float] = []
    while len(took) < ASKED and sum(each >= PATIENCE for each in took) <= ASKED // 100 + 1:
        took.append(ask())
    return 1000 * statistics.quantiles(took, n=100)[98] if len(took) == ASKED else 1000 * PATIENCE


def measure(ask: Ask, port: int) -> Iterator[tuple[str, float, float, float]]:
    """Of each crowd: its name, the 99th percentile without and with it, and the first answer after it."""
    for name, (size, begin, then) in CROWDS.items():
        without, beside = [], []
        for _ in range(ROUNDS):
            without.append(percentile(ask))
            with Crowd(port, size, begin, then) as crowd:
                beside.append(percentile(ask))
                held = crowd.held
            after = 1000 * ask()
        told = name if held == size else f"{name} (took {held:,})"
        yield told, statistics.median(without), statistics.median(beside), after


def main(words: list[str]) -> int:
    """Measure and print, and with --write put it into docs/faults.md; what falls short is marked."""
    lines = [HEADING]
    with tempfile.TemporaryDirectory() as name:
        for where in [word for word in words if word != "--write"] or ["alone", *PROXIES]:
            folder = Path(name) / where
            folder.mkdir()
            for line in _lines(where, folder):
                print(line, flush=True)
                lines.append(line)
    if "--write" in words:
        page = ROOT / "docs" / "faults.md"
        before = page.read_text().partition(TITLE)[0]
        page.write_text(before + TITLE + WORDS.format(rounds=ROUNDS, asked=ASKED) + "\n".join(lines) + "\n")
    return 0


def _lines(where: str, folder: Path) -> Iterator[str]:
    is_alone = where == "alone"
    if is_alone:
        live = Live(folder / "instance").migrate()
    else:
        live = Live(folder / "instance", BASE_URL=f"https://{NAME}", TRUSTED_PROXIES="1").migrate()
    try:
        live.start_web()
        with contextlib.nullcontext() if is_alone else running(where, folder, live.port) as place:
            if is_alone:
                found = measure(plain(live), live.port)
            elif place is not None:
                found = measure(through(place), place.port)
            else:
                yield f"| {where} | not to be had here | | | | |"
                return
            for crowd, without, beside, after in found:
                ratio = f"{beside / without:.1f}{', short of 2' if beside > 2 * without else ''}"
                yield f"| {where} | {crowd} | {without:.1f} ms | {beside:.1f} ms | {ratio} | {after:.0f} ms |"
    finally:
        live.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
