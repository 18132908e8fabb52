"""Signing texts: what a signature holds, what loses it, and what readers then see."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from flask import Flask

from portal import audit
from portal.clock import now
from portal.db import db, transaction
from portal.errors import Conflict, Forbidden, Refused
from portal.people.models import User
from portal.print.guide import Guide
from portal.ready import ReadyPages
from portal.review import signing
from portal.review.models import TextVerdict, Verdict
from portal.review.shelf import Shelf
from portal.review.signing import Standing
from tests import world
from tests.conftest import Clock
from tests.pages import Page, Visitor

LEGAL = "/legal"


def standing(app: Flask, path: str = LEGAL) -> Standing:
    shelf: Shelf = app.extensions["shelf"]
    return next(one for one in shelf.standings() if one.page.path == path)


def sign_all(app: Flask, by: User) -> None:
    with transaction():
        found = standing(app)
        signing.agree_to_rest(found, signing.mark(found.rest), by=by, at=now())


def test_only_a_pharmacist_signs(context: Flask) -> None:
    with transaction():
        manager = world.employ("Grace", "manager")
    with pytest.raises(Forbidden):
        sign_all(context, manager)
    assert not standing(context).agreed


def test_a_text_is_signed_once_each_of_its_statements_is(
    context: Flask, pharmacist: User, clock: Clock
) -> None:
    shelf: Shelf = context.extensions["shelf"]
    first, *others = standing(context).statements
    with transaction():
        signing.agree(standing(context), [one.digest for one in others], by=pharmacist, at=now())
    assert not standing(context).is_signed
    assert shelf.look().pages[LEGAL].review == "pending"

    clock.at += timedelta(days=3)
    with transaction():
        signing.agree(standing(context), [first.digest], by=pharmacist, at=now())
    page = shelf.look().pages[LEGAL]

    assert (page.review, page.reviewer) == ("signed", "Ada Park")
    assert page.reviewed_on == clock.at.date()
    assert page.next_review_on == (clock.at - timedelta(days=3)).date() + timedelta(days=365)
    assert shelf.look() is shelf.look()  # the same library: nothing is printed anew


def test_a_changed_statement_loses_its_signature_and_is_shown_with_what_was_signed(
    context: Flask, pharmacist: User
) -> None:
    sign_all(context, pharmacist)
    before = standing(context)
    changed = replace(before.statements[2], words="Other words.", digest="f" * 64)
    after = signing._standing(
        before.page,
        (*before.statements[:2], changed, *before.statements[3:]),
        db.session.query(TextVerdict).all(),
    )

    assert before.is_signed and not after.is_signed
    assert after.to_read == (changed,)
    assert [one.words for one in after.changed[changed.digest]] == [before.statements[2].words]
    assert after.rest == ()  # not among what is agreed to at once


def test_nothing_is_signed_that_was_not_shown(context: Flask, pharmacist: User) -> None:
    seen = standing(context)
    with transaction():
        signing.agree(seen, [seen.statements[0].digest], by=pharmacist, at=now())
    with pytest.raises(Conflict), transaction():
        signing.agree_to_rest(standing(context), signing.mark(seen.rest), by=pharmacist, at=now())
    with pytest.raises(Conflict), transaction():
        signing.agree(standing(context), ["0" * 64], by=pharmacist, at=now())

    assert len(standing(context).agreed) == 1


def test_what_is_to_be_changed_is_no_signature_and_can_become_one(context: Flask, pharmacist: User) -> None:
    sign_all(context, pharmacist)
    digest = standing(context).statements[0].digest
    with pytest.raises(Refused), transaction():
        signing.objected(standing(context), digest, Verdict.CHANGE, "", by=pharmacist, at=now())
    with transaction():
        signing.objected(standing(context), digest, Verdict.CHANGE, "Say when.", by=pharmacist, at=now())

    assert [said.note for _, said in standing(context).objections] == ["Say when."]
    assert standing(context).said == "11 of 12 statements signed, 1 to change"
    assert not standing(context).is_signed

    with transaction():
        signing.agree(standing(context), [digest], by=pharmacist, at=now())
    assert standing(context).is_signed


def test_each_press_is_in_the_trail_by_its_keys(context: Flask, pharmacist: User) -> None:
    sign_all(context, pharmacist)
    entries = audit.trail("text:/legal")

    assert [entry.action for entry in entries] == ["text.agreed"]
    assert entries[0].detail.split() == [one.key for one in standing(context).statements]
    assert all(len(entry.detail) <= 500 for entry in entries)


def test_readers_see_the_signature_and_lose_it_with_it(
    context: Flask, shelf: Shelf, pharmacist: User, visitor: Visitor
) -> None:
    def seen() -> Page:
        shelf.signed()
        context.extensions["ready"]._next_look = 0.0
        return visitor.open(LEGAL)

    seen().sees("Not yet signed by the pharmacist-in-charge.")
    sign_all(context, pharmacist)
    seen().sees("by Ada Park.").lacks("Not yet signed")

    with transaction():
        found = standing(context)
        digest = found.statements[0].digest
        signing.objected(found, digest, Verdict.REMOVE, "", by=pharmacist, at=now())
    seen().sees("Not yet signed by the pharmacist-in-charge.").lacks("Ada Park")


def test_who_signed_stands_while_the_database_is_away(
    context: Flask, pharmacist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf: Shelf = context.extensions["shelf"]
    sign_all(context, pharmacist)
    stamp, shown = shelf.stamp(), shelf.look()
    with monkeypatch.context() as away:
        away.setattr(db.session, "scalars", lambda *_: db.session.execute(db.text("SELECT nothing")))
        assert shelf.look() is shown
    assert shelf.stamp() != stamp  # it is tried again

    assert isinstance(shelf.look().pages[LEGAL].reviewed_on, date)


def test_a_verdict_that_a_colleague_gave_meanwhile_is_written_over_and_not_beside(
    context: Flask, pharmacist: User
) -> None:
    seen = standing(context)
    digest = seen.statements[0].digest
    with transaction():
        signing.objected(seen, digest, Verdict.REMOVE, "", by=pharmacist, at=now())
    with transaction():
        signing.agree(seen, [digest], by=pharmacist, at=now())  # read before that

    assert [said.verdict for _, said in standing(context).agreed] == ["agree"]
    assert not standing(context).objections


def test_a_server_that_starts_shows_what_is_signed_from_its_first_answer(
    context: Flask, pharmacist: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_all(context, pharmacist)
    monkeypatch.setattr(Guide, "prepare", lambda self, library: None)

    monkeypatch.setattr(ReadyPages, "keep_looking", lambda self, first: None)  # a thread that ends with us
    context.extensions["front"].__rsgi_init__(None)

    assert context.extensions["library"].pages[LEGAL].review == "signed"


def test_a_translation_is_signed_for_the_translator_who_is_named(context: Flask, pharmacist: User) -> None:
    path = "/es/aviso-legal"
    shelf: Shelf = context.extensions["shelf"]
    found = standing(context, path)
    with pytest.raises(Refused, match="qualified translator"), transaction():
        signing.agree_to_rest(found, signing.mark(found.rest), by=pharmacist, at=now())
    with transaction():
        signing.agree_to_rest(
            found, signing.mark(found.rest), translator="Luz Reyes", by=pharmacist, at=now()
        )
    page = shelf.look().pages[path]

    assert (page.review, page.reviewer) == ("signed", "Luz Reyes")
    assert standing(context, path).translator == "Luz Reyes"
    assert shelf.look().waits_for_pharmacist(page)  # the English is signed by itself
