"""Whoever sends slowly holds nobody up: the portal as `flask serve` runs it, with a few slow clients on loopback."""

from __future__ import annotations

import http.client
import socket
import sqlite3
import threading
from collections.abc import Iterator
from email.message import Message

import pytest

from portal import front
from tests.live import Browserless, Live, tokens_in, until

pytestmark = pytest.mark.slow

HEAD_SECONDS = 3  # of quick_front.py
SLOW = 2 * (front.WRITERS + front.READERS)  # more than there are threads
HEAD = "POST /newsletter HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    portal = Live(tmp_path_factory.mktemp("slow") / "instance", warm=True).migrate()
    portal.start_web(target="tests.ops.quick_front:front")
    yield portal
    portal.stop()


def begin(live: Live, rest: str) -> socket.socket:
    """A post that is not finished."""
    sending = socket.create_connection(("127.0.0.1", live.port), 15)
    sending.sendall((HEAD.format(port=live.port) + rest).encode())
    return sending


def answer(sending: socket.socket) -> tuple[int, Message, str]:
    """Status, headers and words of what came back; the connection is closed then."""
    with sending:
        response = http.client.HTTPResponse(sending)
        response.begin()
        return response.status, response.headers, response.read().decode()


def test_slow_bodies_hold_no_thread_and_get_408(live: Live) -> None:
    slow = [begin(live, "Content-Length: 9000\r\n\r\nemail=") for _ in range(SLOW)]
    reader = Browserless(live.port, "127.0.0.1")

    for path in ("/", "/healthz", "/newsletter", "/prescribers"):
        assert reader.ask("GET", path).status == 200, path  # while all of them wait
    assert reader.ask("POST", "/newsletter", {"email": "a"}).status == 400  # (no token)

    for sending in slow:
        status, headers, words = answer(sending)
        assert status == 408
        assert headers["Content-Security-Policy"]
        assert headers["Connection"] == "close"
        assert "did not arrive in time" in words


def test_more_unfinished_forms_than_one_address_may_have_are_refused_at_once(live: Live) -> None:
    slow = [begin(live, "Content-Length: 9000\r\n\r\nemail=") for _ in range(front.MOST_AT_ONCE)]

    status, headers, _ = answer(begin(live, "Content-Length: 9000\r\n\r\nemail="))

    assert status == 503
    assert headers["Retry-After"]
    for sending in slow:
        sending.close()
    reader = Browserless(live.port, "127.0.0.1")
    until(
        lambda: reader.ask("POST", "/newsletter", {"email": "a"}).status == 400
    )  # their places are free again


@pytest.mark.parametrize("start", ["", "GET / HTTP/1.1\r\nHost: "], ids=["silent", "half a head"])
def test_a_head_that_does_not_come_is_not_waited_for(live: Live, start: str) -> None:
    with socket.create_connection(("127.0.0.1", live.port), HEAD_SECONDS + 10) as sending:
        sending.sendall(start.encode())
        assert sending.recv(100) == b""  # closed; a connection that is let hang would raise here


LONG = 400_000  # bytes; a quarter would fit into the sockets between us, and prove nothing
CHUNKS = f"8000\r\n{'a' * 0x8000}\r\n" * (LONG // 0x8000)


@pytest.mark.parametrize(
    "rest",
    [
        f"Content-Length: {LONG}\r\n\r\n{'a' * LONG}",
        f"Transfer-Encoding: chunked\r\n\r\n{CHUNKS}0\r\n\r\n",
    ],
    ids=["declared", "chunked"],
)
def test_a_body_over_the_limit_gets_its_page_though_it_is_sent_to_the_end(live: Live, rest: str) -> None:
    status, _, page = answer(begin(live, rest))

    assert status == 413
    assert "<title>" in page


@pytest.mark.parametrize(
    "rest",
    ["Transfer-Encoding: chunked\r\n\r\nzz\r\n", "Content-Length: 30\r\n\r\nemail="],
    ids=["chunk", "cut"],
)
def test_a_body_that_breaks_off_is_no_shorter_form(live: Live, rest: str) -> None:
    sending = begin(live, rest)
    sending.shutdown(socket.SHUT_WR)

    assert answer(sending)[0] == 400


def test_a_chunked_form_within_the_limit_is_read(live: Live) -> None:
    body = "email=ana%40clinic.example"
    sending = begin(live, f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n")

    status, _, page = answer(sending)

    assert status == 400  # no token, and what was typed is there
    assert "ana@clinic.example" in page


def test_a_head_that_passes_for_a_proxys_counts_for_nothing(live: Live) -> None:
    two_hosts = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nHost: evil.example\r\n\r\n"
    with socket.create_connection(("127.0.0.1", live.port), 10) as sending:
        sending.sendall(two_hosts.encode())
        assert answer(sending)[0] == 400


def test_readers_wait_for_no_writer(live: Live) -> None:
    """All who write wait for a lock that another process holds; pages that Flask makes come all the same."""
    form = {"email": "ana@clinic.example", "language": "en", "topics": "news"}
    posters = [Browserless(live.port, "127.0.0.1") for _ in range(12)]
    tokens = [
        tokens_in(poster.ask("POST", "/newsletter", {**form, **poster.hidden("/newsletter")}).text)
        for poster in posters  # (once more: that was too quick for a person)
    ]
    holder = sqlite3.connect(live.folder / "portal.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    statuses: list[int] = []

    def post(poster: Browserless, hidden: dict[str, str]) -> None:
        statuses.append(poster.ask("POST", "/newsletter", {**form, **hidden}).status)

    posts = [threading.Thread(target=post, args=both) for both in zip(posters, tokens, strict=True)]
    for thread in posts:
        thread.start()
    reader = Browserless(live.port, "127.0.0.1")
    for path in ("/nothing-here", "/healthz", "/newsletter"):
        assert reader.ask("GET", path).status in (200, 404)
    assert len(statuses) < len(posts)  # some of them wait still
    holder.execute("ROLLBACK")
    for thread in posts:
        thread.join()
    holder.close()
    assert set(statuses) <= {303, 503}


@pytest.mark.parametrize(
    "heads",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 60\r\n\r\nemail",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: +5\r\n\r\nemail",
        "Content-Length: 5\r\n X-Folded: 1\r\n\r\nemail",
    ],
    ids=["both lengths", "two lengths", "two codings", "blank before the colon", "a sign", "folded"],
)
def test_two_requests_are_never_read_as_one_nor_one_as_two(live: Live, heads: str) -> None:
    """What a proxy could read otherwise than we do is refused, and what is behind it is no request."""
    hidden = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\n\r\n"
    with begin(live, heads + hidden) as sending:
        said = b""
        while piece := sending.recv(65_536):
            said += piece

    assert said.count(b"HTTP/1.1 ") == 1, said[:300]
    assert said.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")), said[:300]
