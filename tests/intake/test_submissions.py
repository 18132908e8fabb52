"""A request comes in: one row for one form token, however often and from how many sides it is sent."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal import audit, tokens
from portal.db import db, transaction
from portal.errors import Conflict, NotFound
from portal.intake import kinds, receipts, submissions
from portal.intake.models import Request, Status
from portal.mail.models import Delivery
from tests.intake.samples import (
    CONSULTATION,
    RESOURCE,
    circumstances,
    consultation,
    how_many,
    keys,
    staff,
    submit,
    submit_resource,
    the_request,
)


def test_a_consultation_is_kept_as_it_was_asked(app: Flask, clock: Any) -> None:
    reference = submit(app, patient_data=["birth_date"])

    request = the_request(app)
    assert request.reference == reference
    assert {name: getattr(request, name) for name in consultation()} == consultation()
    assert (request.kind, request.status, request.version) == ("consultation", "new", 1)
    assert request.received_at == request.changed_at == clock.at
    assert request.patient_data == ["birth_date"]
    # Thursday 10 am and one business day.
    assert request.answer_by == clock.at + timedelta(days=1)


def test_materials_are_kept_as_they_were_asked_for(app: Flask, clock: Any) -> None:
    submit_resource(app)

    request = the_request(app)
    assert {name: getattr(request, name) for name in RESOURCE} == RESOURCE
    # Two business days from Thursday end after the holiday on Monday.
    assert request.answer_by == clock.at + timedelta(days=5)


def test_the_database_holds_only_the_hash_of_the_receipt(app: Flask) -> None:
    submit(app)

    request = the_request(app)
    token = receipts.token_of(request, keys(app))
    assert request.receipt_hash == tokens.digest(token)
    assert token not in repr(
        {column.key: getattr(request, column.key) for column in Request.__mapper__.column_attrs}
    )


def test_the_same_form_twice_is_one_request(app: Flask) -> None:
    first = submit(app)
    again = submit(app)

    assert first == again
    assert how_many(app) == 1
    assert how_many(app, Delivery) == 1


def test_the_same_form_with_other_answers_is_refused(app: Flask) -> None:
    submit(app)

    with pytest.raises(Conflict):
        submit(app, question="Something else?")
    assert the_request(app).question == CONSULTATION["question"]


def test_twenty_at_once_are_one_request_with_one_mail(app: Flask) -> None:
    start = Barrier(20)

    def send(_number: int) -> str:
        start.wait()
        return submit(app)

    with ThreadPoolExecutor(20) as pool:
        references = set(pool.map(send, range(20)))

    assert len(references) == 1
    assert how_many(app) == 1
    assert how_many(app, Delivery) == 1


def test_twenty_different_ones_at_once_are_all_kept(app: Flask) -> None:
    start = Barrier(20)

    def send(number: int) -> str:
        start.wait()
        return submit(app, f"token-{number}", npi="1993999998")

    with ThreadPoolExecutor(20) as pool:
        references = set(pool.map(send, range(20)))

    assert len(references) == how_many(app) == 20


def test_a_reference_that_is_taken_is_made_anew(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter(["LDN-2222-2222", "LDN-2222-2222", "LDN-3333-3333"])
    monkeypatch.setattr(submissions, "new_reference", lambda: next(codes))

    assert submit(app, "token-1") == "LDN-2222-2222"
    assert submit(app, "token-2") == "LDN-3333-3333"


@pytest.mark.parametrize("token", ["", "x" * 101, "t\x00", "té", "t\n"])
def test_what_cannot_be_a_token_never_reaches_the_database(app: Flask, token: str) -> None:
    with app.app_context():
        assert submissions.find(token) is None
    with pytest.raises(ValueError, match="token"):
        submit(app, token)


def test_a_second_request_within_a_day_points_to_the_first(app: Flask, clock: Any) -> None:
    submit(app, "token-1")
    first = the_request(app)
    clock.tick(hours=23)

    second = the_request(app, submit(app, "token-2", question="And with food?"))

    assert second.possible_duplicate_of == first.id
    assert second.status == Status.NEW


@pytest.mark.parametrize(("hours", "npi"), [(25, CONSULTATION["npi"]), (1, "1993999998")])
def test_a_later_or_another_prescribers_request_points_nowhere(
    app: Flask, clock: Any, hours: int, npi: str
) -> None:
    submit(app, "token-1")
    clock.tick(hours=hours)

    assert the_request(app, submit(app, "token-2", npi=npi)).possible_duplicate_of is None


def test_materials_and_questions_are_not_each_others_duplicates(app: Flask) -> None:
    submit(app, "token-1")

    assert (
        the_request(app, submit_resource(app, "token-2", npi=CONSULTATION["npi"])).possible_duplicate_of
        is None
    )


def test_many_links_are_a_signal_and_no_reason_to_drop(app: Flask) -> None:
    submit(app, question="http://a.example https://b.example www.c.example")

    request = the_request(app)
    assert (request.status, request.signals) == (Status.NEW, ["links"])


def test_staff_hear_of_a_request(app: Flask, outbox: Callable[[], list[Any]]) -> None:
    staff(app)
    submit(app)

    assert [mail["To"] for mail in outbox()] == [
        "ana@clinic.example",
        "grace.pharmacist@pharmacy.example",
    ]


def test_the_delegate_who_asked_gets_the_mail(app: Flask, outbox: Callable[[], list[Any]]) -> None:
    submit(app, on_behalf=True, delegate_name="Kim Day", delegate_email="kim@clinic.example")

    assert [mail["To"] for mail in outbox()] == ["kim@clinic.example", "ana@clinic.example"]


def test_coming_in_is_in_the_audit_trail_without_a_word_of_it(app: Flask) -> None:
    reference = submit(app)

    with app.app_context():
        (entry,) = audit.trail(f"request:{reference}")
        assert (entry.action, entry.actor_name, entry.detail) == ("request.received", "the portal", "")


def test_an_undone_transaction_leaves_neither_request_nor_mail(app: Flask) -> None:
    def fail() -> None:
        with app.app_context(), transaction():
            submissions.submit(kinds.CONSULTATION, consultation(), **circumstances(app))
            raise RuntimeError("the machine stops here")

    with pytest.raises(RuntimeError):
        fail()

    assert how_many(app) == how_many(app, Delivery) == 0


def test_a_receipt_outlives_a_new_secret_key(app: Flask) -> None:
    submit(app)
    request = the_request(app)
    before = receipts.token_of(request, keys(app))

    assert receipts.token_of(request, ("n" * 32, *keys(app))) == before
    assert receipts.token_of(request, ("n" * 32,)) != before


def test_a_receipt_ends_ninety_days_after_closing(app: Flask, clock: Any) -> None:
    submit(app)
    with app.app_context(), transaction():
        db.session.scalars(select(Request)).one().closed_at = clock.at
    token = receipts.token_of(the_request(app), keys(app))

    with app.app_context():
        assert submissions.get(token, at=clock.at + timedelta(days=89)).closed_at
        with pytest.raises(NotFound):
            submissions.get(token, at=clock.at + timedelta(days=90))
