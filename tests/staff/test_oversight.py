"""The mail and the trail, for those who answer for both: plain words, names, and few questions to the database."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import event

from config import ROOT
from portal import audit, jobs
from portal.clock import now
from portal.db import db, transaction
from portal.desk import replies
from portal.desk.table import ALL_ACTS
from portal.mail import lanes
from portal.mail import promise as mail
from portal.mail.letters import LETTERS
from portal.people import accounts, invitations
from portal.seals.models import AuditCheck
from portal.staff import naming
from tests.conftest import Clock
from tests.pages import Page, words
from tests.staff.conftest import Colleague

Ask = Callable[..., str]
AskOften = Callable[[int], list[str]]
SignedIn = Callable[..., Colleague]


def told(page: Page) -> list[list[str]]:
    """Each row of the table, without its moment."""
    return [[words(cell) for cell in row.find_all("td")] for row in page.soup.select("tbody tr")]


@pytest.fixture
def happened(app: Flask) -> Callable[..., None]:
    """Put one entry into the trail."""

    def record(action: str, subject: str, *, by: Colleague | None = None, detail: str = "") -> None:
        with app.app_context(), transaction():
            actor = accounts.get(by.user_id) if by else None
            audit.record(actor, action, subject, at=now(), detail=detail)

    return record


@contextmanager
def asked(app: Flask) -> Iterator[list[str]]:
    """Every statement the staff face sends to the database meanwhile."""
    seen: list[str] = []

    def saw(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    with app.extensions["staff"].app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", saw)
    yield seen
    event.remove(engine, "before_cursor_execute", saw)


def test_every_act_that_is_recorded_has_its_words() -> None:
    recorded = {act.audit for act in ALL_ACTS} | {
        node.args[1].value
        for path in (ROOT / "portal").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "audit.record"
        and isinstance(node.args[1], ast.Constant)
    }

    assert set(naming.ACTIONS) == recorded
    assert len(set(naming.ACTIONS.values())) == len(recorded), "no two acts read the same"


def test_every_mail_that_is_sent_has_its_words(app: Flask) -> None:
    folder = ROOT / "templates" / "mail"
    sent = {
        str(path.relative_to(folder)).removesuffix(".subject.txt") for path in folder.rglob("*.subject.txt")
    }

    assert {letter.message for letter in LETTERS} == sent
    assert len({letter.label for letter in LETTERS}) == len(sent), "no two letters read the same"


def test_the_trail_names_people_and_leads_to_them(signed_in: SignedIn, happened: Callable[..., None]) -> None:
    grace, ada = signed_in("manager", "Grace Hall"), signed_in("desk", "Ada Okafor")
    about_ada = f"user:{ada.user_id}"
    happened("staff.signed_in", about_ada, by=ada)
    happened("staff.sign_in_failed", about_ada, detail="code")
    happened("staff.sign_in_failed", "user:unknown", detail="password")
    happened("staff.link_made", "invite:999", by=grace, detail="pharmacist")
    happened("staff.role_changed", about_ada, by=grace, detail="desk to pharmacist")

    page = grace.open("/staff/audit")

    assert told(page) == [
        ["Grace Hall", "Role changed", "Ada Okafor", "Desk to Pharmacist"],
        ["Grace Hall", "One-use link made", "Somebody new", "Pharmacist"],
        ["The portal", "Sign-in failed", "An account that does not exist", "Password"],
        ["The portal", "Sign-in failed", "Ada Okafor", "Code"],
        ["Ada Okafor", "Signed in", "Ada Okafor", "–"],
    ]
    assert page.soup.find("a", string="Ada Okafor")["href"] == f"/staff/people/{ada.user_id}"


def test_a_link_in_the_trail_says_for_whom_it_was(app: Flask, signed_in: SignedIn) -> None:
    grace = signed_in("manager", "Grace Hall")
    with app.app_context(), transaction():
        by = accounts.get(grace.user_id)
        invitations.invite(email="tom@pharmacy.example", name="Tom Oneill", roles=("desk",), by=by, at=now())
        invitations.invite(email="una@pharmacy.example", roles=("manager",), by=by, at=now())

    assert told(grace.open("/staff/audit")) == [
        ["Grace Hall", "One-use link made", "una@pharmacy.example", "Manager"],
        ["Grace Hall", "One-use link made", "Tom Oneill", "Desk"],
    ]


def test_a_request_in_the_trail_is_told_in_words(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask(question="http://a.example http://b.example http://c.example")
    manager = signed_in("manager", "Grace Hall")
    manager.open(f"/staff/requests/{reference}")

    page = manager.open("/staff/audit")

    assert told(page) == [
        ["Grace Hall", "Opened", reference, "–"],
        [
            "The portal",
            "Received",
            reference,
            "holds many links",
        ],
    ]
    page.follow(reference)


def test_a_page_of_the_trail_asks_for_all_names_at_once(
    app: Flask, signed_in: SignedIn, happened: Callable[..., None]
) -> None:
    manager = signed_in("manager")
    happened("staff.signed_in", f"user:{manager.user_id}", by=manager)
    manager.open("/staff/audit")
    with asked(app) as few:
        manager.open("/staff/audit")
    for _ in range(10):
        colleague = signed_in("desk")
        happened("staff.signed_in", f"user:{colleague.user_id}", by=colleague)

    with asked(app) as many:
        page = manager.open("/staff/audit")

    assert len(told(page)) == 13  # with the two times that it was read before
    assert len(many) == len(few)


@pytest.mark.parametrize(
    ("message", "context", "cause", "row"),
    [
        ("people/notice", {"what": "X."}, "user:{0}", ["Notice of a changed sign-in", "Ada Okafor"]),
        (
            "people/notice",
            {"what": "X."},
            "signup:7",
            ["Notice of a changed sign-in", "A newsletter sign-up"],
        ),
    ],
)
def test_a_mail_that_was_given_up_is_told_in_words(
    app: Flask,
    signed_in: SignedIn,
    give_up: Callable[[], None],
    message: str,
    context: dict[str, str],
    cause: str,
    row: list[str],
) -> None:
    ada = signed_in("pharmacist", "Ada Okafor")
    with app.app_context(), transaction():
        mail.promise(message, to="a@mail.example", facts=context, cause=cause.format(ada.user_id), at=now())
    give_up()

    page = ada.open("/staff/mail")

    assert [words(page.soup.select_one("tbody th")), told(page)[0][0]] == row
    assert not page.soup.select("tbody a"), "a pharmacist opens no page of a person"
    manager = signed_in("manager").open("/staff/mail")
    assert [a["href"] for a in manager.soup.select("tbody a")] == (
        [f"/staff/people/{ada.user_id}"] if cause.startswith("user") else []
    )


def test_a_mail_that_was_given_up_is_shown_without_its_address(
    app: Flask, ask: Ask, signed_in: SignedIn, give_up: Callable[[], None]
) -> None:
    reference = ask()
    give_up()

    page = signed_in("pharmacist").open("/staff/mail")

    page.sees("Given up", reference, "the server said never").lacks("ana@clinic.example")
    page.follow(reference)


def test_a_mail_that_was_given_up_is_sent_again_by_a_press(
    app: Flask, ask: Ask, signed_in: SignedIn, give_up: Callable[[], None]
) -> None:
    """One, all, and what is no longer there; never by a GET, and it stands in the trail."""
    for _ in range(3):
        ask()
    give_up()
    ada = signed_in("pharmacist")
    page = ada.open("/staff/mail")
    one = next(text for b in page.soup.find_all("button") if (text := words(b)).startswith("Send again "))

    page.press(one).sees("1 mail goes out again")
    ada.open("/staff/mail").press("Send all of them again").sees("mails go out again")
    page.press(one).sees("Nothing was changed")

    ada.open("/staff/mail/again", status=405)
    ada.open("/staff/mail").sees("No mail was given up")
    assert [row[1] for row in told(signed_in("manager").open("/staff/audit"))][:2] == ["Mail sent again"] * 2


def test_mail_that_a_restore_holds_is_let_go_by_a_person(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    """One by one or all that is in view, sent or never sent; nothing by itself, nothing by a GET."""
    references = [ask() for _ in range(4)]
    with app.app_context(), transaction():
        held = lanes.hold_restored()
    ada = signed_in("pharmacist")
    page = ada.open("/staff/mail").sees("Held after a restore", *references).lacks("ana@clinic.example")
    seen = [words(b) for b in page.soup.find_all("button")]

    page.press(next(text for text in seen if text.startswith("Send ") and references[0] in text))
    ada.open("/staff/mail?released=1").sees("1 mail goes out now")
    page.press(next(text for text in seen if text.startswith("Never send ") and references[1] in text))
    page.press("Send all in this list").sees(f"{held - 2} mails go out now").lacks("Held after")
    page.press("Never send any of them").sees("Nothing was changed")

    ada.open("/staff/mail/held", status=405)
    with app.app_context():
        counts = lanes.counts()
        assert (counts["held"], counts["withdrawn"]) == (0, 1)
    acts = [row[1] for row in told(signed_in("manager").open("/staff/audit"))][:3]
    assert acts == ["Held mail sent", "Held mail withdrawn", "Held mail sent"]


def test_work_that_does_not_go_well_is_named_to_staff(app: Flask, signed_in: SignedIn) -> None:
    ada = signed_in("pharmacist")
    ada.open("/staff/mail").sees("All of it goes well")
    with app.app_context():
        job = jobs.JOBS.get("newsletter.answer")
        assert job is not None
        jobs.fail(job, "IntegrityError at newsletter/service.py:7 _answer", at=now())
        with transaction():
            row = jobs.JobRow(name="registry.import", due_at=now(), failures=0, last_error="")
            db.session.add(row)

    page = ada.open("/staff/mail").lacks("All of it goes well")

    assert [words(each) for each in page.soup.select("tbody th")] == [job.label, "registry.import"]
    failed, unknown = told(page)
    assert (failed[0], failed[1]) == ("Not yet", "1")
    assert failed[3] == "IntegrityError at newsletter/service.py:7 _answer"
    assert unknown[2] == "Not by this version of the portal"


def test_the_desk_opens_no_mail_page_and_only_managers_the_trail(signed_in: SignedIn) -> None:
    signed_in("desk").open("/staff/mail", status=403)
    signed_in("desk").open("/staff/audit", status=403)
    signed_in("pharmacist").open("/staff/audit", status=403)
    signed_in("manager").open("/staff/audit")


def test_the_trail_is_read_page_by_page(ask_often: AskOften, signed_in: SignedIn) -> None:
    asked = ask_often(60)
    page = signed_in("manager").open("/staff/audit")

    first = [words(row.find_all("td")[2]) for row in page.soup.select("tbody tr")]
    assert first == asked[:9:-1]
    second = page.follow("Next")
    assert [words(row.find_all("td")[2]) for row in second.soup.select("tbody tr")] == asked[9::-1]
    assert second.follow("Previous").address == "/staff/audit"


def test_replies_and_settings_are_named_and_lead_there(
    app: Flask, signed_in: SignedIn, happened: Callable[..., None]
) -> None:
    grace = signed_in("manager", "Grace Hall")
    with app.app_context(), transaction():
        by = accounts.get(grace.user_id)
        saved = replies.save(
            None, title="Hours", text="Nine to six.", is_clinical=False, version=0, by=by, at=now()
        )
        number = saved.id
    happened("reply.saved", "reply:99", by=grace)
    happened("settings.saved", "settings:1", by=grace)

    page = grace.open("/staff/audit")

    about = {words(cell): cell.a and cell.a["href"] for cell in page.soup.select("td[data-label=About]")}
    assert about["Hours"] == f"/staff/replies/{number}"
    assert about["The settings"] == "/staff/settings/versions"
    assert about["A stored reply that is gone"] is None


def test_the_trail_is_filtered_by_its_address(signed_in: SignedIn, happened: Callable[..., None]) -> None:
    grace, ada = signed_in("manager", "Grace Hall"), signed_in("desk", "Ada Okafor")
    happened("staff.signed_in", f"user:{ada.user_id}", by=ada)
    happened("request.opened", "request:LDN-7K4F-2XMP", by=ada)
    happened("request.received", "request:LDN-7K4F-2XMP")
    happened("staff.signed_in", f"user:{grace.user_id}", by=grace)

    def shown(query: str) -> list[list[str]]:
        return [row[:2] for row in told(grace.open(f"/staff/audit?{query}"))]

    assert shown(f"person={ada.user_id}") == [["Ada Okafor", "Opened"], ["Ada Okafor", "Signed in"]]
    assert shown("person=portal") == [["The portal", "Received"]]
    assert shown("act=staff.signed_in") == [["Grace Hall", "Signed in"], ["Ada Okafor", "Signed in"]]
    for spelling in ("ldn-7k4f-2xmp", "LDN7K4F2XMP", "+ldn+7k4f+2xmp+"):
        assert shown(f"subject={spelling}&act=request.opened") == [["Ada Okafor", "Opened"]]
    assert shown(f"subject=user:{grace.user_id}") == [["Grace Hall", "Signed in"]]
    assert shown("since=2026-01-16") == shown("until=2026-01-14") == []
    assert len(shown("since=2026-01-15&until=2026-01-15&act=request.received")) == 1
    page = grace.open("/staff/audit?person=portal&act=nonsense&since=soon&after=99999999999")
    assert page.soup.select_one("select[name=person] option[selected]").text == "The portal"


def test_reading_and_taking_away_stand_in_the_trail(
    signed_in: SignedIn, happened: Callable[..., None]
) -> None:
    """And what is taken away holds no formula."""
    grace = signed_in("manager", "Grace Hall")
    happened("request.closed", "request:LDN-7K4F-2XYZ", detail="=1+1")

    page = grace.open("/staff/audit?act=request.closed")
    file = grace.post(*page.data("Export these as CSV"))

    rows = list(csv.reader(io.StringIO(file.text)))
    assert rows[0] == ["number", "at", "actor", "actor_name", "action", "subject", "detail"]
    assert rows[1][3:] == ["the portal", "request.closed", "request:LDN-7K4F-2XYZ", "'=1+1"]
    assert len(rows) == 2
    assert [row[1] for row in told(grace.open("/staff/audit"))][:2] == ["Trail exported", "Trail read"]


def test_a_password_given_long_ago_exports_nothing(clock: Clock, signed_in: SignedIn) -> None:
    grace = signed_in("manager", "Grace Hall")
    grace.open("/staff/audit")
    page = grace.open("/staff/audit")
    clock.tick(minutes=11)

    page.press("Export these as CSV").sees("Password")


def test_what_looking_through_the_trail_found_is_on_its_page(
    app: Flask, signed_in: SignedIn, work: Callable[[], int]
) -> None:
    grace = signed_in("manager", "Grace Hall")
    page = grace.open("/staff/audit").sees("not looked through yet")
    page.press("Look through it now").sees("The worker looks through all of it now")
    work()
    grace.open("/staff/audit").sees("Looked through on").lacks("broken")

    with app.app_context(), transaction():
        db.session.add(AuditCheck(at=now(), sealed=7, unsealed=0, fault="entry 5 was changed"))
    grace.open("/staff/audit").sees("The trail is broken", "entry 5 was changed")
