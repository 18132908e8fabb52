"""What the machine has no more of: files, memory, room for the log. There is service again when there is some."""

from __future__ import annotations

import http.client
import resource
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.figures import is_full
from tests.live import ROOT, SOON, Answer, Browserless, Live, until
from tests.ops.test_serve import children

pytestmark = [
    pytest.mark.kill,
    pytest.mark.faults,
    pytest.mark.xdist_group("shortage"),
    pytest.mark.skipif(not is_full(), reason="takes the machine's time: make faults"),
]

MANY = 150  # connections
UNFINISHED = (
    b"POST /requests/consultation HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 64000\r\n\r\nquestion="
    + b"x"
    * 60_000
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    portal = Live(tmp_path_factory.mktemp("short") / "instance", TRUSTED_PROXIES="1").migrate()
    portal.start_served()
    yield portal
    portal.stop()


def web_of(live: Live) -> int:
    """The process that answers: the supervisor's first child, or what that one has started."""
    web = children(live.processes["serve"].pid)[0]
    return (children(web) or [web])[0]


def files_of(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def asked(live: Live, path: str = "/requests/consultation", **data: str) -> Answer | None:
    """What it answers, or nothing."""
    try:
        return Browserless(live.port, "10.0.0.1").ask("POST" if data else "GET", path, data or None)
    except (OSError, http.client.HTTPException):
        return None


def is_up(live: Live) -> bool:
    answers = [asked(live, path) for path in ("/", "/healthz", "/readyz", "/requests/consultation")]
    return all(answer is not None and answer.status == 200 for answer in answers)


def sign_up(live: Live, address: str) -> int:
    """The status of a sign-up, which is sent once more if it came in haste."""
    visitor = Browserless(live.port, "10.0.0.2")
    answers = {"email": address, "topics": "news", "language": "en"}
    tokens = visitor.hidden("/newsletter")
    time.sleep(2.1)
    return visitor.ask("POST", "/newsletter", {**tokens, **answers}).status


def kept(live: Live, address: str) -> int:
    with closing(sqlite3.connect(live.folder / "portal.db")) as database:
        found = database.execute("SELECT count(*) FROM signup WHERE address = ?", (address,)).fetchone()
        return int(found[0])


def test_no_files_left(live: Live) -> None:
    pid = web_of(live)
    used = files_of(pid)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 20, before[1]))
    held = []
    try:
        for _ in range(MANY):
            with suppress(OSError):
                held.append(socket.create_connection(("127.0.0.1", live.port), 1))
        assert files_of(pid) >= used + 19, "it has some left: this would prove nothing"
    finally:
        for connection in held:
            connection.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)

    until(lambda: is_up(live))
    assert sign_up(live, "files@mail.example") == 303
    assert kept(live, "files@mail.example") == 1


def test_no_memory_left(live: Live) -> None:
    """What is refused then is refused whole; the process goes on, or another takes its place."""
    pid = web_of(live)
    size = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (size, before[1]))
    held = []
    with suppress(OSError):  # it may die of it
        for _ in range(1_000):
            held.append(socket.create_connection(("127.0.0.1", live.port), 1))
            held[-1].sendall(UNFINISHED)
    used = [asked(live) for _ in range(10)]
    for connection in held:
        connection.close()
    assert len(held) < 1_000 or None in used or not Path(f"/proc/{pid}").exists(), "there was enough"
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_AS, before)

    until(lambda: is_up(live))
    assert sign_up(live, "memory@mail.example") == 303
    assert kept(live, "memory@mail.example") == 1


def test_no_room_for_the_log(live: Live, tmp_path: Path) -> None:
    other = Live(tmp_path / "instance", TRUSTED_PROXIES="1").migrate()
    with Path("/dev/full").open("wb") as full:
        serving = subprocess.Popen(
            [sys.executable, "-m", "flask", "serve"], cwd=ROOT, env=other.env, stdout=full, stderr=full
        )
    try:
        until(lambda: is_up(other))
        assert sign_up(other, "log@mail.example") == 303
        assert kept(other, "log@mail.example") == 1
        mailed: Callable[[], bool] = lambda: any((tmp_path / "instance" / "mail").glob("*.eml"))  # noqa: E731
        until(mailed)
        serving.terminate()
        assert serving.wait(SOON) == 0
    finally:
        serving.kill()
        serving.wait()
        other.stop()
