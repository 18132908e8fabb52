"""Who may what on the staff face: every rule, every role and nobody, by GET and by POST, held to one small table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from portal import office, tokens
from portal.clock import now
from portal.db import db, transaction
from portal.desk import replies
from portal.desk.acts import ACTS, CLAIM, Act
from portal.editions import pictures
from portal.intake.models import Request, Status
from portal.people import accounts, invitations
from portal.people.models import User
from portal.people.rights import RIGHTS, SETS, Right
from portal.settings import settings
from portal.staff.forms import FORMS
from tests.figures import is_full
from tests.newsletter.people import make_subscriber
from tests.pages import Visitor
from tests.staff.conftest import Colleague
from tests.staff.test_editions import write

ALL = frozenset({"desk", "pharmacist", "manager"})
# By blueprint, written by hand: a new one stands here before it is served.
MAY = {
    "account": ALL,
    "case": ALL,
    "gallery": ALL,
    "queue": ALL,
    "bulk": ALL,
    "keys": ALL,
    "saved": ALL,
    "away": ALL,
    "editions": {"pharmacist", "manager"},
    "edition_sending": {"manager"},
    "subscribers": ALL,
    "subscriber_files": {"manager"},
    "mail": {"pharmacist", "manager"},
    "replies": {"pharmacist", "manager"},
    "settings": {"manager"},
    "prescribers": ALL,
    "audit": {"manager"},
    "texts": {"pharmacist", "manager"},
    "reports": ALL,
    "news": ALL,
    "notices": ALL,
    "report_rows": {"pharmacist", "manager"},
    "people": {"manager"},
}
# Who reads there may not act: what a pharmacist signs, a manager only sees.
ACTS_THERE = MAY | {"texts": {"pharmacist"}}
# Said a second time, by hand: section 6.5 of the description of the desk, and what it is completed by.
HAVE = {
    "work": ALL,
    "lead": {"pharmacist", "manager"},
    "answer-consultations": {"pharmacist"},
    "answer-materials": ALL,
    "replies": {"pharmacist", "manager"},
    "clinical-replies": {"pharmacist"},
    "mail": {"pharmacist", "manager"},
    "all-reports": {"pharmacist", "manager"},
    "export-requests": {"pharmacist", "manager"},
    "export-words": {"manager"},
    "subscriber-files": {"manager"},
    "write-editions": {"pharmacist", "manager"},
    "send-editions": {"manager"},
    "read-texts": {"pharmacist", "manager"},
    "sign-texts": {"pharmacist"},
    "audit": {"manager"},
    "people": {"manager"},
    "settings": {"manager"},
}
# Each role, and each set of several: it may what any of its roles may.
TOGETHER = sorted(" ".join(sorted(roles)) for roles in SETS)
# Whose pages and acts are walked: each role and all three together; with `--full` every set of them.
WALKED = TOGETHER if is_full() else [*sorted(ALL), " ".join(sorted(ALL))]
# The rooms of signing in itself: their doors are tested page by page in `tests/signin`.
SIGNING_IN = {"security", "signin", "accounts"}
ANSWERING = {"answer", "call-answered", "fax-answered", "posted", "ask", "undo", "resend"}
# The acts that a role may not do with a request that just came, though it be theirs. The rest is for `tests/desk`.
MAY_NOT = {
    ("consultation", "desk"): {
        "take-over",
        "assign",
        *ANSWERING,
        "close",
        "reopen",
        "part",
        "license",
        "redact",
        "no-patient-data",
    },
    ("consultation", "pharmacist"): {"report-patient-data"},
    ("consultation", "manager"): {*ANSWERING, "report-patient-data"},
    ("resource", "desk"): {
        "take-over",
        "assign",
        "close",
        "reopen",
        "part",
        "license",
        "redact",
        "no-patient-data",
    },
    ("resource", "pharmacist"): {"report-patient-data"},
    ("resource", "manager"): {"report-patient-data"},
}
# By whose request it is (docs/staff.md): for its owner alone; for its owner, or whoever takes what is nobody's.
OWNERS_ALONE = {"release", "answer", "ask", "wait", "undo"}
NOT_ANOTHERS = {"call-answered", "fax-answered", "posted"}
# What a role may do with its own alone: hand it over.
WITH_ONES_OWN = {"assign"}
# What nobody has, by the name of the hole in an address.
NOBODYS = {
    "reference": "LDN-BCDF-GHJK",
    "user_id": "999",
    "session_id": "999",
    "invite_id": "999",
    "reply_id": "999",
    "number": "999",
    "act": "no-such-act",
    "who": "LDN-BCDF-GHJK",
    "edition_id": "999",
    "subscriber_id": "999",
    "deed": "no-such-act",
    "language": "en",
    "name": f"{'0' * 32}-9x9.png",
    "slug": "no-such-text",
    "key": "no-such-statement",
}


Trail = Callable[[str], list[str]]


def rules(staff_app: Flask) -> Iterator[Rule]:
    """Every rule behind the sign-in page."""
    for rule in staff_app.url_map.iter_rules():
        if rule.endpoint != "static" and rule.endpoint.partition(".")[0] not in SIGNING_IN:
            yield rule


def address(rule: Rule, holes: dict[str, str]) -> str:
    """The rule's own address."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda hole: holes[hole[1]], rule.rule)


def said(answer: TestResponse) -> str:
    """A body without what differs from one time to the next, and where in the menu one is."""
    return re.sub(r'value="[^"]*"| aria-current="\w+"', "", answer.text)


@pytest.fixture
def there(app: Flask, ask: Callable[..., str], signed_in: Callable[..., Colleague]) -> dict[str, str]:
    """What there is: a request, an edition, a subscriber, and somebody with a session."""
    make_subscriber(app)
    somebody = signed_in("pharmacist", "Somebody Else")
    edition = write(somebody).address.split("/")[-1].partition("?")[0]
    statement = str(somebody.open("/staff/texts/legal").soup.select_one("main td a[href*='/legal/']")["href"])  # type: ignore[index]
    with app.app_context(), transaction():
        by = accounts.get(somebody.user_id)
        picture = pictures.Anew(b"its bytes", f"{'1' * 32}-9x9.png")
        pictures.keep(picture, by=by, at=now())
        replies.save(None, title="Hours", text="Nine.", is_clinical=False, version=0, by=by, at=now())
        office.save(office.now_held(settings().ORG) | {"holidays": ""}, seen=0, by=by, at=now())
    return {
        "reference": ask(),
        "user_id": str(somebody.user_id),
        "session_id": "1",
        "invite_id": open_invitation(app),
        "reply_id": "1",
        "number": "1",
        "act": "claim",
        "who": "1234567893",
        "edition_id": edition,
        "subscriber_id": "1",
        "deed": "stop",
        "language": "en",
        "name": picture.name,
        "slug": "legal",
        "key": statement.rpartition("/")[2],
    }


def open_invitation(app: Flask) -> str:
    """The number of a link that nobody used yet: to send one again makes another."""
    with app.app_context():
        if not invitations.pending():
            with transaction():
                invitations.invite(email="tom@pharmacy.example", roles=("desk",), by=None, at=now())
        return str(invitations.pending()[0].id)


def test_every_blueprint_stands_in_the_table(staff_app: Flask) -> None:
    assert {rule.endpoint.partition(".")[0] for rule in rules(staff_app)} == set(MAY)
    assert set().union(*SETS) == ALL and len(SETS) == 7


@pytest.mark.parametrize("roles", TOGETHER)
def test_whoever_has_several_roles_has_the_rights_of_each(roles: str) -> None:
    person = User(id=1, name="Ada King", roles=frozenset(roles.split()))

    assert set(RIGHTS) == set(Right) == set(HAVE)
    assert {right for right in Right if person.may(right)} == {
        right for right, who in HAVE.items() if not person.roles.isdisjoint(who)
    }


@pytest.mark.faults
@pytest.mark.parametrize("roles", WALKED)
def test_a_role_reaches_what_the_table_says(
    roles: str, staff_app: Flask, there: dict[str, str], signed_in: Callable[..., Colleague]
) -> None:
    colleague = signed_in(roles)
    token, having = csrf_token(colleague), set(roles.split())
    refusals = set()
    walked = 0

    for rule in rules(staff_app):
        room = rule.endpoint.partition(".")[0]
        for method in sorted({"GET", "POST"} & rule.methods):
            may = bool(having & set((MAY if method == "GET" else ACTS_THERE)[room]))
            if "invite_id" in rule.arguments:
                there["invite_id"] = open_invitation(staff_app)
            for what, holes in (("there", there), ("nobody's", NOBODYS)):
                place = f"{method} {address(rule, holes)} ({what})"
                answer = colleague.client.open(
                    address(rule, holes),
                    method=method,
                    data={"csrf_token": token} if method == "POST" else None,
                    environ_base=colleague.environ,
                    base_url="http://localhost:8000",
                )
                walked += 1
                if method == "POST" and room == "account":  # it may have ended the sessions that were
                    colleague.csrf_token = ""
                    token = csrf_token(colleague)
                if not may:
                    assert answer.status_code == 403, f"{place}: {answer.status_code}"
                    refusals |= set() if having & set(MAY[room]) else {said(answer)}
                elif rule.arguments and what == "nobody's":
                    # 404: a word in the address that no deed has, which is no record
                    assert answer.status_code in (302, 303, 403, 404), f"{place}: {answer.status_code}"
                    refusals |= {said(answer)} if answer.status_code == 403 else set()
                elif method == "GET":
                    assert answer.status_code in (200, 302, 303), f"{place}: {answer.status_code}"
                else:  # sent empty: done, lost its form's token, stale or at fault, and never for want of a right
                    is_file = "Content-Disposition" in answer.headers
                    done = (200,) if is_file else (303, 400, 409, 422)
                    assert answer.status_code in done, f"{place}: {answer.status_code}"

    assert walked >= 20
    assert len(refusals) == 1, "one refusal for what is there and what is not, and for whom it is not"


@pytest.mark.parametrize("roles", sorted(ALL))
@pytest.mark.parametrize("kind", ["consultation", "resource"])
def test_an_act_is_refused_to_whom_its_line_does_not_name(
    kind: str, roles: str, ask: Callable[..., str], signed_in: Callable[..., Colleague], trail: Trail
) -> None:
    colleague, other = signed_in(roles), signed_in("pharmacist")
    refused = set()

    for act in ACTS:
        reference = ask(kind, name="Ana Ruiz")
        version = 1
        if act.owner == "mine":
            assert (
                colleague.post(f"/staff/requests/{reference}/claim", whole(colleague, CLAIM)).status_code
                == 303
            )
            version += 1
        answer = colleague.post(
            f"/staff/requests/{reference}/{act.word}",
            whole(colleague, act, version, reference, other.user_id),
        )
        assert answer.status_code in (303, 403, 409), f"{act.word}: {answer.status_code}"
        if answer.status_code == 403:
            refused.add(act.word)
            assert act.audit not in trail(reference)

    assert refused == may_not(kind, roles)


@pytest.mark.faults
@pytest.mark.parametrize("roles", WALKED)
@pytest.mark.parametrize("whose", ["nobody", "mine", "another"])
def test_an_act_is_refused_where_the_request_is_not_theirs(
    whose: str, roles: str, app: Flask, ask: Callable[..., str], signed_in: Callable[..., Colleague]
) -> None:
    """Every act by every set of roles with a consultation in progress of nobody, of their own, of somebody else; what
    is refused changes nothing."""
    colleague, other = signed_in(roles), signed_in("pharmacist")
    owner = {"nobody": None, "mine": colleague.user_id, "another": other.user_id}[whose]
    not_theirs = {"nobody": OWNERS_ALONE, "mine": set(), "another": OWNERS_ALONE | NOT_ANOTHERS}[whose]
    refused = set()

    for act in ACTS:
        reference = ask("consultation", name="Ana Ruiz")
        stood = {"status": Status.IN_PROGRESS, "owner_id": owner}
        this = Request.reference == reference
        with app.app_context(), transaction():
            db.session.execute(update(Request).where(this).values(**stood))
        answer = colleague.post(
            f"/staff/requests/{reference}/{act.word}", whole(colleague, act, 1, reference, other.user_id)
        )
        assert answer.status_code in (303, 403, 409), f"{act.word}: {answer.status_code}"
        if answer.status_code == 303:
            continue
        refused |= {act.word} if answer.status_code == 403 else set()
        with app.app_context():
            now_stands = db.session.execute(
                select(Request.version, Request.status, Request.owner_id).where(this)
            ).one()
        assert tuple(now_stands) == (1, Status.IN_PROGRESS, owner), act.word

    ever = may_not("consultation", roles) - (WITH_ONES_OWN if whose == "mine" else set())
    assert refused == ever | not_theirs


def may_not(kind: str, roles: str) -> set[str]:
    """What none of these roles may."""
    return set.intersection(*(set(MAY_NOT.get((kind, role), set())) for role in roles.split()))


def whole(
    colleague: Colleague, act: Act, version: int = 1, ask_for: str = "", other: int = 0
) -> dict[str, str]:
    """A post of that act with nothing at fault in it, whether or not the page offers it to them."""
    own = (
        {"call-back": "CallForm", "resend": "AddressForm"}
        | {box: form.__name__ for box, form in FORMS.items()}
        | {"redact": "RedactForm"}
    )
    purpose = own.get(act.box, "ReasonForm" if act.reasons else "")
    keys = colleague.client.application.extensions["settings"].keys
    sent = {
        "csrf_token": csrf_token(colleague),
        "version": str(version),
        "text": "Words that are long enough.",
        "reason": "withdrawn" if act.word == "close" else str(next(iter(act.reasons), "")),
        "address": "ana@clinic.example",
        "target": ask_for,
        "to": str(other),
        "until": "2026-01-20",
        "words": "Ana Ruiz",
        "sure": "y",
        "form_token": tokens.stamp(keys[0], purpose, at=colleague.clock().timestamp() - 10),
    }
    return {f"{act.box}-{name}" if purpose else name: value for name, value in sent.items()}


def csrf_token(colleague: Colleague) -> str:
    """What the forms of this session carry: it is read once, since it lasts as long as the session."""
    if not colleague.csrf_token:
        colleague.csrf_token = str(
            colleague.open("/staff/account").soup.find(attrs={"name": "csrf_token"})["value"]
        )
    return colleague.csrf_token


def test_nobody_reaches_any(staff_app: Flask, there: dict[str, str], visitor: Visitor) -> None:
    for rule in rules(staff_app):
        for holes in (there, NOBODYS):
            place = address(rule, holes)
            if "GET" in rule.methods:
                answer = visitor.get(place)
                assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (
                    302,
                    "/staff/login",
                ), place
            if "POST" in rule.methods:
                assert visitor.post(place, data={}).status_code in (400, 401), place


@pytest.mark.parametrize("number", ["9" * 21, "9" * 5000, str(2**31)])
def test_a_number_that_no_row_can_have_is_nobodys(
    staff_app: Flask, there: dict[str, str], signed_in: Callable[..., Colleague], number: str
) -> None:
    """The same refusal as for what is not there, on every page and act."""
    grace = signed_in("desk pharmacist manager")
    token, walked = csrf_token(grace), 0
    for rule in rules(staff_app):
        # What ends the sessions that were asks for the password anew: that is another test's.
        if "<int:" not in rule.rule or rule.endpoint.startswith("account."):
            continue
        holes = {name: number if f"<int:{name}>" in rule.rule else value for name, value in there.items()}
        for method in sorted({"GET", "POST"} & rule.methods):
            answer = grace.client.open(
                address(rule, holes),
                method=method,
                data={"csrf_token": token} if method == "POST" else None,
                environ_base=grace.environ,
                base_url="http://localhost:8000",
            )
            assert answer.status_code in (303, 403, 404), f"{method} {rule.rule}: {answer.status_code}"
            walked += 1

    assert walked > 25
