"""What staff do with a request: one verb for each act, its guards, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import product
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from portal import audit
from portal.clock import now
from portal.db import db, transaction
from portal.desk import acts as desk
from portal.desk.acts import Act
from portal.errors import Conflict, NotFound, PortalError, Refused
from portal.intake.models import ALLOWED, Kind, Message, Request, Status
from portal.mail.models import Delivery
from portal.people.models import User
from tests.intake.samples import how_many, staff, submit, submit_resource, the_request

ROLES = ("desk", "pharmacist", "manager")


@pytest.fixture
def reference(app: Flask) -> str:
    """A new consultation."""
    return submit(app)


@pytest.fixture
def grace(app: Flask) -> User:
    """A pharmacist."""
    return staff(app)


@pytest.fixture
def ada(app: Flask) -> User:
    """Somebody at the desk."""
    return staff(app, "Ada King", "desk")


@contextmanager
def work(app: Flask) -> Iterator[Request]:
    """The one request, in a transaction."""
    with app.app_context(), transaction():
        yield db.session.scalars(db.select(Request)).one()


def claim(app: Flask, reference: str, by: User) -> None:
    with app.app_context(), transaction():
        desk.claim(reference, by=by, at=now())


def put(app: Flask, **values: Any) -> Request:
    """Set columns of the one request."""
    with app.app_context(), transaction():
        db.session.execute(update(Request).values(**values))
    return the_request(app)


def actions(app: Flask) -> list[str]:
    with app.app_context():
        return [entry.action for entry in audit.trail(the_request(app).subject)]


def answer(app: Flask, by: User, **changes: Any) -> int:
    """Answer the one request as it stands; the answer's id."""
    with work(app) as request:
        given = {"text": "Yes.", "form_token": "a-1", "close": False, "version": request.version, **changes}
        message = desk.answer(request, by=by, at=now(), **given)
        db.session.flush()
        return message.id


# ---- finding


@pytest.mark.parametrize(
    "spell", [str, str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "]
)
def test_a_reference_is_found_however_it_is_spelled(
    app: Flask, grace: User, reference: str, spell: Callable[[str], str]
) -> None:
    with app.app_context():
        assert desk.get(spell(reference), by=grace, at=now()).reference == reference


@pytest.mark.parametrize("typed", ["", "LDN-2222-2222", "nonsense", "\x00", "x" * 9999])
def test_what_is_not_there_is_not_found(app: Flask, grace: User, reference: str, typed: str) -> None:
    with app.app_context(), pytest.raises(NotFound):
        desk.get(typed, by=grace, at=now())


def test_an_opening_leaves_a_trace(app: Flask, grace: User, reference: str) -> None:
    with work(app) as request:
        desk.opened(request, by=grace, at=now())

    with app.app_context():
        entry = audit.trail(f"request:{reference}")[-1]
        assert (entry.action, entry.actor_name) == ("request.opened", "Grace Hall")


# ---- claiming


def test_of_twenty_claims_at_once_exactly_one_wins(app: Flask, reference: str) -> None:
    people = [staff(app, f"Person{number} X", ROLES[number % 3]) for number in range(20)]
    start = Barrier(20)

    def try_it(by: User) -> str:
        start.wait()
        try:
            claim(app, reference, by)
        except Conflict as error:
            return error.message
        return "won"

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(try_it, people))

    assert answers.count("won") == 1
    winner = people[answers.index("won")]
    assert set(answers) == {"won", f"{winner.name} has this request."}
    request = the_request(app)
    assert (request.owner_id, request.status, request.version) == (winner.id, Status.IN_PROGRESS, 2)
    assert actions(app) == ["request.received", "request.claimed"]


def test_claiming_ones_own_again_changes_nothing(app: Flask, grace: User, reference: str) -> None:
    claim(app, reference, grace)
    claim(app, reference, grace)

    assert the_request(app).version == 2
    assert actions(app) == ["request.received", "request.claimed"]


def test_a_closed_request_cannot_be_claimed(app: Flask, grace: User, reference: str) -> None:
    put(app, status=Status.CLOSED)

    with pytest.raises(Conflict, match="This request is now: Closed"):
        claim(app, reference, grace)


def test_a_released_request_is_for_anybody(app: Flask, grace: User, ada: User, reference: str) -> None:
    claim(app, reference, grace)
    with work(app) as request:
        desk.release(request, by=grace, at=now(), version=2)

    assert (the_request(app).status, the_request(app).owner_id) == (Status.NEW, None)
    claim(app, reference, ada)
    assert actions(app)[1:] == ["request.claimed", "request.released", "request.claimed"]


def test_only_its_owner_releases_a_request(app: Flask, grace: User, ada: User, reference: str) -> None:
    claim(app, reference, ada)

    with pytest.raises(Refused), work(app) as request:
        desk.release(request, by=grace, at=now(), version=2)


def test_a_pharmacist_takes_over(app: Flask, grace: User, ada: User, reference: str) -> None:
    claim(app, reference, ada)
    with work(app) as request:
        desk.take_over(request, by=grace, at=now(), version=2)

    assert the_request(app).owner_id == grace.id
    with pytest.raises(Refused), work(app) as request:
        desk.take_over(request, by=ada, at=now(), version=3)


# ---- writing


def test_a_note_stays_inside(app: Flask, ada: User, reference: str) -> None:
    mails = how_many(app, Delivery)
    with work(app) as request:
        desk.add_note(request, text="Ask Grace about canary-word.", form_token="n-1", by=ada, at=now())

    assert how_many(app, Delivery) == mails
    with app.app_context():
        (message,) = desk.messages(the_request(app))
        assert (message.kind, message.author_name, message.text) == (
            "note",
            "Ada King",
            "Ask Grace about canary-word.",
        )
        assert "canary-word" not in repr([entry.detail for entry in audit.trail(f"request:{reference}")])


def test_the_same_note_twice_is_one(app: Flask, ada: User, reference: str) -> None:
    start = Barrier(8)

    def write(_number: int) -> None:
        start.wait()
        with work(app) as request:
            desk.add_note(request, text="Once.", form_token="n-1", by=ada, at=now())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    assert how_many(app, Message) == 1
    assert actions(app) == ["request.received", "request.noted"]


def test_whoever_answers_sees_a_new_note_first(app: Flask, grace: User, ada: User, reference: str) -> None:
    claim(app, reference, grace)
    with work(app) as request:
        desk.add_note(request, text="Wait!", form_token="n-1", by=ada, at=now())

    with pytest.raises(Conflict):
        answer(app, grace, version=2)
    assert how_many(app, Message) == 1


def test_an_answer_is_promised_with_its_mail(app: Flask, clock: Any, grace: User, reference: str) -> None:
    claim(app, reference, grace)
    mails = how_many(app, Delivery)
    clock.tick(60)

    answer(app, grace)

    request = the_request(app)
    assert (request.status, request.answered_at, request.closed_at) == (Status.ANSWERED, clock.at, None)
    assert how_many(app, Delivery) == mails + 1
    assert actions(app)[-1] == "request.answered"


def test_an_answer_can_close_too(app: Flask, grace: User, reference: str) -> None:
    claim(app, reference, grace)

    answer(app, grace, close=True)

    request = the_request(app)
    assert request.status == Status.CLOSED
    assert request.closed_at == request.answered_at is not None
    assert actions(app)[-2:] == ["request.answered", "request.closed"]


def test_the_same_answer_twice_is_one_mail(app: Flask, grace: User, reference: str) -> None:
    claim(app, reference, grace)
    mails = how_many(app, Delivery)
    start = Barrier(8)

    def write(_number: int) -> int:
        start.wait()
        return answer(app, grace, version=2)

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(write, range(8)))

    assert len(ids) == how_many(app, Message) == 1
    assert how_many(app, Delivery) == mails + 1


def test_only_a_pharmacist_answers_a_consultation(app: Flask, ada: User, reference: str) -> None:
    boss = staff(app, "Mary Boss", "manager")
    for by in (ada, boss):
        put(app, status=Status.IN_PROGRESS, owner_id=by.id)
        with pytest.raises(Refused, match="Your role does not allow this"):
            answer(app, by)


def test_the_desk_answers_a_request_for_materials(app: Flask, ada: User) -> None:
    claim(app, submit_resource(app), ada)

    answer(app, ada, close=True)

    assert the_request(app).status == Status.CLOSED


def test_an_answer_needs_an_owner_and_words(app: Flask, grace: User, reference: str) -> None:
    with pytest.raises(Refused, match="Claim this request"):
        answer(app, grace)
    claim(app, reference, grace)
    with pytest.raises(Refused, match="Write the answer") as caught:
        answer(app, grace, text="")

    assert caught.value.field == "text"
    assert how_many(app, Message) == 0


# ---- ending


def test_closing_is_written_to_the_audit_with_a_word_from_the_list(
    app: Flask, grace: User, reference: str
) -> None:
    claim(app, reference, grace)
    with work(app) as request:
        desk.close(request, reason="no_reply", by=grace, at=now(), version=2)

    with app.app_context():
        assert audit.trail(f"request:{reference}")[-1].detail == "no_reply"
    assert the_request(app).closed_at is not None


@pytest.mark.parametrize("reason", ["", "because Ana Ruiz said so", "\x00"])
def test_a_reason_is_a_word_of_the_list(app: Flask, grace: User, reference: str, reason: str) -> None:
    claim(app, reference, grace)

    for verb in (desk.close, desk.mark_spam):
        with pytest.raises(Refused) as caught, work(app) as request:
            verb(request, reason=reason, by=grace, at=now(), version=2)
        assert caught.value.field == "reason"


def test_a_closed_request_can_be_taken_up_again_for_ninety_days(
    app: Flask, clock: Any, grace: User, reference: str
) -> None:
    claim(app, reference, grace)
    answer(app, grace, close=True)
    closed = the_request(app)
    clock.tick(days=91)

    with pytest.raises(Refused, match="more than 90 days"), work(app) as request:
        desk.reopen(request, reason="follow_up", by=grace, at=now(), version=closed.version)
    clock.tick(days=-2)
    with work(app) as request:
        desk.reopen(request, reason="follow_up", by=grace, at=now(), version=closed.version)

    request = the_request(app)
    assert (request.status, request.owner_id, request.closed_at) == (Status.IN_PROGRESS, grace.id, None)


def test_spam_can_come_back(app: Flask, ada: User, reference: str) -> None:
    with work(app) as request:
        desk.mark_spam(request, reason="robot", by=ada, at=now(), version=1)
    assert (the_request(app).status, the_request(app).owner_id) == (Status.SPAM, None)
    assert the_request(app).closed_at is not None

    with work(app) as request:
        desk.not_spam(request, by=ada, at=now(), version=2)

    assert (the_request(app).status, the_request(app).closed_at) == (Status.NEW, None)
    assert actions(app)[1:] == ["request.marked_spam", "request.marked_not_spam"]


# ---- what holds for every verb

VERBS: dict[Act, tuple[Status, Callable[[Request, dict[str, Any], Flask], object]]] = {
    Act.TAKE_OVER: (Status.IN_PROGRESS, lambda request, who, app: desk.take_over(request, **who)),
    Act.RELEASE: (Status.NEW, lambda request, who, app: desk.release(request, **who)),
    Act.ANSWER: (
        Status.ANSWERED,
        lambda request, who, app: desk.answer(
            request, text="Yes.", form_token="a", close=False, **who
        ),
    ),
    Act.CLOSE: (Status.CLOSED, lambda request, who, app: desk.close(request, reason="withdrawn", **who)),
    Act.REOPEN: (Status.IN_PROGRESS, lambda request, who, app: desk.reopen(request, reason="by_mistake", **who)),
    Act.SPAM: (Status.SPAM, lambda request, who, app: desk.mark_spam(request, reason="robot", **who)),
    Act.NOT_SPAM: (Status.NEW, lambda request, who, app: desk.not_spam(request, **who)),
}  # fmt: skip


@pytest.mark.parametrize("act", VERBS)
def test_who_looked_at_an_older_state_changes_nothing(
    app: Flask, grace: User, reference: str, act: Act
) -> None:
    put(app, status=Status.IN_PROGRESS, owner_id=grace.id, version=7)

    for version in (6, 8, 10**30, -1):
        with pytest.raises(Conflict, match="This request changed"), work(app) as request:
            VERBS[act][1](request, {"by": grace, "at": now(), "version": version}, app)

    assert (the_request(app).version, the_request(app).status) == (7, Status.IN_PROGRESS)
    assert actions(app) == ["request.received"]


@pytest.mark.parametrize(("act", "start"), list(product(VERBS, Status)))
def test_every_verb_keeps_to_the_table_of_moves(app: Flask, reference: str, act: Act, start: Status) -> None:
    grace = staff(app)
    owner = staff(app, "Ada King", "desk") if act is Act.TAKE_OVER else grace
    before = put(app, status=start, owner_id=owner.id)
    may = desk.may(grace, act, before)

    try:
        with work(app) as request:
            VERBS[act][1](request, {"by": grace, "at": now(), "version": 1}, app)
    except PortalError:
        after = the_request(app)
        assert not may
        assert (after.status, after.version) == (start, 1)
        assert how_many(app, Message) == 0
        return

    after = the_request(app)
    assert may
    assert after.version == 2
    assert after.status == start or after.status in ALLOWED[start]
    assert actions(app)[-1].startswith("request.")


@pytest.mark.parametrize(("role", "act", "kind"), list(product(ROLES, Act, Kind)))
def test_the_roles_may_what_the_table_says(role: str, act: Act, kind: Kind) -> None:
    """The table of roles, said a second time: first for a request that is one's own, then for another's."""
    trusted = role != "desk"
    resource = kind == Kind.RESOURCE
    expected = {
        Act.READ: (True, trusted or resource),
        Act.CLAIM: (True, True),
        Act.TAKE_OVER: (trusted, trusted),
        Act.RELEASE: (True, False),
        Act.NOTE: (True, True),
        Act.ANSWER: (role == "pharmacist" or resource,) * 2,
        Act.CLOSE: (trusted, trusted),
        Act.REOPEN: (trusted, trusted),
        Act.SPAM: (True, True),
        Act.NOT_SPAM: (True, True),
    }
    person = User(id=1, name="Ada King", role=role)

    found = tuple(
        desk.PERMITTED[act](person, Request(kind=kind, status=Status.IN_PROGRESS, owner_id=owner))
        for owner in (1, 2)
    )

    assert found == expected[act]


@pytest.mark.parametrize("act", Act)
def test_a_role_that_is_none_may_nothing(act: Act) -> None:
    stranger = User(id=1, name="Nobody", role="visitor")
    request = Request(kind=Kind.RESOURCE, status=Status.IN_PROGRESS, owner_id=2)

    assert not desk.PERMITTED[act](stranger, request)


def test_the_desk_closes_what_is_answered() -> None:
    ada = User(id=1, name="Ada King", role="desk")

    assert desk.may(ada, "close", Request(kind=Kind.CONSULTATION, status=Status.ANSWERED, owner_id=2))
    assert not desk.may(ada, "close", Request(kind=Kind.CONSULTATION, status=Status.IN_PROGRESS, owner_id=1))


def test_every_status_can_be_left_and_none_leads_to_itself() -> None:
    assert set(ALLOWED) == set(Status)
    assert all(goals and status not in goals for status, goals in ALLOWED.items())


def test_a_promise_is_late_only_while_it_is_open(app: Flask, clock: Any, reference: str) -> None:
    request = the_request(app)

    assert not request.is_late(request.answer_by)
    assert request.is_late(request.answer_by + timedelta(seconds=1))
    assert not put(app, status=Status.ANSWERED).is_late(request.answer_by + timedelta(days=9))
