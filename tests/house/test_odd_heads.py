"""What strangers put into a request's head makes no error of ours: one walk over every address."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import create_environ, run_wsgi_app

from portal import addresses, guard
from portal.settings import settings
from portal.web import SECURITY_HEADERS
from tests.figures import amount
from tests.house.test_walk import ARGUMENTS, address, rules
from tests.pages import Visitor

pytestmark = pytest.mark.slow

ORIGINS = [
    "http://[",
    "http://[::1",
    "//",
    "http://a:b",
    "http://localhost:99999999",
    "é",
    "http://[::ffff:1%25x]",
    "a",
]
HOSTS = [
    "[",
    "[::1",
    "evil.example",
    "localhost:b",
    "localhost:x",
    "a b",
    "localhost,evil.example",
    "é",
    "@",
    "",
]
DAMAGED = ["abc\r\n", "a\x00b", "x\x7f", "\r\nSet-Cookie: a=b"]


def ask(app: Flask, path: str, method: str, **environ: Any) -> tuple[int, dict[str, str], str]:
    """Status, headers and words, straight from the layers: a client of Flask would mend the Host itself."""
    made = create_environ(path="/", method=method, base_url="http://localhost")
    made.update({"PATH_INFO": path, **environ})
    body, status, headers = run_wsgi_app(app.wsgi_app, made, buffered=True)
    return int(status[:3]), dict(headers), b"".join(body).decode("utf-8", "replace")


def places(app: Flask) -> list[tuple[str, str]]:
    """Every address with every method that it takes."""
    return [
        (address(rule), method)
        for face in (app, app.extensions["staff"])
        for rule in rules(face)
        for method in sorted(rule.methods & {"GET", "POST"})
    ]


@pytest.mark.faults
def test_no_head_makes_an_error(app: Flask) -> None:
    """Each address with two odd hosts and an odd origin, by turns: a host is refused before any address is read."""
    hosts, turns = itertools.cycle(HOSTS), itertools.cycle(ORIGINS)
    for path, method in places(app):
        for host in itertools.islice(hosts, amount(2, len(HOSTS))):
            status, headers, _ = ask(app, path, method, HTTP_HOST=host)
            is_right = (
                400 <= status < 500 or path in addresses.PROBES
            )  # which answer by any name of this machine
            assert is_right, (path, method, host, status)
            assert SECURITY_HEADERS.keys() <= headers.keys(), (path, host)
        origin = next(turns)
        status, _, _ = ask(app, path, method, HTTP_ORIGIN=origin)
        assert status < 500, (path, method, origin)


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("path", ["/newsletter", "/requests/consultation", "/staff/login"])
def test_an_origin_that_is_none_is_foreign(app: Flask, path: str, origin: str) -> None:
    form = {"CONTENT_TYPE": "application/x-www-form-urlencoded"}
    status, headers, page = ask(app, path, "POST", HTTP_ORIGIN=origin, **form)

    assert status == 403
    assert "another site" in page
    assert SECURITY_HEADERS.keys() <= headers.keys()


def test_no_damaged_address_makes_an_error(app: Flask) -> None:
    holes = {"token", "slug", "path", "reference"}
    for face in (app, app.extensions["staff"]):
        for rule in rules(face):
            if not holes & set(re.findall(r"(\w+)>", rule.rule)):
                continue
            for damage in DAMAGED:
                path = address(rule)
                for known in ARGUMENTS.values():
                    path = path.replace(str(known), f"{known}{damage}") if isinstance(known, str) else path
                for method in sorted(rule.methods & {"GET", "POST"}):
                    status, headers, _ = ask(app, path, method)
                    assert status < 500, (path, method, status)
                    assert "Set-Cookie: a=b" not in json.dumps(headers)


@pytest.mark.parametrize(
    ("origin", "is_own"),
    [
        ("http://localhost:8000", True),  # BASE_URL
        ("http://LOCALHOST:8000", True),
        ("http://127.0.0.1:8123", True),  # the Host that was asked for, while developing
        ("https://localhost:8000", False),
        ("http://localhost:8001", False),
        ("http://localhost", False),
        ("http://localhost.evil.example:8000", False),
    ],
)
def test_an_origin_is_compared_whole(app: Flask, origin: str, is_own: bool) -> None:
    with app.app_context():
        assert guard.is_own_origin(settings(), origin, "127.0.0.1:8123") is is_own


def test_in_production_only_the_portals_own_address_counts(app: Flask, change_settings: Any) -> None:
    change_settings(APP_ENV="production", BASE_URL="https://ldn.example")
    with app.app_context():
        assert guard.is_own_origin(settings(), "https://ldn.example", "ldn.example")
        assert guard.is_own_origin(settings(), "https://ldn.example:443", "ldn.example")
        assert not guard.is_own_origin(settings(), "http://ldn.example", "ldn.example")


def test_an_error_beyond_the_pages_has_words_and_headers(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_what: object) -> None:
        raise ValueError("what somebody typed")

    monkeypatch.setattr("portal.newsletter.door._body_of", fail)

    status, headers, words = ask(app, "/newsletter", "POST")

    assert status == 500
    assert SECURITY_HEADERS.keys() <= headers.keys()
    assert "Try again" in words


@pytest.mark.parametrize("asked", ["http://[", "//[::1", "http://a:99999999999/"])
def test_an_address_to_go_on_to_may_be_none(visitor: Visitor, asked: str) -> None:
    page = visitor.open("/prescribers").set(next=asked)

    answer = page.press("I am a health professional: continue", status=303, follow=False)

    assert answer.response.headers["Location"] == "/prescribers"
