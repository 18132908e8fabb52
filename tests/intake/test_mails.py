"""The mails of a request: what they promise, and what they must never hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from portal.clock import now
from portal.db import transaction
from portal.desk import acts, perform
from portal.intake import receipts
from tests.intake.samples import CONSULTATION, RESOURCE, keys, staff, submit, submit_resource, the_request

Outbox = Callable[[], list[EmailMessage]]
LINK = re.compile(r"http://localhost:8000/[^\s\"<]+")


def parts(mail: EmailMessage) -> tuple[str, str]:
    """The text and the HTML of a mail."""
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content().replace("\r\n", "\n"), html.get_content().replace("\r\n", "\n")


def typed(answers: dict[str, object]) -> list[str]:
    """Everything a person typed, but the address the mail goes to."""
    texts = [
        answers[name]
        for name in ("name", "npi", "practice", "question", "note", "address", "phone")
        if name in answers
    ]
    return [line for text in texts if text for line in str(text).splitlines() if line]


@pytest.fixture
def answered(app: Flask) -> Callable[..., str]:
    """Claim and answer a request as a pharmacist; the reference."""

    def run(text: str, **changes: object) -> str:
        reference = submit(app, **changes)
        by = staff(app)
        with app.app_context(), transaction():
            request = perform.perform(acts.CLAIM, perform.get(reference), by=by, at=now())
            given = {"text": text, "form_token": "a", "close": False}
            perform.perform(acts.ANSWER, request, by=by, at=now(), version=2, **given)
        return reference

    return run


def test_the_acknowledgement_says_reference_promise_phone_and_link(app: Flask, outbox: Outbox) -> None:
    staff(app)
    reference = submit(app)

    mail = outbox()[0]
    path = receipts.path_of(receipts.token_of(the_request(app), keys(app)))
    assert mail["Subject"] == f"We have your question ({reference})"
    for text in parts(mail):
        assert reference in text
        assert "Fri Jan 16, 10:00" in text
        assert "925-555-0100" in text
        assert f"http://localhost:8000{path}" in text


def test_the_notice_to_staff_says_reference_kind_and_link_only(app: Flask, outbox: Outbox) -> None:
    staff(app)
    reference = submit_resource(app)

    mail = outbox()[1]
    assert mail["To"] == "grace.pharmacist@pharmacy.example"
    for text in parts(mail):
        assert f"http://localhost:8000/staff/requests/{reference}" in text
        assert "Materials" in text
        assert "/r/" not in text


@pytest.mark.parametrize(("send", "answers"), [(submit, CONSULTATION), (submit_resource, RESOURCE)])
def test_no_notification_repeats_what_was_typed(
    app: Flask, outbox: Outbox, send: Callable[[Flask], str], answers: dict[str, object]
) -> None:
    staff(app)
    send(app)

    for mail in outbox():
        for text in (str(mail), *parts(mail)):
            for words in typed(answers):
                assert words not in text.replace("=\n", "")


def test_text_and_html_carry_the_same_links(app: Flask, outbox: Outbox, answered: Callable[..., str]) -> None:
    answered("Yes.")
    submit_resource(app)

    mails = outbox()
    assert len(mails) == 4
    for mail in mails:
        text, html = parts(mail)
        assert sorted(LINK.findall(text)) == sorted(LINK.findall(html)), "an odd number scores as spam"
        assert LINK.findall(text)


def test_an_answer_says_what_was_written_and_by_whom(
    app: Flask, outbox: Outbox, answered: Callable[..., str]
) -> None:
    reference = answered("Yes, 3 mg.\n\nThen wait <two> weeks & look again.")

    mail = next(mail for mail in outbox() if "Answer to your LDN question" in mail["Subject"])
    assert mail["To"] == "ana@clinic.example"
    assert reference in mail["Subject"]
    text, html = parts(mail)
    about = (
        f"This answers your question of January 15, 2026 ({reference}). Topics: Dosing or titration, Safety"
    )
    assert f"Hello Ana Ruiz,\n\n{about}" in text and about in html
    assert "\n\nYes, 3 mg.\n\nThen wait <two> weeks & look again.\n\nGrace Hall\n" in text
    assert "Then wait &lt;two&gt; weeks &amp; look again." in html
    assert "Grace Hall" in html
    assert CONSULTATION["question"].splitlines()[0] not in text + html


def test_an_answer_is_a_persons_mail_that_can_be_replied_to(
    outbox: Outbox, answered: Callable[..., str]
) -> None:
    """Not marked as automatic (RFC 3834), so that an out-of-office reply comes; nothing is offered nobody reads."""
    answered("Yes.")
    acknowledgement, *_, answer = outbox()

    assert answer["Subject"].startswith("Answer") and acknowledgement["Subject"].startswith("We have")
    assert answer["Auto-Submitted"] is answer["X-Auto-Response-Suppress"] is None
    assert acknowledgement["Auto-Submitted"] == "auto-generated"
    assert acknowledgement["Reply-To"] == "desk@pharmacy.example"
    assert answer["Reply-To"].startswith("desk+q."), "its own address: tests/asker/test_replies.py"
    for text in parts(answer):
        assert "reply to this email or call 925-555-0100" in text


def test_an_answer_offers_no_way_back_that_nobody_reads(
    app: Flask, outbox: Outbox, answered: Callable[..., str], change_settings: Callable[..., None]
) -> None:
    change_settings(REPLY_TO="", ORG=replace(app.extensions["settings"].ORG, phone="", license=""))
    answered("No.")

    answer = outbox()[-1]
    assert answer["Reply-To"] is None
    for text in parts(answer):
        assert "Send us another question" in text
        assert "reply to this" not in text and "call" not in text.partition("In an emergency")[0]


def test_an_answer_keeps_its_lines_and_columns(outbox: Outbox, answered: Callable[..., str]) -> None:
    table = "Week  Dose\n1     1.5 mg\n2     3 mg"
    answered(f"First line\nsecond line\n\n{table}\n\nLast.\t<b>")

    text, html = parts(next(mail for mail in outbox() if mail["Subject"].startswith("Answer")))
    soup = BeautifulSoup(html, "html.parser")

    assert "First line\nsecond line\n\n" in text and table in text
    assert "First line<br>second line" in html.replace("<br/>", "<br>")
    assert [pre.get_text() for pre in soup.find_all("pre")] == [table, "Last.\t<b>"]


def test_an_answer_goes_to_the_delegate_who_asked(outbox: Outbox, answered: Callable[..., str]) -> None:
    answered("Yes.", on_behalf=True, delegate_name="Kim Day", delegate_email="kim@clinic.example")

    assert {mail["To"] for mail in outbox() if mail["Subject"].startswith(("We have", "Answer"))} == {
        "kim@clinic.example"
    }


@pytest.mark.parametrize(
    "name", ["Ana\r\nBcc: all@clinic.example", "Ana, all@clinic.example", '"Ana" <x@y.example>']
)
def test_a_name_cannot_change_a_header(
    app: Flask, outbox: Outbox, answered: Callable[..., str], name: str
) -> None:
    answered("Yes.", name=name)

    for mail in outbox():
        assert mail.get_all("To") in (["ana@clinic.example"], ["grace.pharmacist@pharmacy.example"])
        assert mail["Bcc"] is None
        assert "Ana" not in "".join(str(value) for key, value in mail.items() if key != "To")
