"""Subscribers as staff see and help them (N42, N45, N48)."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.newsletter import bounces, subscriptions
from portal.newsletter.models import State, Topic
from tests.newsletter.people import ADDRESS, make_subscriber, sign_up
from tests.pages import Visitor
from tests.staff.conftest import Colleague

SignedIn = Callable[..., Colleague]
LIST = "/staff/subscribers"


def state_of(app: Flask, address: str = ADDRESS) -> State | None:
    with app.app_context():
        found = subscriptions.find(address)
        return found.state if found else None


def actions(app: Flask) -> list[str]:
    with app.app_context():
        return list(
            db.session.scalars(select(AuditEntry.action).where(AuditEntry.action.contains("subscriber")))
        )


def test_whole_addresses_for_all_parts_for_managers(app: Flask, signed_in: SignedIn) -> None:
    make_subscriber(app)
    make_subscriber(app, State.UNSUBSCRIBED, address="ben@mail.example", topics=[Topic.RESEARCH])
    desk, manager = signed_in("desk"), signed_in("manager")

    desk.open(f"{LIST}?q=mail.example").lacks("Anna@mail.example").sees("Nobody matches")
    desk.open(f"{LIST}?q=anna@MAIL.example").sees("Anna@mail.example").lacks("Export")
    manager.open(f"{LIST}?q=mail.example").sees("Anna@mail.example", "ben@mail.example")
    manager.open(f"{LIST}?state=unsubscribed").sees("ben@mail.example").lacks("Anna@mail.example")
    manager.open(f"{LIST}?topic=research").sees("ben@mail.example").lacks("Anna@mail.example")
    manager.open(f"{LIST}?language=es").sees("Nobody matches")


def test_long_lists_are_cut_by_key(app: Flask, signed_in: SignedIn) -> None:
    for n in range(60):
        make_subscriber(app, address=f"p{n}@mail.example")
    page = signed_in("manager").open(LIST)

    page.sees("p59@mail.example").lacks("p9@mail.example")
    further = page.soup.find("a", rel="next")["href"]
    signed_in("manager").open(further).sees("p9@mail.example").lacks("p59@mail.example")


def test_one_person_is_shown_with_the_evidence_and_looking_is_recorded(
    app: Flask, signed_in: SignedIn, visitor: Visitor, outbox: Callable[[], object]
) -> None:
    sign_up(visitor)
    mail = outbox()[-1]  # type: ignore[index]
    link = next(word for word in mail.get_body(("plain",)).get_content().split() if "/confirm/" in word)
    visitor.open(link.removeprefix("http://localhost:8000")).press("Yes, sign me up", status=303)
    outbox()

    page = signed_in("desk").open(f"{LIST}/1")
    page.sees("Asked for it", "By pressing “Sign up”", "newsletter-1-en", "welcome")
    page.lacks("Erase them")
    assert actions(app) == ["subscriber.opened"]


def test_staff_stop_and_put_back_with_a_reason(app: Flask, signed_in: SignedIn) -> None:
    make_subscriber(app, State.BOUNCED)
    desk = signed_in("desk")
    page = desk.open(f"{LIST}/1").press("Put them back on the list", status=422)
    page.set(reason="server").press("Put them back on the list", status=303).sees("the score begins anew")
    assert state_of(app) == State.ACTIVE
    desk.open(f"{LIST}/1").press("Stop all mail to them", status=303).sees("They get no more mail.")
    assert state_of(app) == State.UNSUBSCRIBED
    desk.open(f"{LIST}/1").lacks("Stop all mail to them", "Put them back")


def test_only_a_manager_erases_and_it_stays_so(app: Flask, signed_in: SignedIn) -> None:
    make_subscriber(app)
    assert signed_in("pharmacist").get(f"{LIST}/1/erase").status_code == 403
    page = signed_in("manager").open(f"{LIST}/1/erase").press("Erase them", status=303)

    page.lacks("Anna@mail.example")
    assert state_of(app) is None
    assert "subscriber.erased" in actions(app)


def test_who_did_not_press_the_button_is_mailed_once_more(
    app: Flask, signed_in: SignedIn, visitor: Visitor, outbox: Callable[[], list[object]], clock: object
) -> None:
    sign_up(visitor)
    outbox()
    desk = signed_in("desk")
    early = desk.open(f"{LIST}?q={ADDRESS}").sees("did not press the button")
    early.press("Mail the button once more", status=409)
    clock.tick(minutes=20)  # type: ignore[attr-defined]
    desk.open(f"{LIST}?q={ADDRESS}").press("Mail the button once more", status=303)

    assert len(outbox()) == 2


@pytest.mark.parametrize("address", ["/import", "/export"])
def test_files_are_for_managers(signed_in: SignedIn, address: str) -> None:
    assert signed_in("pharmacist").post(f"{LIST}{address}").status_code in (400, 403)


def test_a_file_is_tried_and_then_taken_in(app: Flask, signed_in: SignedIn) -> None:
    make_subscriber(app)
    manager = signed_in("manager")
    page = manager.open(f"{LIST}/import")
    fields = {
        **{one["name"]: one["value"] for one in page.soup.select("form input[type=hidden]")},
        "words": "Yes.", "source": "our counter", "reason": "paper", "topics": "news", "language": "en",
    }  # fmt: skip

    def send(do: str, content: bytes = b"email\nAnna@mail.example\nnew@mail.example\n") -> str:
        data = {**fields, "do": do, "file": (io.BytesIO(content), "list.csv")}
        return manager.post(f"{LIST}/import", data=data, content_type="multipart/form-data").text

    tried = send("try")
    assert "Nothing was changed yet" in tried
    assert "1: gets a confirmation mail" in tried
    assert "on the list already" in tried
    assert "Taken in" in send("do")
    assert "of requests or patients" in send("try", b"npi,email\n1,a@b.example\n")
    assert "UTF-8" in send("try", "email\nx@y.example\n".encode("utf-16"))


def test_the_export_is_recorded_and_holds_no_formula(app: Flask, signed_in: SignedIn) -> None:
    make_subscriber(app, address="+1@mail.example")
    page = signed_in("manager").open(LIST)
    answer = page.press("Export these as CSV").response

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "'+1@mail.example,active,en,news," in answer.text
    with app.app_context():
        assert "newsletter.exported" in db.session.scalars(select(AuditEntry.action)).all()


def test_a_score_is_shown(app: Flask, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    make_subscriber(app)
    monkeypatch.setattr(bounces, "score_of", lambda _one, _at: 0.34)

    signed_in("desk").open(f"{LIST}/1").sees("0.34 of 1")
    with app.app_context(), transaction():
        assert bounces.weight("hard", "") == 1.0
        assert now()
