"""What staff do with a request: the acts, their guards, and what each leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import product
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from portal import audit
from portal.clock import now
from portal.db import db, transaction
from portal.desk import acts, contact, finding, identity, joining, perform, planning, undoing
from portal.desk.actors import PORTAL
from portal.desk.acts import Act
from portal.desk.redaction import NO_PATIENT_DATA, REPORT
from portal.desk.table import ROOM_ACTS
from portal.errors import Conflict, Forbidden, NotFound, PortalError, Refused
from portal.intake import checks
from portal.intake.models import Kind, Message, Request, Status
from portal.mail.models import Delivery
from portal.npi.names import Registered
from portal.npi.verdicts import Answer, Provider
from portal.people.models import User
from portal.people.rights import SETS
from tests.conftest import START
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
        do(acts.CLAIM, perform.get(reference), by)


def do(act: Act, request: Request, by: Any, version: int = 0, **given: Any) -> Request:
    """One act, now."""
    return perform.perform(act, request, by=by, at=now(), version=version, **given)


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
        do(acts.ANSWER, request, by, **given)
        return db.session.scalars(db.select(Message.id).where(Message.form_token == "a-1")).one()


def give_number(app: Flask) -> None:
    """Let the registry have a telephone number for the one request."""
    with app.app_context():
        known = Provider(npi="1234567893", names=Registered("RUIZ", "ANA"), phone="9255550142")
        checks.check_new(lambda _npi, _again: Answer(known, now().date()), now())


# ---- finding


@pytest.mark.parametrize(
    "spell", [str, str.lower, lambda code: code.replace("-", ""), lambda code: f" {code} "]
)
def test_a_reference_is_found_however_it_is_spelled(
    app: Flask, grace: User, reference: str, spell: Callable[[str], str]
) -> None:
    with app.app_context():
        assert perform.get(spell(reference)).reference == reference


@pytest.mark.parametrize("typed", ["", "LDN-2222-2222", "nonsense", "\x00", "x" * 9999])
def test_what_is_not_there_is_not_found(app: Flask, grace: User, reference: str, typed: str) -> None:
    with app.app_context(), pytest.raises(NotFound):
        perform.get(typed)


def test_an_opening_leaves_a_trace(app: Flask, grace: User, reference: str) -> None:
    with work(app) as request:
        perform.opened(request, by=grace, at=now())

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


def test_ones_own_is_not_claimed_again_once_it_is_closed(app: Flask, grace: User, reference: str) -> None:
    put(app, status=Status.CLOSED, owner_id=grace.id)

    with pytest.raises(Conflict, match="This request is now: Closed"):
        claim(app, reference, grace)


def test_a_released_request_is_for_anybody(app: Flask, grace: User, ada: User, reference: str) -> None:
    claim(app, reference, grace)
    with work(app) as request:
        do(acts.RELEASE, request, grace, 2)

    assert (the_request(app).status, the_request(app).owner_id) == (Status.NEW, None)
    claim(app, reference, ada)
    assert actions(app)[1:] == ["request.claimed", "request.released", "request.claimed"]


def test_only_its_owner_releases_a_request(app: Flask, grace: User, ada: User, reference: str) -> None:
    claim(app, reference, ada)

    with pytest.raises(Forbidden), work(app) as request:
        do(acts.RELEASE, request, grace, 2)


def test_a_pharmacist_takes_over(app: Flask, grace: User, ada: User, reference: str) -> None:
    claim(app, reference, ada)
    with work(app) as request:
        do(acts.TAKE_OVER, request, grace, 2)

    assert the_request(app).owner_id == grace.id
    with pytest.raises(Forbidden), work(app) as request:
        do(acts.TAKE_OVER, request, ada, 3)


# ---- writing


def test_a_note_stays_inside(app: Flask, ada: User, reference: str) -> None:
    mails = how_many(app, Delivery)
    with work(app) as request:
        do(acts.NOTE, request, ada, text="Ask Grace about canary-word.", form_token="n-1")

    assert how_many(app, Delivery) == mails
    with app.app_context():
        (message,) = perform.thread(the_request(app))
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
            do(acts.NOTE, request, ada, text="Once.", form_token="n-1")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))

    assert how_many(app, Message) == 1
    assert actions(app) == ["request.received", "request.noted"]


def test_the_same_form_with_other_words_loses_neither(app: Flask, ada: User, reference: str) -> None:
    other = submit_resource(app)
    for where, text, token in ((reference, "Once.", "n-1"), (other, "Elsewhere.", "n-2")):
        with app.app_context(), transaction():
            do(acts.NOTE, perform.get(where), ada, text=text, form_token=token)

    for text, token in (("Once, and more.", "n-1"), ("Elsewhere.", "n-2")):
        with pytest.raises(Conflict, match="with other words"), app.app_context(), transaction():
            do(acts.NOTE, perform.get(reference), ada, text=text, form_token=token)
    assert how_many(app, Message) == 2


def test_whoever_answers_sees_a_new_note_first(app: Flask, grace: User, ada: User, reference: str) -> None:
    claim(app, reference, grace)
    with work(app) as request:
        do(acts.NOTE, request, ada, text="Wait!", form_token="n-1")

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
        with pytest.raises(Forbidden, match="Your role does not allow this"):
            answer(app, by)


def test_the_desk_answers_a_request_for_materials(app: Flask, ada: User) -> None:
    claim(app, submit_resource(app), ada)

    answer(app, ada, close=True)

    assert the_request(app).status == Status.CLOSED


def test_an_answer_needs_an_owner_and_words(app: Flask, grace: User, reference: str) -> None:
    with pytest.raises(Forbidden, match="Claim this request"):
        answer(app, grace)
    claim(app, reference, grace)
    with pytest.raises(Refused, match="Write the answer") as caught:
        answer(app, grace, text="")

    assert caught.value.field == "text"
    assert how_many(app, Message) == 0


def test_without_a_number_of_the_registry_nobody_was_called_back(
    app: Flask, ada: User, reference: str
) -> None:
    with pytest.raises(Conflict, match="no telephone number"), work(app) as request:
        do(identity.CALL_BACK, request, ada, text="They sent it.", form_token="c-1")


# ---- ending


def test_closing_is_written_to_the_audit_with_a_word_from_the_list(
    app: Flask, grace: User, reference: str
) -> None:
    claim(app, reference, grace)
    with work(app) as request:
        do(acts.CLOSE, request, grace, 2, reason="no_reply")

    with app.app_context():
        assert audit.trail(f"request:{reference}")[-1].detail == "no_reply"
    assert the_request(app).closed_at is not None


@pytest.mark.parametrize("reason", ["", "because Ana Ruiz said so", "\x00"])
def test_a_reason_is_a_word_of_the_list(app: Flask, grace: User, reference: str, reason: str) -> None:
    claim(app, reference, grace)

    for act in (acts.CLOSE, acts.SPAM):
        with pytest.raises(Refused) as caught, work(app) as request:
            do(act, request, grace, 2, reason=reason)
        assert caught.value.field == "reason"


def test_a_closed_request_can_be_taken_up_again_for_ninety_days(
    app: Flask, clock: Any, grace: User, reference: str
) -> None:
    claim(app, reference, grace)
    answer(app, grace, close=True)
    closed = the_request(app)
    clock.tick(days=91)

    with pytest.raises(Conflict, match="This request is now: Closed"), work(app) as request:
        do(acts.REOPEN, request, grace, closed.version, reason="follow_up")
    clock.tick(days=-2)
    with work(app) as request:
        do(acts.REOPEN, request, grace, closed.version, reason="follow_up")

    request = the_request(app)
    assert (request.status, request.owner_id, request.closed_at) == (Status.IN_PROGRESS, grace.id, None)


@pytest.mark.parametrize("status", [Status.NEW, Status.IN_PROGRESS, Status.WAITING])
def test_what_nobody_answered_is_not_closed_as_answered(
    app: Flask, grace: User, reference: str, status: Status
) -> None:
    """Else whoever may answer no consultation could close one as answered."""
    put(app, status=status, owner_id=grace.id)

    with pytest.raises(Refused) as caught, work(app) as request:
        do(acts.CLOSE, request, grace, 1, reason="answered")

    assert caught.value.field == "reason"
    put(app, status=Status.IN_PROGRESS, answered_at=now())  # opened again by mistake, say
    with work(app) as request:
        do(acts.CLOSE, request, grace, 1, reason="answered")
    assert the_request(app).status == Status.CLOSED


@pytest.mark.parametrize(
    "act", [acts.CLAIM, contact.CALL_ANSWERED, acts.REOPEN, joining.PART, planning.ASSIGN]
)
def test_nothing_becomes_the_work_of_who_was_disabled_meanwhile(
    app: Flask, grace: User, reference: str, act: Act
) -> None:
    """They are asked for anew inside the transaction: what they had went back to the queue before."""
    put(app, status=MOVES[act.word][0].split()[0])
    with app.app_context(), transaction():
        db.session.execute(update(User).where(User.id == grace.id).values(active=False))

    with pytest.raises((Forbidden, Refused)), work(app) as request:
        do(act, request, grace, 1, **GIVEN.get(act.word, {}) | {"to": str(grace.id)})

    assert (the_request(app).owner_id, the_request(app).version) == (None, 1)


def test_every_state_is_reached_by_acts() -> None:
    reached = {"new"}
    for _ in MOVES:
        reached |= {end for start, end in MOVES.values() if end != "-" and reached & set(start.split())}

    assert reached == set(Status)


def test_spam_can_come_back(app: Flask, ada: User, reference: str) -> None:
    with work(app) as request:
        do(acts.SPAM, request, ada, 1, reason="robot")
    assert (the_request(app).status, the_request(app).owner_id) == (Status.SPAM, None)
    assert the_request(app).closed_at is not None

    with work(app) as request:
        do(acts.NOT_SPAM, request, ada, 2)

    assert (the_request(app).status, the_request(app).closed_at) == (Status.NEW, None)
    assert actions(app)[1:] == ["request.marked_spam", "request.marked_not_spam"]


# ---- what holds for every act

GIVEN: dict[str, dict[str, Any]] = {
    "note": {"text": "Ask Grace.", "form_token": "n"},
    "call-back": {"text": "They sent it.", "form_token": "c"},
    "license": {"text": "Active.", "form_token": "l"},
    "answer": {"text": "Yes.", "form_token": "a", "close": False},
    "close": {"reason": "withdrawn"},
    "reopen": {"reason": "by_mistake"},
    "spam": {"reason": "robot"},
    "report-patient-data": {"reason": "birth_date"},
    "redact": {"reason": "birth_date", "words": "Ana Ruiz"},
    "call": {"reason": "no_answer", "number": "925-555-0142", "text": "", "form_token": "p"},
    "call-answered": {"reason": "reached", "number": "925-555-0142", "text": "Told them.", "form_token": "q"},
    "fax-answered": {"number": "", "text": "Faxed it.", "form_token": "f"},
    "ask": {"text": "Which dose now?", "form_token": "k"},
    "wait": {"reason": "they_send"},
    "resend": {"address": "other@clinic.example"},
    "duplicate": {"target": "LDN-BCDF-GHJK"},
    "assign": {"to": "2"},
    "snooze": {"until": START.date() + timedelta(days=3)},
}
VERSIONED = [act for act in ROOM_ACTS if act.is_versioned]
# Said a second time, by hand: what each role may, of a consultation and of materials; and whose it must be.
MAY = {
    "claim": ("desk pharmacist manager", "desk pharmacist manager"),
    "take-over": ("pharmacist manager", "pharmacist manager"),
    "release": ("desk pharmacist manager", "desk pharmacist manager"),
    "note": ("desk pharmacist manager", "desk pharmacist manager"),
    "answer": ("pharmacist", "desk pharmacist manager"),
    "close": ("pharmacist manager", "pharmacist manager"),
    "reopen": ("pharmacist manager", "pharmacist manager"),
    "spam": ("desk pharmacist manager", "desk pharmacist manager"),
    "not-spam": ("desk pharmacist manager", "desk pharmacist manager"),
    "report-patient-data": ("desk", "desk"),
    "redact": ("pharmacist manager", "pharmacist manager"),
    "no-patient-data": ("pharmacist manager", "pharmacist manager"),
    "check-again": ("desk pharmacist manager", "desk pharmacist manager"),
    "call": ("desk pharmacist manager", "desk pharmacist manager"),
    "call-answered": ("pharmacist", "desk pharmacist manager"),
    "fax-answered": ("pharmacist", "desk pharmacist manager"),
    "posted": ("pharmacist", "desk pharmacist manager"),
    "ask": ("pharmacist", "desk pharmacist manager"),
    "resend": ("pharmacist", "desk pharmacist manager"),
    "wait": ("desk pharmacist manager", "desk pharmacist manager"),
    "undo": ("pharmacist", "desk pharmacist manager"),
    "resume": ("desk pharmacist manager", "desk pharmacist manager"),
    "duplicate": ("desk pharmacist manager", "desk pharmacist manager"),
    "part": ("pharmacist manager", "pharmacist manager"),
    "call-back": ("desk pharmacist manager", "desk pharmacist manager"),
    "license": ("pharmacist manager", "pharmacist manager"),
    "assign": ("desk pharmacist manager", "desk pharmacist manager"),
    "snooze": ("desk pharmacist manager", "desk pharmacist manager"),
    "wake": ("desk pharmacist manager", "desk pharmacist manager"),
}
# From where to where: "-" is where it is.
MOVES = {
    "claim": ("new", "in_progress"),
    "take-over": ("new in_progress waiting", "-"),
    "release": ("in_progress", "new"),
    "note": ("new in_progress waiting answered closed spam duplicate", "-"),
    "answer": ("in_progress answered", "answered"),
    "close": ("new in_progress waiting answered", "closed"),
    "call": ("new in_progress waiting answered", "-"),
    "call-answered": ("new in_progress waiting", "answered"),
    "fax-answered": ("new in_progress waiting", "answered"),
    "posted": ("new in_progress waiting", "answered"),
    "ask": ("in_progress", "waiting"),
    "wait": ("in_progress", "waiting"),
    "resume": ("waiting", "in_progress"),
    "resend": ("waiting answered closed", "-"),
    "undo": ("waiting answered closed", "-"),  # and where it was before the words
    "duplicate": ("new in_progress waiting answered", "duplicate"),
    "part": ("duplicate", "in_progress"),
    "reopen": ("answered closed", "in_progress"),
    "spam": ("new in_progress", "spam"),
    "not-spam": ("spam", "new"),
    "report-patient-data": ("new in_progress waiting answered closed spam duplicate", "-"),
    "redact": ("new in_progress waiting answered closed spam duplicate", "-"),
    "no-patient-data": ("new in_progress waiting answered closed spam duplicate", "-"),
    "check-again": ("new in_progress waiting answered closed spam duplicate", "-"),
    "call-back": ("new in_progress waiting answered closed spam duplicate", "-"),
    "license": ("new in_progress waiting answered closed spam duplicate", "-"),
    "assign": ("new in_progress waiting", "-"),  # and what is new is in progress then
    "snooze": ("new in_progress waiting", "-"),
    "wake": ("new in_progress waiting", "-"),
}


@pytest.mark.parametrize("act", VERSIONED, ids=lambda act: act.word)
def test_who_looked_at_an_older_state_changes_nothing(
    app: Flask, grace: User, reference: str, act: Act
) -> None:
    put(app, status=Status.IN_PROGRESS, owner_id=grace.id, version=7)
    by = staff(app, "Ada King", "desk") if act is REPORT else grace

    for version in (6, 8, 10**30, -1):
        with pytest.raises(Conflict, match="This request changed"), work(app) as request:
            do(act, request, by, version, **GIVEN.get(act.word, {}))

    assert (the_request(app).version, the_request(app).status) == (7, Status.IN_PROGRESS)
    assert actions(app) == ["request.received"]


@pytest.mark.parametrize("act", ROOM_ACTS, ids=lambda act: act.word)
def test_every_act_keeps_to_the_table_of_moves(
    app: Flask, reference: str, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        joining,
        "target_of",
        lambda _given: SimpleNamespace(
            id=999, status=Status.ANSWERED, answered_at=None, possible_duplicate_of=None
        ),
    )
    monkeypatch.setattr(contact, "latest", lambda _request: SimpleNamespace(id=1))
    if act is undoing.UNDO:
        act = replace(act, fits=lambda _request: True, then=None)
    kind: dict[str, Any] = {"kind": Kind.RESOURCE, "delivery": "post"} if act is contact.POSTED else {}
    kind |= {"patient_data": ["birth_date"]} if act is NO_PATIENT_DATA else {}
    grace = staff(app, role="desk" if act is REPORT else "pharmacist")
    ada = staff(app, "Ada King", "desk")
    owner = {"another": ada.id, "nobody": None}.get(act.owner, grace.id)
    starts, ends = MOVES[act.word]
    give_number(app)
    for start in Status:
        before = put(
            app, name="Ana Ruiz", status=start, owner_id=owner, version=1, snoozed_until=START, **kind
        )
        with app.app_context():
            done, offered = len(actions(app)), perform.may(grace, act, before)
        assert offered == (start.value in starts.split()), start
        try:
            with work(app) as request:
                do(act, request, grace, 1, **{**GIVEN.get(act.word, {}), "form_token": start.value})
        except PortalError:
            after = the_request(app)
            assert not offered
            assert (after.status, after.version, len(actions(app))) == (start, 1, done)
            continue
        after = the_request(app)
        assert offered
        assert after.version == 2
        is_begun = act is planning.ASSIGN and start == Status.NEW
        assert after.status == (Status.IN_PROGRESS if is_begun else start if ends == "-" else ends)
        assert actions(app)[-1] == act.audit
    assert set(MOVES) == {each.word for each in ROOM_ACTS}


@pytest.mark.parametrize(
    ("roles", "act", "kind"), list(product(SETS, ROOM_ACTS, Kind)), ids=lambda one: getattr(one, "word", None)
)
def test_the_roles_may_what_the_table_says(app: Flask, roles: frozenset[str], act: Act, kind: Kind) -> None:
    """Whoever has several may what any of them may."""
    person = User(id=1, name="Ada King", roles=roles)
    named = set(MAY[act.word][kind == Kind.RESOURCE].split())
    is_desk = roles == {"desk"}

    for owner in (1, 2):
        request = Request(kind=kind, status=Status.IN_PROGRESS, owner_id=owner)
        is_refused = is_desk and act is planning.ASSIGN and owner == 2  # the desk gives away its own
        assert perform.is_permitted(person, act, request) == (bool(roles & named) and not is_refused)
        assert finding.may_read(person, request) == (not is_desk or kind == Kind.RESOURCE or owner == 1)


def test_a_role_that_is_none_may_nothing(app: Flask) -> None:
    stranger = User(id=1, name="Nobody", roles=frozenset({"visitor"}))
    request = Request(kind=Kind.RESOURCE, status=Status.IN_PROGRESS, owner_id=2)

    assert not any(perform.is_permitted(stranger, act, request) for act in ROOM_ACTS)
    assert not finding.may_read(stranger, request)


def test_the_desk_closes_what_is_answered(app: Flask) -> None:
    ada = User(id=1, name="Ada King", roles=frozenset({"desk"}))
    answered = Request(kind=Kind.CONSULTATION, status=Status.ANSWERED, owner_id=2)
    claimed = Request(kind=Kind.CONSULTATION, status=Status.IN_PROGRESS, owner_id=1)

    assert perform.may(ada, acts.CLOSE, answered)
    assert not perform.may(ada, acts.CLOSE, claimed)


def test_the_portal_itself_closes_wakes_and_does_nothing_else(
    app: Flask, grace: User, reference: str
) -> None:
    put(app, status=Status.ANSWERED, owner_id=grace.id)
    with work(app) as request:
        do(acts.CLOSE, request, PORTAL, request.version, reason="answered")

    assert the_request(app).status == Status.CLOSED
    with app.app_context():
        entry = audit.trail(f"request:{reference}")[-1]
        assert (entry.action, entry.actor_id, entry.actor_name) == ("request.closed", None, "the portal")
    for act in ROOM_ACTS:
        if act not in (acts.CLOSE, planning.WAKE):
            with pytest.raises(Forbidden), work(app) as request:
                do(act, request, PORTAL, request.version, **GIVEN.get(act.word, {}))


# ---- handing back


def leave(app: Flask, person: User, **values: Any) -> int:
    """Somebody's roles or access change, and what follows."""
    with app.app_context(), transaction():
        user = db.session.get_one(User, person.id)
        for name, value in values.items():
            setattr(user, name, value)
        return perform.hand_back(user, person.roles - user.roles, by=None, at=now())


def test_who_leaves_hands_all_back_and_the_desk_is_told(
    app: Flask, grace: User, ada: User, reference: str
) -> None:
    order = submit_resource(app)
    claim(app, reference, grace)
    claim(app, order, grace)
    mails = how_many(app, Delivery)

    assert leave(app, grace, active=False) == 2

    with app.app_context():
        for each in (reference, order):
            request = perform.get(each)
            assert (request.status, request.owner_id, request.version) == (Status.NEW, None, 3)
            assert audit.trail(request.subject)[-1].action == "request.released"
        last = db.session.scalars(db.select(Delivery).order_by(Delivery.id.desc())).first()
        assert last is not None
        assert (last.recipient, last.body.message) == (ada.email, "desk/handed_back")
        assert last.body.facts == {"references": [reference, order], "more": 0, "is_given": False}
    assert how_many(app, Delivery) == mails + 1


@pytest.mark.parametrize(
    ("had", "has", "back"),
    [
        ("pharmacist", "desk", True),
        ("desk pharmacist manager", "desk manager", True),
        ("pharmacist manager", "pharmacist", False),
        ("desk", "manager", False),  # looks after it now as before: neither may answer it
        ("manager", "desk manager", False),
        ("desk manager", "desk pharmacist", False),
    ],
)
def test_work_comes_back_when_the_role_it_needs_is_taken_away(
    app: Flask, reference: str, had: str, has: str, back: bool
) -> None:
    owner, order = staff(app, "Olu Ade", had), submit_resource(app)
    claim(app, reference, owner)
    claim(app, order, owner)

    assert leave(app, owner, roles=frozenset(has.split())) == back

    with app.app_context():
        assert perform.get(reference).owner_id == (None if back else owner.id)
        assert perform.get(order).owner_id == owner.id


def test_handing_back_takes_nothing_from_whoever_has_it_now(
    app: Flask, grace: User, ada: User, reference: str
) -> None:
    claim(app, reference, grace)
    put(app, owner_id=ada.id)

    assert leave(app, grace, active=False) == 0

    assert (the_request(app).owner_id, the_request(app).status) == (ada.id, Status.IN_PROGRESS)


def test_a_promise_is_late_only_while_it_is_open(app: Flask, clock: Any, reference: str) -> None:
    request = the_request(app)

    assert not request.is_late(request.answer_by)
    assert request.is_late(request.answer_by + timedelta(seconds=1))
    assert not put(app, status=Status.ANSWERED).is_late(request.answer_by + timedelta(days=9))
