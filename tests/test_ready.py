"""Ready pages: the same bytes, before Flask, until the content changes."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterable
from typing import Any

import brotli
import pytest
from werkzeug.test import Client, TestResponse

from portal.ready import Ready, ReadyPages

BODY = b"<p>" + b"word " * 200 + b"</p>"


class Origin:
    """Stands for Flask: counts, and marks what it is told to mark."""

    def __init__(self) -> None:
        self.calls = 0
        self.mark = "public"
        self.status = "200 OK"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.calls += 1
        headers = [("Content-Type", "text/html; charset=utf-8"), ("X-Test", "kept")]
        if self.mark:
            headers.append(("X-Ready", self.mark))
        start_response(self.status, headers)
        return [BODY]


class World:
    """A layer over an origin, with content that can change."""

    def __init__(self) -> None:
        self.origin = Origin()
        self.version = 1
        self.refreshed = 0
        self.fault = False
        asset = Ready.make([("Content-Type", "text/css")], BODY)
        self.layer = ReadyPages(
            self.origin,
            hosts=["localhost"],
            assets={"/static/a.css": asset},
            gate=True,
            stamp=lambda: self.version,
            refresh=self.refresh,
            seen=self.version,
        )
        self.client = Client(self.layer, use_cookies=False)

    def refresh(self) -> None:
        self.refreshed += 1
        if self.fault:
            raise ValueError("a fault in the text")

    def get(self, path: str = "/page", method: str = "GET", **headers: str) -> TestResponse:
        return self.client.open(
            path, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    def look_again(self) -> None:
        self.layer._next_look = 0.0


@pytest.fixture
def world() -> World:
    return World()


def test_a_marked_page_is_asked_for_once(world: World) -> None:
    answers = [world.get() for _ in range(3)]

    assert world.origin.calls == 1
    assert {answer.data for answer in answers} == {BODY}
    assert all(answer.headers["X-Test"] == "kept" and "X-Ready" not in answer.headers for answer in answers)


def test_an_unmarked_page_is_never_kept(world: World) -> None:
    world.origin.mark = ""

    world.get()
    world.get()

    assert world.origin.calls == 2


def test_an_error_is_never_kept(world: World) -> None:
    world.origin.status = "404 NOT FOUND"

    assert world.get().status_code == 404
    world.get()

    assert world.origin.calls == 2


def test_each_encoding_is_served_to_who_takes_it(world: World) -> None:
    assert brotli.decompress(world.get(Accept_Encoding="gzip, br").data) == BODY
    assert gzip.decompress(world.get(Accept_Encoding="gzip").data) == BODY
    assert world.get(Accept_Encoding="br;q=0, identity").data == BODY
    assert world.get(Accept_Encoding="br;q=0, gzip;q=0.5").headers["Content-Encoding"] == "gzip"
    assert world.get().headers["Vary"] == "Accept-Encoding"


def test_an_unchanged_page_costs_no_body(world: World) -> None:
    etag = world.get().headers["ETag"]

    answer = world.get(If_None_Match=etag)

    assert answer.status_code == 304
    assert answer.data == b""
    assert answer.headers["ETag"] == etag
    assert world.get(If_None_Match='"other"').status_code == 200


def test_head_has_the_headers_and_no_body(world: World) -> None:
    world.get()

    answer = world.get(method="HEAD")

    assert answer.data == b""
    assert answer.headers["Content-Length"] == str(len(BODY))


def test_a_head_before_the_first_get_keeps_nothing(world: World) -> None:
    world.get(method="HEAD")

    assert world.get().data == BODY


def test_a_query_or_a_post_goes_to_flask(world: World) -> None:
    world.get()

    world.get("/page?x=1")
    world.get(method="POST")

    assert world.origin.calls == 3


def test_a_gated_page_needs_the_gate_cookie(world: World) -> None:
    world.origin.mark = "gated"
    world.get(Cookie="professional=yes")

    assert world.get(Cookie="a=b; professional=yes").headers["Vary"] == "Accept-Encoding, Cookie"
    assert world.origin.calls == 1
    for cookies in ("", "professional=no", "unprofessional=yes", "x=professional=yes"):
        world.get(Cookie=cookies)
    assert world.origin.calls == 5


def test_another_host_is_left_to_flask_to_refuse(world: World) -> None:
    world.get()

    world.get(Host="evil.example")

    assert world.origin.calls == 2


def test_changed_content_drops_every_page(world: World) -> None:
    world.get()
    world.version = 2
    world.look_again()

    world.get()

    assert (world.origin.calls, world.refreshed) == (2, 1)


def test_each_of_several_processes_sees_a_change_for_itself() -> None:
    """None tells another: the stamp is what they share (decision 0007)."""
    one, other = World(), World()
    for process in (one, other):
        process.get()
        process.version = 2  # one folder
        process.look_again()

    one.get()
    assert (one.refreshed, other.refreshed) == (1, 0), "the other has had no visit yet"
    other.get()

    assert (one.origin.calls, other.origin.calls) == (2, 2)


def test_a_faulty_change_keeps_the_old_page(world: World) -> None:
    world.get()
    world.version, world.fault = 2, True
    world.look_again()

    assert world.get().data == BODY
    assert world.origin.calls == 1


def test_content_is_not_looked_at_on_every_request(world: World) -> None:
    world.get()
    world.version = 2

    world.get()

    assert world.refreshed == 0
    assert world.layer._next_look > time.monotonic()


def test_a_static_file_never_reaches_flask(world: World) -> None:
    assert world.get("/static/a.css").data == BODY
    assert world.origin.calls == 0


def test_a_head_before_any_get_says_what_the_get_would(world: World) -> None:
    head = world.get(method="HEAD", Accept_Encoding="br")
    page = world.get(Accept_Encoding="br")

    assert head.data == b""
    assert head.status_code == page.status_code == 200
    for name in ("ETag", "Vary", "Content-Length", "Content-Encoding", "Content-Type"):
        assert head.headers[name] == page.headers[name], name


DOCUMENT = Ready.make([("Content-Type", "application/pdf")], bytes(range(256)) * 4)


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, (0, 10)),
        ("bytes=1000-", 206, (1000, 1024)),
        ("bytes=-24", 206, (1000, 1024)),
        ("bytes=1000-5000", 206, (1000, 1024)),
        ("bytes=-5000", 206, (0, 1024)),
        ("bytes=1024-", 416, (0, 0)),
        ("bytes=9-3", 200, (0, 1024)),  # none at all (RFC 9110, 14.1.2)
        ("bytes=0-1,5-6", 200, (0, 1024)),
        ("lines=1-2", 200, (0, 1024)),
    ],
)
def test_a_document_is_given_in_parts(asked: str, status: int, part: tuple[int, int]) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        return DOCUMENT.answer(environ, start_response)

    answer = Client(app).get("/", headers={"Range": asked})
    whole = bytes(range(256)) * 4

    assert answer.status_code == status
    assert answer.data == whole[slice(*part)]
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {part[0]}-{part[1] - 1}/1024"
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */1024"
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_a_part_of_what_changed_meanwhile_is_all_of_it() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        return DOCUMENT.answer(environ, start_response)

    answer = Client(app).get("/", headers={"Range": "bytes=0-9", "If-Range": '"another"'})

    assert (answer.status_code, len(answer.data)) == (200, 1024)
