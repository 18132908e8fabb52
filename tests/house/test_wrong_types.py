"""What no page of ours sends, to every address that takes a post: refused in words, never a 500 and never a row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from tests.house.test_walk import address, digest, rules
from tests.pages import Visitor

pytestmark = pytest.mark.slow

API = "/api/newsletter/subscriptions"
GOOD = {"email": "ana@clinic.example", "topics": ["news"], "language": "en"}
ODD: list[Any] = [
    [],
    {},
    0,
    -1.5,
    10**400,
    True,
    None,
    "\ud800",
    "\x00",
    ["\ud800"],
    [[]],
    {"a": {"b": []}},
    "",
]
BODIES = [
    *(json.dumps(value).encode() for value in ODD),
    b"[" * 3000,
    b'{"email":' * 400,
    b"{",
    b"\xff\xfe",
    b"NaN",
]
TYPES = ("application/json", "application/ld+json", "text/plain", "text/xml", "image/png", "x")


def posts(app: Flask) -> list[str]:
    return sorted({address(rule) for rule in rules(app) if "POST" in (rule.methods or ())})


def test_a_body_of_another_type_is_refused_at_every_address(app: Flask, visitor: Visitor) -> None:
    before = digest(app)
    for path in posts(app):
        for kind in TYPES:
            for body in BODIES[:: 6 if kind != "application/json" else 2]:
                answer = visitor.post(path, data=body, content_type=kind)
                assert answer.status_code in (400, 404, 405, 413, 415, 422), f"{path}: {kind}: {body[:20]!r}"
        app.extensions["throttle"].clear()
    assert digest(app) == before


@pytest.mark.parametrize("name", [*GOOD, "consent_text", "office_code", "unknown"])
def test_a_value_of_another_type_is_refused_by_the_json_address(
    app: Flask, visitor: Visitor, name: str
) -> None:
    before = digest(app)
    for value in ODD:
        answer = visitor.post(API, data=json.dumps({**GOOD, name: value}), content_type="application/json")
        harmless = name == "unknown" or (name in ("consent_text", "office_code") and value == "")
        if not harmless and not (
            name == "consent_text" and value == "\x00"
        ):  # which is nothing, once it is cleaned
            assert answer.status_code == 422, value
            assert answer.get_json()["error"] == "invalid"
        app.extensions["throttle"].clear()
    if name not in ("unknown", "consent_text", "office_code"):
        assert digest(app) == before


@pytest.mark.parametrize(
    "token", ["%0d%0a", "%00", "%0d%0aSet-Cookie:%20a=b", "%ff%fe", "%E2%80%AE", "a" * 3000]
)
def test_a_token_that_is_none_breaks_no_page(app: Flask, visitor: Visitor, token: str) -> None:
    for rule in rules(app):
        if "<token>" in rule.rule:
            path = rule.rule.replace("<token>", token)
            for method in ("GET", "POST"):
                answer = visitor.client.open(path, method=method, base_url="http://localhost:8000")
                assert answer.status_code in (200, 303, 400, 404, 405), f"{method} {path}"
                assert "\n" not in answer.headers.get("Location", "")
