"""Whatever is sent to a public form, the answer is a page that says what to do: never a 500, never a stray row."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal import tokens
from portal.newsletter import consent
from tests.conftest import Clock
from tests.house.test_walk import digest
from tests.live import tokens_in
from tests.pages import Visitor

EXAMPLES = 410  # for each of five ways in
FIELDS = {
    "/requests/consultation": (
        "ConsultationForm",
        "name credential npi practice state email phone on_behalf delegate_name delegate_email topics question "
        "contact_method contact_window leave_message confirmed change",
    ),
    "/requests/resources": (
        "ResourceForm",
        "name credential npi practice state email phone items delivery address note",
    ),
    "/newsletter": (f"signup/{consent.current('en').name}", "email topics language"),
    "/es/boletin": (f"signup/{consent.current('es').name}", "email topics language"),
}
LIKELY = [
    "", " ", "Ana Ruiz", "1234567893", "1234567890", "ana@clinic.example", "CA", "dosing", "news", "email", "phone",
    "post", "en", "es", "yes", "1", "y", "925-555-0100", "prescriber-guide", "What dose do trials use?",
    "\x00", "\u202e",
    "\ud800", "a\r\nBcc: x@y.example", "<script>alert(1)</script>", "{{7*7}}", "%s%n", "' OR 1=1 --",
    "٣", "é", "e\u0301", "🙂" * 50, "x" * 3000, "=1+1", "2147483648", "-1",
]  # fmt: skip
words = st.one_of(
    st.sampled_from(LIKELY),
    st.text(max_size=60),
    st.text(alphabet=string.printable, max_size=40),
    st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cf", "Zl", "Co"]), max_size=10),
)
blocks: Iterator[int] = itertools.count()


def encoded(fields: dict[str, list[str]]) -> bytes:
    """A form's body, with whatever a hostile client puts into it."""
    return "&".join(
        f"{quote(name)}={quote(value.encode('utf-8', 'surrogatepass'))}"
        for name, values in fields.items()
        for value in values
    ).encode()


@pytest.mark.parametrize("path", FIELDS)
def test_no_input_breaks_a_form(path: str, app: Flask, visitor: Visitor, clock: Clock) -> None:
    purpose, names = FIELDS[path]
    csrf = tokens_in(visitor.get(path).text)["csrf_token"]
    before = digest(app)
    seen: set[int] = set()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.dictionaries(st.sampled_from(names.split()), st.lists(words, max_size=3), max_size=16),
        st.booleans(),
    )
    def send(fields: dict[str, list[str]], with_tokens: bool) -> None:
        nonlocal before
        if with_tokens:
            stamp = tokens.stamp(app.config["SECRET_KEY"], purpose, at=clock().timestamp() - 30)
            fields = {**fields, "csrf_token": [csrf], "form_token": [stamp]}
        number = next(blocks)
        answer = visitor.client.post(
            path,
            data=encoded(fields),
            content_type="application/x-www-form-urlencoded",
            base_url="http://localhost:8000",
            environ_base={
                **visitor.environ,
                "REMOTE_ADDR": f"10.{number // 250 % 100}.{number % 250}.7",
            },
        )
        seen.add(answer.status_code)
        assert answer.status_code in (200, 303, 400, 413, 422), f"{answer.status_code} for {fields!r}"
        if not with_tokens:
            assert answer.status_code != 303
        if answer.status_code == 303:
            before = digest(app)
        elif number % 25 == 0:
            assert digest(app) == before, f"{answer.status_code} wrote for {fields!r}"

    send()

    assert {400, 422} <= seen
    assert digest(app) == before


def test_no_input_breaks_the_json_sign_up(app: Flask, visitor: Visitor) -> None:
    scalars = st.one_of(words, st.integers(), st.floats(), st.none(), st.booleans())
    values = st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
        max_leaves=6,
    )
    bodies = st.one_of(
        st.dictionaries(
            st.one_of(st.sampled_from(["email", "language", "topics", "consent_text"]), words),
            values,
            max_size=6,
        ),
        values,
    )

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(bodies, st.sampled_from(["application/json", "text/plain", "application/json; charset=utf-16"]))
    def send(body: Any, kind: str) -> None:
        import json

        number = next(blocks)
        answer = visitor.client.post(
            "/api/newsletter/subscriptions",
            data=json.dumps(body).encode("utf-8", "replace"),
            content_type=kind,
            base_url="http://localhost:8000",
            environ_base={
                **visitor.environ,
                "REMOTE_ADDR": f"10.{100 + number // 250 % 100}.{number % 250}.7",
            },
        )
        assert answer.status_code in (202, 400, 413, 415, 422), f"{answer.status_code} for {body!r}"

    send()


@pytest.mark.parametrize("body", [b"%ff%fe", b"email=%ff", b"name=%c3%28", b"email=%ed%a0%80"])
def test_bytes_that_are_no_text_are_refused(body: bytes, visitor: Visitor) -> None:
    answer = visitor.post("/newsletter", data=body, content_type="application/x-www-form-urlencoded")

    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"f%d=1" % n for n in range(5000)), "application/x-www-form-urlencoded", 413),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x", 415),
        (b"<xml/>", "application/xml", 415),
    ],
)
def test_a_body_that_is_no_form_of_ours_is_refused(
    body: bytes, kind: str, status: int, visitor: Visitor
) -> None:
    assert visitor.post("/requests/resources", data=body, content_type=kind).status_code == status
