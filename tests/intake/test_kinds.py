"""Kinds and facts: no answer is stored that nobody sees, and what contradicts itself stops the start."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from portal.app import create_app
from portal.clock import now
from portal.db import db, transaction
from portal.desk import acts
from portal.desk.perform import get, hand_back, perform
from portal.errors import CodeFaults
from portal.intake import kinds, receipts
from portal.intake.catalogue import CATALOGUE, Material
from portal.intake.kinds import CHECK, KINDS, ROOM_KINDS, STAFF, Fact, Kind
from portal.intake.models import Request
from portal.ops import checks
from portal.people.models import User
from tests.intake.samples import ADDRESS, keys, submit
from tests.pages import Visitor

# An answer to every question of each kind, so that every fact has something to show.
FULL = {
    "consultation": {
        "name": "Ana Ruiz",
        "credential": "NP",
        "npi": "1234567893",
        "practice": "Valley Clinic",
        "state": "CA",
        "email": "ana@clinic.example",
        "phone": "925-555-0142",
        "on_behalf": "y",
        "delegate_name": "Jo Delgado",
        "delegate_email": "jo@clinic.example",
        "topics": ["dosing", "evidence"],
        "question": "How slowly should I raise it?",
        "contact_method": "phone",
        "contact_window": "morning",
        "leave_message": "y",
    },
    "resource": {
        "name": "Lee Park",
        "credential": "MD",
        "npi": "1234567893",
        "practice": "Park Family Medicine",
        "state": "NV",
        "email": "lee@park.example",
        "phone": "925-555-0143",
        "items": ["prescriber-guide", "dose-plan"],
        "delivery": "post",
        "address": "1 Quokka Street, Reno",
        "note": "For our new colleague.",
    },
}


@pytest.fixture
def signed_kinds(app: Flask) -> Iterator[Callable[..., list[str]]]:
    """Sign other kinds in for one test; returns what `create_app` says of them."""

    def sign_in(*some: Kind) -> list[str]:
        found = KINDS.fill(some)
        return found + kinds.faults()

    yield sign_in
    KINDS.fill(ROOM_KINDS)


@pytest.mark.parametrize("kind", ROOM_KINDS, ids=lambda kind: kind.word)
def test_every_fact_is_shown_in_each_place_or_hidden_with_a_reason(
    kind: Kind, app: Flask, visitor: Visitor, signed_in: Callable[..., Visitor]
) -> None:
    page = visitor.open(ADDRESS[kind.word]).set(**FULL[kind.word]).press("Continue")
    check = page.text
    page.press(kind.send, status=303)
    with app.app_context():
        request = db.session.scalars(select(Request)).one()
        row = kinds.export_row(request)
    staff = signed_in("pharmacist").open(f"/staff/requests/{request.reference}").text

    for fact in kind.facts:
        value = getattr(request, fact.field)
        assert value, f"{fact.field} has an answer in this test"
        if CHECK not in fact.hidden:
            assert fact.in_words(value) in check, f"{fact.field} stands on the check page"
        if STAFF not in fact.hidden:
            assert fact.for_staff(value) in staff, f"{fact.field} stands on the staff's page"
        assert row[fact.label] == fact.in_words(value)
        assert all(len(reason) > 10 for reason in fact.hidden.values())


@pytest.mark.parametrize(
    ("kind", "changes", "shown"),
    [
        ("consultation", {"on_behalf": "", "contact_method": "email"}, ("Jo Delgado", "Morning")),
        ("resource", {"delivery": "email"}, ("1 Quokka Street",)),
    ],
)
def test_what_was_answered_without_being_asked_is_shown_too(
    visitor: Visitor,
    app: Flask,
    signed_in: Callable[..., Visitor],
    kind: str,
    changes: dict[str, str],
    shown: Any,
) -> None:
    given = {name: value for name, value in {**FULL[kind], **changes}.items() if value}
    page = visitor.open(ADDRESS[kind]).set(**given).press("Continue").sees(*shown)
    page.press(KINDS.get(kind).send, status=303)  # type: ignore[union-attr]

    with app.app_context():
        reference = db.session.scalars(select(Request.reference)).one()
    signed_in("pharmacist").open(f"/staff/requests/{reference}").sees(*shown)


@pytest.mark.parametrize("kind", ROOM_KINDS, ids=lambda kind: kind.word)
def test_every_field_is_a_fact_and_every_fact_a_field_and_a_column(kind: Kind) -> None:
    facts = {fact.field for fact in kind.facts}

    assert facts == set(kind.form.answer_names())
    assert facts <= set(Request.__table__.columns.keys())
    assert len({fact.label for fact in kind.facts}) == len(kind.facts)


def test_what_contradicts_itself_is_named_each_by_its_own_sentence(
    app: Flask, signed_kinds: Callable[..., list[str]]
) -> None:
    consultation, resource = ROOM_KINDS
    stray = (*consultation.facts, Fact(field="fax", label="Fax"))

    assert signed_kinds(*ROOM_KINDS) == []
    assert signed_kinds(replace(consultation, facts=stray), replace(resource, form=None)) == [  # type: ignore[arg-type]
        "the kind 'consultation': the fact 'fax' names no column",
        "the kind 'consultation': the fact 'fax' is in no form",
        "the kind 'resource' has no form",
    ]
    assert signed_kinds(replace(resource, facts=resource.facts[1:])) == [
        "the kind 'resource': the form's field 'items' is no fact"
    ]
    assert "two entries of kinds of request are called resource" in signed_kinds(resource, resource)


def test_a_fault_of_the_code_stops_the_start(
    app: Flask, monkeypatch: pytest.MonkeyPatch, signed_kinds: Callable[..., list[str]]
) -> None:
    monkeypatch.setattr("portal.app.ROOM_KINDS", (replace(ROOM_KINDS[0], facts=()),))

    with pytest.raises(CodeFaults) as raised:
        create_app(app.extensions["settings"])

    assert len(raised.value.faults) == len(ROOM_KINDS[0].form.answer_names())


def test_an_item_that_stands_nowhere_stops_the_start(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    poster = Material("poster", "Poster", "For the waiting room", "/patients/poster.pdf")
    monkeypatch.setattr("portal.app.CATALOGUE", (*CATALOGUE, poster))

    with pytest.raises(CodeFaults, match="the catalogue offers poster, which stands nowhere"):
        create_app(app.extensions["settings"])


def test_requests_leave_as_a_table(app: Flask) -> None:
    submit(app, question="=HYPERLINK(A1)")

    done = app.test_cli_runner().invoke(args=["requests", "export"])

    assert done.exit_code == 0, done.output
    [row] = csv.DictReader(io.StringIO(done.stdout))
    assert (row["Name"], row["Kind"], row["Status"]) == ("Ana Ruiz", "Consultation", "new")
    assert row["Question"] == "'=HYPERLINK(A1)", "nobody's spreadsheet runs what a stranger typed"
    assert "Materials" in row, "one table for all kinds"


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="about SQLite: how its checks are set aside")
@pytest.mark.parametrize("values", [{"kind": "callback"}, {"status": "posted"}], ids=str)
def test_a_request_of_a_newer_version_rests_and_is_named(
    app: Flask, signed_in: Callable[..., Visitor], values: dict[str, str]
) -> None:
    """After a roll-back: the list, its page, its receipt and the export go on, and whoever has it can leave."""
    reference, known = submit(app), submit(app, "token-2")
    colleague = signed_in("pharmacist")
    with app.app_context(), transaction():
        owner = db.session.scalars(select(User)).one()
        perform(acts.CLAIM, get(reference), by=owner, at=now())
        db.session.execute(text("PRAGMA ignore_check_constraints = ON"))
        db.session.execute(update(Request).where(Request.reference == reference).values(**values))
        db.session.execute(text("PRAGMA ignore_check_constraints = OFF"))
        receipt = receipts.path_of(receipts.token_of(get(reference), keys(app)))

    colleague.open("/staff/requests?status=all").sees(reference, known, "Not of this version")
    colleague.open(f"/staff/requests/{reference}").sees("Not of this version").lacks("Send answer")
    Visitor(app, colleague.clock).open(receipt).sees(reference)
    assert reference in app.test_cli_runner().invoke(args=["requests", "export"]).stdout
    with app.app_context():
        found = checks.requests()
        assert (found.ok, found.serving, found.detail) == (False, False, f"not of this version: {reference}")
    with app.app_context(), transaction():
        owner = db.session.scalars(select(User)).one()
        owner.active = False
        assert hand_back(owner, frozenset({"pharmacist"}), by=None, at=now()) == ("kind" in values)


def test_every_field_that_is_typed_freely_is_looked_at_for_patient_data(
    visitor: Visitor, signed_kinds: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = {**FULL["resource"], "address": "For my patient Jane Doe, DOB 03/04/1971"}
    typed = tuple(replace(fact, asked=fact.private) for fact in kinds.RESOURCE.facts)
    monkeypatch.setattr(Kind, "typed", property(lambda kind: tuple(f.field for f in typed if f.asked)))

    visitor.open(ADDRESS["resource"]).set(**planted).press("Continue", status=422).sees("a date of birth")


@pytest.mark.parametrize("kind", ROOM_KINDS, ids=lambda kind: kind.word)
def test_a_kind_where_nothing_is_typed_freely_can_be_sent(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    monkeypatch.setattr(Kind, "typed", ())

    page = visitor.open(ADDRESS[kind.word]).set(**FULL[kind.word]).press("Continue")

    page.press(kind.send, status=303)
