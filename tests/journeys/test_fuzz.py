"""Whatever is sent to a public form, the answer is a page that says what to do: never a 500, never a stray row."""

from __future__ import annotations

import itertools
import json
import string
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from portal import tokens
from portal.db import db
from portal.newsletter import consent
from tests.conftest import Clock
from tests.figures import Figure, amount
from tests.intake import samples
from tests.live import tokens_in
from tests.pages import Visitor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    # A thread of the portal that draws lots while Hypothesis does: no fault of either.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),
]

API = "/api/newsletter/subscriptions"
SIGN_UP = {"email": "ana@clinic.example", "topics": "news", "language": "en"}
FORMS: dict[str, tuple[int, str, dict[str, Any]]] = {
    # address: how many inputs (more where an answer costs little), what its token is for, and right answers
    "/requests/consultation": (
        amount(110, 2200),
        "ConsultationForm",
        {**samples.CONSULTATION, "on_behalf": [], "confirmed": [], "change": []},
    ),
    "/requests/resources": (amount(120, 2400), "ResourceForm", samples.RESOURCE),
    "/newsletter": (amount(200, 4000), f"signup/{consent.current('en').name}", SIGN_UP),
    "/es/boletin": (amount(150, 3000), f"signup/{consent.current('es').name}", SIGN_UP),
}
API_INPUTS = amount(450, 9_000)
AT_ONCE = (
    10  # inputs in one example of Hypothesis, whose own work is done for each; shrinking simplifies every one
)
ORDER = {"email": "ana@clinic.example", "language": "en", "topics": ["news"], "consent_text": "I agree."}
LIKELY = [
    "", " ", "Ana Ruiz", "1234567893", "1234567890", "ana@clinic.example", "CA", "dosing", "news", "email", "phone",
    "post", "en", "es", "yes", "1", "y", "925-555-0100", "prescriber-guide", "What dose do trials use?",
    "\x00", "\u202e",
    "\ud800", "a\r\nBcc: x@y.example", "<script>alert(1)</script>", "{{7*7}}", "%s%n", "' OR 1=1 --",
    "٣", "é", "e\u0301", "🙂" * 50, "x" * 3000, "=1+1", "2147483648", "-1",
]  # fmt: skip
words = st.one_of(
    st.sampled_from(LIKELY),
    st.sampled_from(LIKELY),
    st.text(max_size=30),
    st.text(alphabet=string.printable, max_size=30),
    st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cf", "Zl", "Co"]), max_size=10),
)
anything = st.recursive(
    st.one_of(words, st.integers(), st.floats(), st.none(), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=4,
)
blocks: Iterator[int] = itertools.count()


def forms(right: dict[str, Any]) -> st.SearchStrategy[dict[str, list[str]]]:
    """Right answers, or none, with some fields spoilt."""
    whole = {name: [value] if isinstance(value, str) else list(value) for name, value in right.items()}
    spoilt = st.dictionaries(
        st.sampled_from([*right, "unknown"]), st.lists(words, max_size=3), max_size=min(8, len(right) + 1)
    )
    return st.builds(lambda base, found: {**base, **found}, st.sampled_from([whole, {}]), spoilt)


orders = st.one_of(
    st.builds(
        lambda base, found: {**base, **found},
        st.sampled_from([ORDER, {}]),
        st.dictionaries(st.one_of(st.sampled_from([*ORDER]), words), anything, max_size=4),
    ),
    anything,
)


def often(inputs: int) -> settings:
    """As many inputs, however long each takes."""
    return settings(
        max_examples=inputs // AT_ONCE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def several(each: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Inputs to send one after the other."""
    return st.lists(each, min_size=AT_ONCE, max_size=AT_ONCE)


def encoded(fields: dict[str, list[str]]) -> bytes:
    """A form's body, with whatever a hostile client puts into it."""
    return "&".join(
        f"{quote(name)}={quote(value.encode('utf-8', 'surrogatepass'))}"
        for name, values in fields.items()
        for value in values
    ).encode()


@pytest.fixture
def commits(app: Flask) -> Iterator[list[str]]:
    """Each commit that kept anything, by its first statement."""
    found: list[str] = []

    def note(connection: Connection, _cursor: object, statement: str, *_more: object) -> None:
        if statement.split()[0] in ("INSERT", "UPDATE", "DELETE"):
            connection.info.setdefault("wrote", statement)

    def forget(connection: Connection) -> None:
        connection.info.pop("wrote", None)

    def keep(connection: Connection) -> None:
        if statement := connection.info.pop("wrote", None):
            found.append(statement)

    with app.app_context():
        engine = db.engine
    listeners: list[tuple[str, Callable[..., None]]] = [
        ("before_cursor_execute", note),
        ("rollback", forget),
        ("commit", keep),
    ]
    for name, listener in listeners:
        event.listen(engine, name, listener)
    yield found
    for name, listener in listeners:
        event.remove(engine, name, listener)


def post(visitor: Visitor, path: str, body: bytes, kind: str) -> int:
    """Send it from a network of its own; the status."""
    number = next(blocks)
    return visitor.client.post(
        path,
        data=body,
        content_type=kind,
        base_url="http://localhost:8000",
        environ_base={**visitor.environ, "REMOTE_ADDR": f"10.{number // 250 % 250}.{number % 250}.7"},
    ).status_code


@pytest.mark.parametrize("path", FORMS)
def test_no_input_breaks_a_form(
    path: str, app: Flask, visitor: Visitor, clock: Clock, commits: list[str], figure: Figure
) -> None:
    inputs, purpose, right = FORMS[path]
    csrf = tokens_in(visitor.get(path).text)["csrf_token"]
    seen: Counter[int] = Counter()

    @often(inputs)
    @given(several(st.tuples(forms(right), st.booleans())))
    def send_all(batch: list[tuple[dict[str, list[str]], bool]]) -> None:
        for fields, with_tokens in batch:
            send(fields, with_tokens)

    def send(fields: dict[str, list[str]], with_tokens: bool) -> None:
        if with_tokens:
            stamp = tokens.stamp(app.config["SECRET_KEY"], purpose, at=clock().timestamp() - 30)
            fields = {**fields, "csrf_token": [csrf], "form_token": [stamp]}
        commits.clear()
        status = post(visitor, path, encoded(fields), "application/x-www-form-urlencoded")
        seen[status] += 1
        assert status in (200, 303, 400, 413, 422), f"{status} for {fields!r}"
        assert with_tokens or status != 303, fields
        assert status == 303 or not commits, f"{status} wrote for {fields!r}: {commits}"

    send_all()

    figure("made-up inputs", seen.total(), "sent, none with a 500 or a stray row", how="sum")
    assert seen.total() >= inputs
    assert {400, 422} <= set(seen)
    assert seen[200] + seen[303], "some were right after all"


def test_no_input_breaks_the_json_sign_up(
    app: Flask, visitor: Visitor, commits: list[str], figure: Figure
) -> None:
    kinds = ("application/json", "text/plain", "application/json; charset=utf-16")
    seen: Counter[int] = Counter()

    @often(API_INPUTS)
    @given(several(st.tuples(orders, st.sampled_from(kinds))))
    def send_all(batch: list[tuple[Any, str]]) -> None:
        for order, kind in batch:
            send(order, kind)

    def send(order: Any, kind: str) -> None:
        commits.clear()
        status = post(visitor, API, json.dumps(order).encode("utf-8", "replace"), kind)
        seen[status] += 1
        assert status in (202, 400, 413, 415, 422), f"{status} for {order!r}"
        assert status == 202 or not commits, f"{status} wrote for {order!r}: {commits}"

    send_all()

    figure("made-up inputs", seen.total(), "sent, none with a 500 or a stray row", how="sum")
    assert seen.total() >= API_INPUTS
    assert {202, 415, 422} <= set(seen)


def test_a_commit_is_noticed(app: Flask, visitor: Visitor, commits: list[str]) -> None:
    order = json.dumps({**ORDER, "consent_text": consent.current("en").text})

    post(visitor, API, order.encode(), "application/json")

    assert [statement.split()[:3] for statement in commits] == [["INSERT", "INTO", "signup"]]


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
