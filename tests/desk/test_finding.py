"""What was written about a request is found by its words, by whoever may read it and by nobody else."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from bench.growth import watched
from portal.clock import now
from portal.db import db, transaction
from portal.desk import asking, excerpts, finding, news, perform
from portal.desk import search as queue
from portal.desk.actors import ASKER
from portal.desk.acts import ANSWER, CLOSE, NOTE, SPAM
from portal.desk.asking import ADD, ASK_AGAIN, REPLY, WITHDRAW
from portal.desk.contact import ASK, CALL, FAX_ANSWERED, POSTED
from portal.desk.filters import Filters
from portal.desk.models import AdditionKind
from portal.desk.redaction import REDACT
from portal.desk.undoing import UNDO
from portal.intake import submissions, terms, words
from portal.intake.models import Kind, Request, Status
from portal.intake.words import RequestWord
from portal.people.models import User
from portal.people.rights import SETS
from portal.retention import requests
from tests import world
from tests.conftest import Clock
from tests.desk.test_search import found, put
from tests.intake.samples import staff, submit, submit_resource

WORD = "zonisamide"


@pytest.fixture
def grace(app: Flask) -> User:
    """A pharmacist."""
    return staff(app)


@pytest.fixture
def ada(app: Flask) -> User:
    """Somebody at the desk."""
    return staff(app, "Ada King", "desk")


def seen(app: Flask, by: User, **args: str) -> tuple[list[str], int | None, int]:
    """What a list tells: its rows, how many, and how many of them are over."""
    with app.app_context():
        page = queue.listing(Filters.parse(args), by=by, at=now())
        return [row.request.reference for row in page.rows], page.total, page.over


def do(app: Flask, act: Any, reference: str, by: Any, **given: Any) -> None:
    with app.app_context(), transaction():
        request = db.session.scalars(select(Request).where(Request.reference == reference)).one()
        given = {"form_token": f"{act.word}-{request.id}-{request.version}", **given}
        perform.perform(act, request, by=by, at=now(), version=request.version, **given)


@pytest.mark.parametrize(("roles", "kind"), list(product(SETS, Kind)))
@pytest.mark.parametrize("few", [1000, 0])
def test_who_may_not_read_finds_nothing_and_is_told_no_number(
    app: Flask, roles: frozenset[str], kind: Kind, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole table: each set of roles, each kind, one's own and somebody else's; by rare words and by others."""
    monkeypatch.setattr(terms, "FEW", few)
    with app.app_context(), transaction():
        people = [world.employ(name, " ".join(roles)) for name in ("Ada King", "Bo Lund")]
    by, other = (staff_of(app, one) for one in people)
    send = submit if kind == Kind.CONSULTATION else submit_resource
    typed = "question" if kind == Kind.CONSULTATION else "note"
    asked = [send(app, f"t-{n}", **{typed: f"With {WORD}?"}, npi="1993999998") for n in range(3)]
    mine, hers, nobodys = asked
    put(app, mine, owner_id=by.id, status=Status.CLOSED)
    put(app, hers, owner_id=other.id, status=Status.CLOSED)
    expected = []
    for reference in asked:
        with app.app_context():
            request = db.session.scalars(select(Request).where(Request.reference == reference)).one()
            expected += [reference] if finding.may_read(by, request) else []
    is_desk = roles == {"desk"}
    assert expected == (asked if not is_desk or kind == Kind.RESOURCE else [mine])

    for q in (WORD, "zonis", f"{WORD} with"):
        rows, total, over = seen(app, by, q=q)
        assert sorted(rows) == sorted(expected)
        if few:
            assert (total, over) == (len(expected), len({mine, hers} & set(expected)))
        assert seen(app, by, q=q, status="new")[:2] == ([nobodys], 1) if nobodys in expected else ([], 0)
    with app.app_context():
        assert news.count(Filters(q=WORD), 0, by=by, at=now()) == len(expected)


def staff_of(app: Flask, user: User) -> User:
    with app.app_context():
        user = db.session.merge(user)
        db.session.refresh(user)
        db.session.expunge(user)
    return user


def test_how_much_there_is_of_what_one_may_not_read_changes_nothing(
    app: Flask, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word in very many texts that the desk may not read is as rare to it as one that stands nowhere."""
    monkeypatch.setattr(terms, "FEW", 2)
    for number in range(5):
        submit(app, f"t-{number}", question=f"With {WORD}?")
    order = submit_resource(app, note=f"For {WORD}.")

    assert seen(app, ada, q=WORD) == ([order], 1, 0)
    assert seen(app, ada, q="lamotrigine") == ([], 0, 0)
    with app.app_context():
        word, which = finding.rare([WORD], finding.reads(ada)) or ("", frozenset())
        assert (word, len(which)) == (WORD, 1)
        assert finding.rare([WORD], finding.reads(staff(app))) is None


def test_of_what_is_theirs_alone_the_latest_are_looked_through(
    app: Flask, clock: Clock, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "THEIRS", 2)
    asked = []
    for number in range(3):
        clock.tick(minutes=1)
        asked.append(put(app, submit(app, f"t-{number}", question=f"With {WORD}?"), owner_id=ada.id))

    assert seen(app, ada, q=WORD) == (asked[:0:-1], 2, 0)


@pytest.mark.parametrize(
    "q",
    [
        "Zonisamidé",
        "ZONISAMIDE",
        "zonisam",
        "o'brien's",
        "O’BRIEN’S",
        "obriens",
        "brien",
        "3 mg",
        "4.5",
        "3,5",
    ],
)
def test_words_are_folded_whole_or_begun(
    app: Flask, grace: User, q: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = iter(("LDN-ABCD-EFGH", "LDN-WXYZ-WXYZ"))  # a reference has words too
    monkeypatch.setattr(submissions, "new_reference", lambda: next(codes))
    reference = submit(app, question="O’Brien´s zonisamide: from 3 mg to 4.5 mg, at 3,5 weeks?")
    submit(app, "t-2", question="Something else")

    assert found(app, grace, q=q) == [reference]


def test_a_word_of_who_asked_and_one_of_what_was_asked_go_together(app: Flask, grace: User) -> None:
    reference = submit(app, question=f"With {WORD}?", name="Li Wu")
    submit(app, "t-2", question=f"With {WORD}?")

    assert found(app, grace, q=f"wu {WORD}") == [reference]
    assert found(app, grace, q=f"park {WORD}") == []
    assert found(app, grace, q=f"wu {WORD}", status="open") == [reference]


@pytest.mark.parametrize("by_mail", [True, False])
def test_each_text_is_found_by_its_words(app: Flask, grace: User, ada: User, by_mail: bool) -> None:
    reference = submit(app)
    put(app, reference, owner_id=grace.id, status=Status.IN_PROGRESS)
    more = {"by_mail": by_mail, "patient_data": ()}
    steps: list[tuple[Any, Any, dict[str, Any], str]] = [
        (NOTE, ada, {"text": "Noted alprazolam."}, "alprazolam"),
        (ADD, ASKER, {"text": "More: bupropion.", **more}, "bupropion"),
        (
            CALL,
            ada,
            {"reason": "left_message", "number": "415 555 7788", "text": "Told carbamazepine."},
            "carbama",
        ),
        (ASK, grace, {"text": "Is diazepam taken?"}, "diazepam"),
        (REPLY, ASKER, {"text": "No, estazolam.", **more}, "estazolam"),
        (ANSWER, grace, {"text": "Without fluoxetine."}, "fluoxetine"),
        (ASK_AGAIN, ASKER, {"text": "And gabapentin?", **more}, "gabapentin"),
        (FAX_ANSWERED, grace, {"text": "Faxed haloperidol.", "number": "415 555 9900"}, "haloperidol"),
    ]
    for act, by, given, word in steps:
        assert found(app, grace, q=word) == [], word
        do(app, act, reference, by, **given)
        assert found(app, grace, q=word) == [reference], word
        assert found(app, ada, q=word) == [], word
    assert found(app, grace, q="(415) 555-7788") == [reference]
    assert found(app, grace, q=" ".join(word for *_, word in steps)) == [reference]
    with app.app_context():
        request = db.session.scalars(select(Request)).one()
        where = {word: excerpts.of([request], word, grace)[request.id].where for *_, word in steps}
        assert list(where.values()) == [
            *("Internal note", "They added", "Call", "Answer", "They added", "Answer"),
            *("They asked again", "Fax"),
        ]
        assert excerpts.of([request], "gabapentin", ada) == {}


def test_what_was_taken_back_is_found_no_more(
    app: Flask, clock: Clock, grace: User, change_settings: Any
) -> None:
    change_settings(UNDO_SECONDS=30)
    reference = submit(app)
    put(app, reference, owner_id=grace.id, status=Status.IN_PROGRESS)
    do(app, NOTE, reference, grace, text="First phenytoin.")
    do(app, ANSWER, reference, grace, text=f"Without {WORD}.")
    assert found(app, grace, q=WORD) == [reference]

    do(app, UNDO, reference, grace)

    assert found(app, grace, q=WORD) == []
    assert found(app, grace, q="phenytoin") == found(app, grace, q="levothyroxine") == [reference]


def test_what_was_taken_out_or_erased_is_found_no_more(app: Flask, grace: User) -> None:
    taken, erased = (submit(app, f"t-{n}", question=f"With {WORD} and sertraline?") for n in range(2))
    do(app, NOTE, taken, grace, text=f"About {WORD}, and topiramate.")
    do(app, NOTE, erased, grace, text="Also venlafaxine.")

    do(app, REDACT, taken, grace, words=WORD, reason="patients_name")
    assert found(app, grace, q=WORD) == [erased]
    assert found(app, grace, q="topiramate sertraline") == [taken]

    with app.app_context(), transaction():
        mine = select(Request.id).where(Request.reference == erased)
        requests.blank([db.session.scalars(mine).one()])  # by age, by erasure, of spam: one way
        finding.index_anew(perform.get(erased))
    assert found(app, grace, q=WORD) == found(app, grace, q="venlafaxine") == []
    assert found(app, grace, q="sertraline") == [taken]
    with app.app_context():
        assert len(db.session.scalars(select(RequestWord.request_id).distinct()).all()) == 1


def test_a_reply_of_a_machine_is_found_too(app: Flask, grace: User) -> None:
    reference = submit(app)
    with app.app_context(), transaction():
        request = db.session.scalars(select(Request)).one()
        given = {"text": "Back on Monday; ask Waldemar.", "form_token": "mail:1", "by_mail": True}
        asking.keep(AdditionKind.AWAY, request, now(), given)

    assert found(app, grace, q="waldemar") == [reference]


def test_withdrawn_closed_and_spam_are_found_as_names_are(app: Flask, grace: User) -> None:
    withdrawn, closed, spam = (submit(app, f"t-{n}", question=f"With {WORD}?") for n in range(3))
    do(app, WITHDRAW, withdrawn, ASKER, reason="withdrawn")
    put(app, closed, owner_id=grace.id, status=Status.ANSWERED, answered_at=now())
    do(app, CLOSE, closed, grace, reason="answered")
    do(app, SPAM, spam, grace, reason="robot")

    assert sorted(found(app, grace, q=WORD)) == sorted([withdrawn, closed, spam])
    assert found(app, grace, q=WORD, status="spam") == [spam]
    assert found(app, grace, q=WORD, status="open") == []


def test_where_materials_go_and_what_was_posted_are_words_too(app: Flask, ada: User) -> None:
    reference = submit_resource(app)
    put(app, reference, owner_id=ada.id, status=Status.IN_PROGRESS)
    do(app, POSTED, reference, ada)

    assert found(app, ada, q="reno hill copies") == [reference]


def test_one_text_has_so_many_words_and_no_more(app: Flask, grace: User) -> None:
    reference = submit(app, question=" ".join(f"word{number:04}" for number in range(words.MOST + 50)))

    assert found(app, grace, q=f"word{words.MOST - 1:04}") == [reference]
    assert found(app, grace, q=f"word{words.MOST:04}") == []
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(RequestWord)) == words.MOST


def test_an_excerpt_says_where_and_little_more(app: Flask, grace: User, ada: User) -> None:
    text = f"One two three four five six with Zonisámide’s dose, seven eight nine ten eleven twelve thirteen {WORD}"
    plain, suspect = (
        submit(app, question=text),
        submit(app, "t-2", question=text, patient_data=["birth_date"]),
    )
    with app.app_context():
        rows = {one.reference: one for one in db.session.scalars(select(Request))}
        told = excerpts.of(rows.values(), WORD, grace)
        passage = told[rows[plain].id].passage
        assert passage is not None and told[rows[plain].id].where == "Question"
        assert (passage.before, passage.words) == ("… four five six with", "Zonisámide’s")
        assert passage.after == "dose, seven eight nine ten eleven twelve thirteen …"
        assert told[rows[suspect].id] == excerpts.Excerpt("Question", None)
        for q in ("ruiz", "", plain, "ana ruiz valley"):
            assert excerpts.of(rows.values(), q, grace) == {}
        assert excerpts.of(rows.values(), WORD, ada) == {}


@pytest.mark.parametrize("q", ["o'brien", "obriens", "retake", "(415) 555-7788", "4155557788"])
def test_an_excerpt_says_where_words_stand_that_are_typed_in_several_ways(
    app: Flask, grace: User, q: str
) -> None:
    reference = submit(app, question="By O’Brien’s rule: re-take it, and call 415 555 7788?")

    assert found(app, grace, q=q) == [reference]
    with app.app_context():
        request = db.session.scalars(select(Request)).one()
        assert excerpts.of([request], q, grace)[request.id].where == "Question"


def test_a_list_that_nobody_searches_asks_for_no_text(app: Flask, grace: User) -> None:
    submit(app)
    with app.app_context():
        rows = db.session.scalars(select(Request)).all()
        with watched(app) as asked:
            assert excerpts.of(rows, "", grace) == {}

    assert asked.statements == []
