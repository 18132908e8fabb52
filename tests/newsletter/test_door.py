"""The door before Flask: what it lets in, the form lets in, with the same row; all else it leaves alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from werkzeug.test import Client, TestResponse

from portal import tokens
from portal.db import db
from portal.errors import Unavailable
from portal.newsletter import consent, door, service
from portal.newsletter.models import Signup
from portal.throttle import Throttle
from tests.conftest import Clock

COOKIE = "a" * len(tokens.new_token())
OWN = {"id", "form_token", "message_id"}  # differ from one sign-up to the next
COLUMNS = [column for column in Signup.__table__.columns if column.name not in OWN]


class Both:
    """The same post at the door and at Flask's form, each counted."""

    def __init__(self, app: Flask, clock: Clock) -> None:
        self.app, self.clock = app, clock
        self.key = app.config["SECRET_KEY"]
        self.passed_on = 0
        self.flask = app.extensions["ready"]._app._inner  # what stands behind the door

        def inner(environ: Any, start_response: Any) -> Any:
            self.passed_on += 1
            start_response("418 PASSED ON", [])
            return ()

        self.at_door = Client(door.Door(app, inner), use_cookies=False)
        self.at_form = Client(self.flask, use_cookies=False)

    def stamp(self, lang: str = "en", age: float = 30) -> str:
        at = self.clock().timestamp() - age
        return tokens.stamp(self.key, f"signup/{consent.current(lang).name}", at=at)

    def fields(self, lang: str = "en", **changes: Any) -> list[tuple[str, str]]:
        fields: dict[str, Any] = {
            "csrf_token": tokens.derive(self.key, "csrf", COOKIE),
            "form_token": self.stamp(lang),
            "office_code": "",
            "email": "ana@clinic.example",
            "topics": "news",
            "language": lang,
            **changes,
        }
        pairs = []
        for name, values in fields.items():
            pairs += [(name, value) for value in (values if isinstance(values, list) else [values])]
        return [pair for pair in pairs if pair[1] is not None]

    def send(self, client: Client, path: str, pairs: list[tuple[str, str]], **headers: str) -> TestResponse:
        body = "&".join(f"{quote_plus(n)}={quote_plus(v.encode('utf-8', 'surrogatepass'))}" for n, v in pairs)
        known = {"Cookie": f"form={COOKIE}", "Content-Type": door.FORM, "Host": "localhost:8000", **headers}
        return client.post(path, data=body.encode(), headers=known)

    def rows(self, after: int = 0) -> list[dict[str, Any]]:
        """What was stored after the first so many sign-ups."""
        with self.app.app_context():
            found = db.session.execute(select(*COLUMNS).order_by(Signup.id).offset(after))
            return [dict(row) for row in found.mappings()]

    def count(self) -> int:
        """How many sign-ups are stored."""
        with self.app.app_context():
            return db.session.scalar(select(func.count()).select_from(Signup)) or 0


@pytest.fixture
def both(app: Flask, clock: Clock) -> Both:
    return Both(app, clock)


@pytest.mark.parametrize(("path", "lang"), [("/newsletter", "en"), ("/es/boletin", "es")])
def test_a_plain_sign_up_is_let_in_with_the_row_and_answer_of_the_form(
    both: Both, path: str, lang: str
) -> None:
    at_door = both.send(both.at_door, path, both.fields(lang))
    at_form = both.send(both.at_form, path, both.fields(lang))

    assert both.passed_on == 0
    assert (at_door.status_code, at_door.headers["Location"]) == (303, at_form.headers["Location"])
    first, second = both.rows()
    assert first == second
    assert at_door.headers.getlist("Set-Cookie") == at_form.headers.getlist("Set-Cookie")
    assert "asked=" in at_door.headers["Set-Cookie"]
    assert at_door.headers["Content-Security-Policy"] == at_form.headers["Content-Security-Policy"]


def test_the_same_form_twice_is_one_row(both: Both) -> None:
    fields = both.fields()

    answers = [both.send(both.at_door, "/newsletter", fields) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {303}
    assert len(both.rows()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "ana@clinic"},
        {"email": "Ana <ana@clinic.example>"},
        {"email": "ana@CLINIC.example"},
        {"email": "ána@clinic.example"},
        {"email": ["a@b.example", "c@d.example"]},
        {"email": ""},
        {"email": None},
        {"topics": None},
        {"topics": "other"},
        {"language": "fr"},
        {"language": None},
        {"office_code": "filled"},
        {"csrf_token": "x"},
        {"csrf_token": None},
        {"form_token": "x"},
        {"form_token": None},
        {"more": "field"},
    ],
)
def test_whatever_is_not_plain_is_left_to_flask(both: Both, changes: dict[str, Any]) -> None:
    assert both.send(both.at_door, "/newsletter", both.fields(**changes)).status_code == 418
    assert both.rows() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "form=other"},
        {"Cookie": ""},
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data; boundary=x"},
    ],
)
def test_a_post_from_elsewhere_is_left_to_flask(both: Both, headers: dict[str, str]) -> None:
    assert both.send(both.at_door, "/newsletter", both.fields(), **headers).status_code == 418
    assert both.rows() == []


@pytest.mark.parametrize("age", [-5, 0, 1, 24 * 3600 + 5])
def test_a_form_sent_too_soon_or_too_late_is_left_to_flask(both: Both, age: float) -> None:
    fields = both.fields(form_token=both.stamp(age=age))

    assert both.send(both.at_door, "/newsletter", fields).status_code == 418


def test_the_token_of_the_other_language_is_left_to_flask(both: Both) -> None:
    fields = both.fields(form_token=both.stamp("es"))

    assert both.send(both.at_door, "/newsletter", fields).status_code == 418


def test_other_methods_addresses_and_queries_are_left_alone(both: Both) -> None:
    for path in ("/newsletter?x=1", "/newsletter/", "/requests/resources"):
        assert both.send(both.at_door, path, both.fields()).status_code == 418
    assert both.at_door.get("/newsletter").status_code == 418


def test_flask_gets_the_body_the_door_read(both: Both, app: Flask) -> None:
    client = app.test_client()
    client.set_cookie("form", COOKIE, domain="localhost")

    answer = client.post(
        "/newsletter", data=dict(both.fields(email="nonsense")), base_url="http://localhost:8000"
    )

    assert answer.status_code == 422
    assert 'value="nonsense"' in answer.text


def test_over_the_limit_flask_says_so(both: Both) -> None:
    limit = 30
    for _ in range(limit):
        assert both.send(both.at_door, "/newsletter", both.fields()).status_code == 303

    assert both.send(both.at_door, "/newsletter", both.fields()).status_code == 418
    assert len(both.rows()) == limit


addresses = st.one_of(
    st.emails(),
    st.from_regex(r"\A[A-Za-z0-9._+'-]{1,12}@[a-zA-Z0-9.-]{1,20}\.[a-z]{1,6}\Z"),
    st.text(max_size=30),
    st.sampled_from(
        ["a@b.test", "a@localhost", "a@b.local", "a@xn--nxasmq6b.example", "a@1.2.3.4", "a..b@c.example"]
    ),
)


sign_ups = st.tuples(
    addresses,
    st.lists(st.sampled_from(["news", "research", "pharmacy", "x"]), max_size=4),
    st.sampled_from(["en", "es"]),
)
EDGES = ["a" * 64 + "@b", "a" * 65 + "@b", "a@" + "b" * 63, "a@" + "b" * 64, "a@-b"]


# Ten at once: Hypothesis's own work is done for each example.
@settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(sign_ups, min_size=10, max_size=10))
@example([(f"{edge}.example", ["news"], "en") for edge in EDGES])
@example([("a@b.123", ["news"], "en")])
def test_what_the_door_lets_in_the_form_lets_in_as_the_same_row(
    both: Both, app: Flask, batch: list[tuple[str, list[str], str]]
) -> None:
    for email, topics, language in batch:
        app.extensions["throttle"].clear()
        before = both.count()
        answers = {"email": email, "topics": topics, "language": language}
        fields = both.fields(**answers, form_token=both.stamp("en"))
        if both.send(both.at_door, "/newsletter", fields).status_code != 303:
            assert both.count() == before
            continue

        fields = both.fields(**answers, form_token=both.stamp("en"))
        assert both.send(both.at_form, "/newsletter", fields).status_code == 303

        first, second = both.rows(before)
        assert first == second


def test_a_sign_up_that_could_not_be_saved_waits_once_and_is_counted_once(
    both: Both, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries, counted = list[int](), list[str]()
    hit = Throttle.hit
    monkeypatch.setattr(Throttle, "hit", lambda self, name, key: (counted.append(name), hit(self, name, key)))

    def refuse(*_rows: object) -> None:
        tries.append(1)
        raise Unavailable("")

    monkeypatch.setattr(service, "sign_up", refuse)
    fields = both.fields(email="ana@clinic.example", form_token=both.stamp("en"))

    answer = both.send(Client(app.extensions["ready"], use_cookies=False), "/newsletter", fields)

    assert answer.status_code == 503
    assert 'value="ana@clinic.example"' in answer.text
    assert len(tries) == 1
    assert counted.count("signup") == 1
