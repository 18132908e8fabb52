"""The acts of whoever asked: which state allows them, and that nobody else does them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from portal import hours
from portal.clock import now
from portal.db import db, transaction
from portal.desk import acts, perform
from portal.desk.actors import ASKER, PORTAL
from portal.desk.acts import Act
from portal.desk.asking import ASKING_ACTS
from portal.desk.table import ROOM_ACTS
from portal.errors import Conflict, Forbidden, NotFound
from portal.intake import receipts
from portal.intake.models import Status
from portal.people.models import User
from tests.desk.test_acts import put, work
from tests.intake.samples import staff, submit, the_request

GIVEN: dict[str, Any] = {"text": "More.", "reason": "withdrawn"}
MOVES = {
    "add-details": ("new in_progress", "-"),
    "reply": ("waiting", "in_progress"),
    "ask-again": ("answered closed", "in_progress"),
    "withdraw": ("new in_progress waiting", "closed"),
}


@pytest.mark.parametrize("act", ASKING_ACTS, ids=lambda act: act.word)
def test_every_act_keeps_to_the_table_of_moves(app: Flask, act: Act) -> None:
    submit(app)
    grace = staff(app)
    starts, ends = MOVES[act.word]
    for start in Status:
        before = put(app, status=start, owner_id=grace.id, version=1, closed_at=None, heard_at=None)
        assert perform.may(ASKER, act, before) == (start.value in starts.split())
        try:
            with work(app) as request:
                perform.perform(act, request, by=ASKER, at=now(), **GIVEN, form_token=f"{act.word}{start}")
        except Conflict:
            assert start.value not in starts.split()
            assert (the_request(app).status, the_request(app).version) == (start, 1)
            continue
        assert the_request(app).status == (start if ends == "-" else ends)
    assert set(MOVES) == {each.word for each in ASKING_ACTS}


@pytest.mark.parametrize("role", ["desk", "pharmacist", "manager"])
def test_staff_and_the_portal_do_none_of_them_and_whoever_asked_nothing_else(app: Flask, role: str) -> None:
    submit(app)
    by = User(id=1, name="Ada King", roles=frozenset({role}))
    for act in ASKING_ACTS:
        for who in (by, PORTAL):
            with pytest.raises(Forbidden), work(app) as request:
                perform.perform(act, request, by=who, at=now(), **GIVEN, form_token="t")
    for act in ROOM_ACTS:
        assert not perform.is_permitted(ASKER, act, the_request(app))


@pytest.mark.parametrize("act", ASKING_ACTS, ids=lambda act: act.word)
def test_the_staff_face_knows_none_of_them(app: Flask, act: Act) -> None:
    with pytest.raises(NotFound):
        perform.act_of(act.word)


def test_it_was_too_long_ago_to_ask_again(app: Flask) -> None:
    submit(app)
    put(app, status=Status.CLOSED, closed_at=now() - receipts.KEPT_AFTER_CLOSING * 1.01)
    again = next(act for act in ASKING_ACTS if act.word == "ask-again")

    with pytest.raises(Exception, match="This request is now: Closed"), work(app) as request:
        perform.perform(again, request, by=ASKER, at=now(), **GIVEN, form_token="t")


def test_an_answer_takes_the_mark_away(app: Flask) -> None:
    submit(app)
    grace = staff(app)
    put(app, status=Status.IN_PROGRESS, owner_id=grace.id, heard_at=now())
    with app.app_context(), transaction():
        request = perform.get(the_request(app).reference)
        given = {"text": "Yes.", "form_token": "a"}
        perform.perform(
            acts.ANSWER,
            request,
            by=db.session.get_one(User, grace.id),
            at=now(),
            version=request.version,
            **given,
        )

    assert the_request(app).heard_at is None


def test_asked_again_it_is_promised_as_managers_set_it(
    app: Flask, change_settings: Callable[..., None]
) -> None:
    """As every request is, and not as the first version of the portal promised."""
    reference, org = submit(app), app.extensions["settings"].ORG
    change_settings(ORG=replace(org, answer_days=(("consultation", 4),)))
    put(app, status=Status.CLOSED, closed_at=now(), waiting_since=now())

    with work(app) as request:
        again = next(act for act in ASKING_ACTS if act.word == "ask-again")
        perform.perform(again, request, by=ASKER, at=now(), **GIVEN, form_token="t")

    asked = the_request(app, reference)
    assert asked.answer_by == hours.answer_by(now(), 4, org)
    assert asked.waiting_since is None
