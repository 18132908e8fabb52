"""Logs say what happened and never what somebody typed: not on a good day, not on any bad one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, event
from werkzeug.routing import Rule

from portal.db import db
from portal.mail.transport import FileTransport, Rejected
from portal.ops import log
from portal.ops.lines import FACTS, JsonFormatter, PlainFormatter
from tests.conftest import Clock
from tests.house.test_walk import rules
from tests.pages import Page, Visitor
from tests.staff.conftest import Colleague, ask, signed_in  # noqa: F401 - fixtures

WORD = "quokka"  # stands in all that anybody types here
PHONE, NPI = "925-555-0177", "1993999998"
TYPED = (WORD, "5550177", "555-0177", NPI)
PERSON = {
    "name": "Quokka Ruiz",
    "credential": "quokka",
    "npi": NPI,
    "practice": "Quokka Clinic",
    "state": "CA",
    "email": "quokka@quokka.example",
    "phone": PHONE,
}
CONSULTATION = {
    **PERSON,
    "on_behalf": "y",
    "delegate_name": "Kim Quokka",
    "delegate_email": "kim@quokka.example",
    "topics": "dosing",
    "question": "Does my quokka take 1.5 mg?",
    "contact_method": "phone",
    "contact_window": "morning",
}
RESOURCE = {
    **PERSON,
    "items": "prescriber-guide",
    "delivery": "post",
    "address": "1 Quokka Street\nReno, NV 89501",
    "note": "For the quokka.",
}
SIGN_UP = {"email": "quokka@quokka.example"}
FORMS = {
    # address: what is typed, the button, the status when all is well
    "/requests/consultation": (CONSULTATION, "Continue", 200),
    "/requests/resources": (RESOURCE, "Continue", 200),
    "/newsletter": (SIGN_UP, "Sign up", 303),
    "/es/boletin": (SIGN_UP, "Inscribirme", 303),
}
WRONG = {
    "/requests/consultation": {"npi": "quokka", "email": "quokka"},
    "/requests/resources": {"email": "quokka@", "phone": "quokka"},
    "/newsletter": {"email": "quokka"},
    "/es/boletin": {"email": "quokka"},
}

ENDS_THE_SESSION = {"signin.logout"}


class Lines(logging.Handler):
    """Keeps each record as either formatter would write it, and as Python would where neither stands."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.json: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("portal"):
            line = JsonFormatter().format(record)
            self.json.append(json.loads(line))
            self.lines += [line, PlainFormatter().format(record)]
        elif record.levelno >= logging.WARNING:
            self.lines.append(logging.Formatter().format(record))

    def hold(self, *words: str) -> list[str]:
        """The lines with one of these words."""
        return [line for line in self.lines if any(word.lower() in line.lower() for word in words)]

    def about(self, status: int) -> bool:
        """Whether an answer with that status was logged."""
        return any(line.get("status") == status for line in self.json)


@pytest.fixture
def logs(app: Flask) -> Iterator[Lines]:
    """All that any logger says, of ours and of the libraries."""
    handler = Lines()
    loggers = [logging.getLogger(), logging.getLogger("portal")]
    for logger in loggers:
        logger.addHandler(handler)
    yield handler
    for logger in loggers:
        logger.removeHandler(handler)


@pytest.fixture
def manager(signed_in: Callable[..., Colleague], monkeypatch: pytest.MonkeyPatch) -> Colleague:  # noqa: F811
    """Somebody who may open every page of the staff."""
    monkeypatch.setattr("portal.signin.gate.is_fresh", lambda: True)
    return signed_in("manager")


@pytest.fixture
def broken(app: Flask) -> Iterator[Callable[[Exception], None]]:
    """From then on every INSERT and UPDATE of either face fails with this."""
    faults: list[Exception] = []

    def fail(
        _connection: Connection, _cursor: object, statement: str, parameters: object, *_more: object
    ) -> None:
        if faults and statement.split()[0] in ("INSERT", "UPDATE"):
            raise type(faults[0])(f"{faults[0]} {statement} {parameters}")

    engines = []
    for face in (app, app.extensions["staff"]):
        with face.app_context():
            engines.append(db.engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", fail)
    yield faults.append
    for engine in engines:
        event.remove(engine, "before_cursor_execute", fail)


def filled(visitor: Visitor, path: str, **changes: str) -> Page:
    return visitor.open(path).set(**{**FORMS[path][0], **changes})


def send(visitor: Visitor, path: str, **changes: str) -> int:
    """Fill the form in, send it without looking at what comes back."""
    place, sent = filled(visitor, path, **changes).data(FORMS[path][1])
    visitor.clock.tick(5)
    return visitor.post(place, data=sent).status_code


def test_the_canary_would_be_seen(logs: Lines) -> None:
    """The test of this test."""
    logging.getLogger("portal.x").info("a quokka")
    logging.getLogger("library").warning("%s", "quokka")

    assert len(logs.hold(WORD)) == 3


def test_whole_journeys_leave_no_word_behind(
    app: Flask, visitor: Visitor, logs: Lines, outbox: Callable[[], list[Any]]
) -> None:
    answer = filled(visitor, "/requests/consultation").press("Continue", status=200)
    answer = answer.press("Send my question", status=303)
    receipt = answer.address
    order = filled(visitor, "/requests/resources").press("Continue", status=200)
    order.press("Send my request", status=303)
    assert send(visitor, "/newsletter") == 303
    links = " ".join(mail.get_body(("plain",)).get_content() for mail in outbox()).split()
    confirm = next(link for link in links if "/newsletter/confirm/" in link).removeprefix(
        "http://localhost:8000"
    )
    visitor.open(confirm).press("Yes, sign me up", status=303)
    outbox()
    api = {"email": "quokka@quokka.example", "topics": ["news"], "consent_text": "I am a quokka"}
    assert visitor.client.post("/api/newsletter/subscriptions", json=api, base_url="http://localhost:8000")

    assert {line["route"] for line in logs.json if "route" in line} >= {
        "/requests/consultation",
        "/requests/resources",
        "/newsletter/confirm/<token>",
        "/api/newsletter/subscriptions",
    }
    assert logs.hold(*TYPED) == []
    assert logs.hold(receipt.rpartition("/")[2], confirm.rpartition("/")[2]) == []


def test_the_staffs_words_stay_out_too(
    app: Flask,
    manager: Colleague,
    new_visitor: Callable[[], Visitor],
    ask: Callable[..., str],  # noqa: F811
    logs: Lines,
) -> None:
    reference = ask(name="Quokka Ruiz", question="Does my quokka take 1.5 mg?", email="ruiz@quokka.example")
    manager.open("/staff/requests?status=all&q=quokka")
    page = manager.open(f"/staff/requests/{reference}")
    page.fill("Note", "The quokka called.").press("Save note", status=303)
    invited = manager.open("/staff/people/invite").fill("Email", "ada@quokka.example")
    invited.set(name="Ada Quokka", roles="desk").press("Send the link", status=303)
    stranger = new_visitor()
    stranger.open("/staff/login").fill("Email", "ada@quokka.example").fill("Password", "my quokka").press(
        "Sign in", status=422
    )
    stranger.get("/staff/invite/quokka-token")

    assert logs.about(303)
    assert logs.about(422)
    assert logs.hold(*TYPED) == []


@pytest.mark.parametrize("path", FORMS)
def test_nothing_typed_is_logged_when_it_is_refused(
    path: str, app: Flask, visitor: Visitor, logs: Lines
) -> None:
    assert send(visitor, path, **WRONG[path]) == 422
    assert visitor.post(path, data=FORMS[path][0]).status_code == 400
    assert visitor.post(path, data=b"name=quokka%ff", content_type="application/x-www-form-urlencoded")
    assert visitor.post(path, data={"name": "quokka" * 20_000}).status_code == 413
    assert visitor.post(path, data={"x": "quokka"}, headers={"Origin": "https://quokka.example"})

    assert all(logs.about(status) for status in (422, 400, 413, 403))
    assert logs.hold(*TYPED) == []


@pytest.mark.parametrize("path", [path for path in FORMS if not path.startswith("/requests/")])
def test_nothing_typed_is_logged_when_we_are_at_fault(
    path: str, app: Flask, visitor: Visitor, logs: Lines, broken: Callable[[Exception], None]
) -> None:
    broken(RuntimeError("no such thing"))

    assert send(visitor, path) == 500

    [line] = [line for line in logs.json if line["message"] == "unexpected error"]
    assert line["exception"][-1] == "RuntimeError"
    assert any("test_log.py" in place for place in line["exception"])
    assert logs.hold(*TYPED) == []


@pytest.mark.parametrize("path", [path for path in FORMS if not path.startswith("/requests/")])
def test_nothing_typed_is_logged_when_the_storage_is_at_fault(
    path: str, app: Flask, visitor: Visitor, logs: Lines, read_only: Callable[[], None]
) -> None:
    read_only()

    assert send(visitor, path) == 503

    assert logs.about(503)
    assert logs.hold(*TYPED) == []


def test_the_staffs_words_stay_out_when_we_are_at_fault(
    manager: Colleague,
    ask: Callable[..., str],  # noqa: F811
    logs: Lines,
    broken: Callable[[Exception], None],
) -> None:
    page = manager.open(f"/staff/requests/{ask()}").fill("Note", "The quokka called.")
    place, sent = page.data("Save note")
    broken(ValueError("no such thing"))

    assert manager.post(place, data=sent).status_code == 500

    assert logs.hold(*TYPED) == []


def built(rule: Rule) -> str:
    """The rule's address with the word in each hole that takes words."""
    place = rule.rule
    for name, converter in rule._converters.items():
        hole = "7" if type(converter).__name__ == "IntegerConverter" else f"{WORD}-{name}"
        for spelling in (f"<{name}>", f"<int:{name}>", f"<path:{name}>", f"<string:{name}>"):
            place = place.replace(spelling, hole)
    return place


def test_every_address_keeps_what_a_stranger_sends_out_of_the_logs(
    app: Flask, staff_app: Flask, visitor: Visitor, manager: Colleague, logs: Lines
) -> None:
    """In the path, the query, the body and the headers; of every rule of both faces; by a stranger and by staff."""
    headers = {"User-Agent": "quokka/1.0", "Referer": "http://localhost:8000/quokka", "X-Quokka": "quokka"}
    who = {app: (visitor,), staff_app: (visitor, manager)}
    for face, visitors in who.items():
        for rule in rules(face):
            for each in visitors:
                app.extensions["throttle"].clear()
                place = f"{built(rule)}?q=quokka&next=/quokka"
                if "GET" in rule.methods:
                    each.get(place, headers=headers)
                if "POST" in rule.methods and rule.endpoint not in ENDS_THE_SESSION:
                    each.post(
                        place, data={"email": "quokka@quokka.example", "name": "quokka"}, headers=headers
                    )

    assert len(logs.json) > 100
    assert logs.hold(*TYPED) == []


def test_the_worker_says_which_mail_and_not_to_whom(
    app: Flask,
    visitor: Visitor,
    logs: Lines,
    work: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_args: object, **_order: object) -> None:
        raise Rejected("refused with 550") from Exception("550 <quokka@quokka.example> unknown")

    check = filled(visitor, "/requests/resources").press("Continue", status=200)
    check.press("Send my request", status=303)
    monkeypatch.setattr(FileTransport, "send", refuse)
    work()

    given_up = [line for line in logs.json if line["message"] == "mail given up"]
    assert given_up
    assert {line["reason"] for line in given_up} == {"refused with 550"}
    assert all(isinstance(line["delivery"], int) for line in given_up)
    assert logs.hold(*TYPED) == []


def test_a_sign_up_that_cannot_be_answered_is_named_by_its_number(
    app: Flask, visitor: Visitor, logs: Lines, work: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(signup: Any, *_args: object) -> None:
        raise LookupError(signup.address)

    assert send(visitor, "/newsletter") == 303
    monkeypatch.setattr("portal.newsletter.service._answer", fail)
    work()

    [line] = [line for line in logs.json if "signup" in line]
    assert line["reason"] == "LookupError"
    assert logs.hold(*TYPED) == []


# ---- The two formats


def record(message: str, *args: object, name: str = "portal.x", **facts: object) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, "file.py", 1, message, args, None)
    vars(made).update(facts)
    return made


def test_a_line_for_a_machine_is_one_json_object_of_named_facts() -> None:
    line = JsonFormatter().format(
        record("done\nwith %s", "é", status=200, name_typed="quokka", form="quokka")
    )

    assert "\n" not in line
    assert line.isascii()
    found = json.loads(line)
    assert set(found) == {"time", "level", "logger", "message", "status"}
    assert found["message"] == "done\nwith é"
    assert set(found) - {"time", "level", "logger", "message"} <= set(FACTS)


def test_an_exception_is_named_by_its_kind_and_place() -> None:
    try:
        raise KeyError("quokka")
    except KeyError as error:
        made = record("failed")
        made.exc_info = (type(error), error, error.__traceback__)

    for formatter in (JsonFormatter(), PlainFormatter()):
        line = formatter.format(made)
        assert "KeyError" in line
        assert "test_log.py" in line
        assert WORD not in line


def test_production_writes_json_and_development_plain_lines(app: Flask) -> None:
    root = logging.getLogger("portal")
    kept = [handler.formatter for handler in root.handlers]
    try:
        for env, kind in (("production", JsonFormatter), ("development", PlainFormatter)):
            other = Flask("portal.other")
            other.extensions["settings"] = SimpleNamespace(is_production=env == "production")
            log.set_up(other)
            assert {type(handler.formatter) for handler in root.handlers} == {kind}
    finally:
        for handler, formatter in zip(root.handlers, kept, strict=True):
            handler.setFormatter(formatter)


def test_a_request_is_one_line(visitor: Visitor, logs: Lines, clock: Clock) -> None:
    visitor.get("/requests/consultation?name=quokka")

    [line] = logs.json
    assert (line["method"], line["route"], line["status"]) == ("GET", "/requests/consultation", 200)
    assert line["request"]
    assert 0 <= line["ms"] < 60_000
    assert logs.hold(WORD) == []
