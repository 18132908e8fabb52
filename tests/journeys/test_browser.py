"""What people come for, in a real browser, against a real server and worker; each page they pass is checked."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests import totp
from tests.figures import is_full
from tests.journeys.conftest import Person
from tests.live import Live
from tests.scenes import link_in
from tests.stage import has_focus, leave_by

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Mailbox = Callable[[str, str], EmailMessage]
PASSWORD = "seven quiet herons wade at dawn"
QUESTION = "Which interval do you advise between tramadol and a first dose?"


class Member:
    """Somebody of the staff: their address, password and authenticator."""

    def __init__(self, portal: Live, email: str, name: str, role: str) -> None:
        self.email, self.name = email, name
        printed = portal.flask("staff", "invite", email, "--role", role, "--name", name)
        self.link = re.search(r"https?://\S+", printed)[0]  # type: ignore[index]
        self.key = ""
        self.used = ""

    def next_code(self) -> str:
        """A code that was not used yet: this step's, or the next one's, which counts already (RFC 6238, 5.2)."""
        at = time.time()
        found = next(
            code
            for code in (totp.code(self.key, at), totp.code(self.key, at + totp.STEP))
            if code != self.used
        )
        self.used = found
        return found

    def join(self, person: Person) -> None:
        """From the link to the list of requests."""
        person.open(self.link).check()
        person.type("Password", PASSWORD).press("Set password")
        person.check().type("Email", self.email).type("Password", PASSWORD).press("Sign in")
        person.sees("You need an authenticator app").check().press("Continue")
        self.key = person.page.locator("#key").inner_text()
        person.check().type("Code", self.next_code()).press("Finish set-up")
        person.check().press("Make recovery codes").sees("Keep these codes now").check()


@pytest.fixture(scope="module")
def pharmacist(portal: Live) -> Member:
    return Member(portal, "ada@pharmacy.example", "Ada Okafor", "pharmacist")


def test_a_prescriber_asks_and_is_answered(
    person: Callable[..., Person], portal: Live, mail_to: Mailbox, pharmacist: Member
) -> None:
    ana = person(width=390)
    ana.open("/").check().follow("For prescribers")
    ana.check().press("I am a health professional: continue")
    ana.sees("Check before you prescribe").check().follow("Ask a pharmacist")
    ana.check().press("Continue")
    has_focus(ana.page, "#errors")
    assert ana.page.title().startswith("Error: ")
    ana.check().page.locator("#errors a").first.click()
    has_focus(ana.page, "[name=topics]")
    ana.tick("Interactions").type("Your question", QUESTION)
    ana.type("Your name", "Ana Ruiz").type("NPI", "123-456-7893")
    ana.type("Work email", "ana@clinic.example").tick("Email").press("Continue")
    ana.sees(QUESTION, "Ana Ruiz", "ana@clinic.example").check().press("Send my question")
    assert re.search(r"/r/[\w-]{30,}$", ana.page.url)
    receipt = ana.page.url
    ana.check()
    reference = re.search(r"LDN-[0-9A-Z]{4}-[0-9A-Z]{4}", ana.page.inner_text("main"))[0]  # type: ignore[index]
    ana.page.reload()
    ana.sees(reference)
    received = mail_to("ana@clinic.example", reference)
    assert link_in(received, "/r/") == receipt
    assert QUESTION not in received.as_string()

    ada = person()
    pharmacist.join(ada)
    ada.open("/staff/requests").sees("Ana Ruiz").check().follow(reference)
    ada.sees(QUESTION).check()
    leave_by(ada.page.get_by_role("button", name="Claim", exact=True).first)
    ada.check().page.get_by_label("Answer", exact=True).fill("At least 7 to 10 days. The label says so.")
    ada.press("Send answer and close").check()

    answer = mail_to("ana@clinic.example", reference)
    body = answer.get_body(("plain",))
    assert body is not None and "At least 7 to 10 days." in body.get_content()
    ana.open(receipt).check()
    ana.page.get_by_text("Answered").first.wait_for()


@pytest.mark.parametrize(
    ("path", "english", "scripts"),
    [
        pytest.param("/newsletter", True, True, id="English"),
        pytest.param("/es/boletin", False, False, id="Spanish without scripts"),
        *(
            [
                pytest.param("/newsletter", True, False, id="English without scripts"),
                pytest.param("/es/boletin", False, True, id="Spanish"),
            ]
            if is_full()
            else []
        ),
    ],
)
def test_a_patient_signs_up_confirms_and_leaves(
    path: str, english: bool, scripts: bool, person: Callable[..., Person], portal: Live, mail_to: Mailbox
) -> None:
    address = f"reader-{'en' if english else 'es'}-{scripts}@mail.example".lower()
    say = _english if english else _spanish
    reader = person(width=320 if not scripts else 1280, scripts=scripts, dark=not english)
    check = reader.check if scripts else lambda: reader

    reader.open(path)
    check()
    reader.type(say("Your email address"), address)
    reader.reads().press(say("Sign up"))
    check()
    confirm = link_in(mail_to(address, say("Confirm")), "/newsletter/confirm/")
    reader.open(confirm)
    check()
    assert _state(portal, address) in (None, "pending")
    reader.press(say("Yes, sign me up"))
    check()
    assert _state(portal, address) == "active"
    leave = link_in(mail_to(address, say("signed up")), "/newsletter/unsubscribe/")
    reader.open(leave)
    check()
    assert _state(portal, address) == "active"
    reader.press(say("Stop all emails"))
    check()
    assert _state(portal, address) == "unsubscribed"


def test_staff_sign_in_with_a_code_and_work_a_request(
    person: Callable[..., Person], portal: Live, mail_to: Mailbox
) -> None:
    manager = Member(portal, "grace@pharmacy.example", "Grace Lindqvist", "manager")
    grace = person()
    manager.join(grace)
    tom = person(scripts=False)
    tom.open("/requests/resources").tick("Prescriber guide", "By email").type("Your name", "Tom Oneill")
    tom.type("Work email", "tom@clinic.example").press("Continue").press("Send my request")
    reference = re.search(r"LDN-[0-9A-Z]{4}-[0-9A-Z]{4}", tom.page.inner_text("main"))[0]  # type: ignore[index]
    notice = mail_to("grace@pharmacy.example", reference)
    assert "Tom Oneill" not in notice.as_string()

    grace.open(link_in(notice, "/staff/requests/")).check().press("Claim")
    grace.page.get_by_label("Note", exact=True).fill("Sent with the noon post.")
    grace.press("Save note").sees("Sent with the noon post.").check()
    leave_by(grace.page.get_by_role("button", name="Sign out"))
    grace.check().open("/staff/requests")
    assert "/staff/login" in grace.page.url
    grace.type("Email", manager.email).type("Password", PASSWORD).press("Sign in")
    grace.check().type("Code", manager.next_code()).press("Continue")
    grace.sees(reference).check()
    grace.open("/staff/people").check().open("/staff/mail").check().open("/staff/audit").check()


def test_a_scanner_that_runs_scripts_confirms_and_ends_nothing(
    person: Callable[..., Person], portal: Live, mail_to: Mailbox
) -> None:
    reader = person()
    reader.open("/newsletter").type("Your email address", "scanned@mail.example")
    reader.reads().press("Sign up")
    confirm = link_in(mail_to("scanned@mail.example", "confirm"), "/newsletter/confirm/")

    _scan(person(), confirm)
    assert _state(portal, "scanned@mail.example") in (None, "pending")
    reader.open(confirm).press("Yes, sign me up")
    welcome = mail_to("scanned@mail.example", "signed up")
    for part in ("/newsletter/unsubscribe/", "/newsletter/preferences/"):
        _scan(person(), link_in(welcome, part))

    assert _state(portal, "scanned@mail.example") == "active"


def test_the_first_visit_is_light(person: Callable[..., Person], portal: Live) -> None:
    reader = person()
    reader.open("/prescribers").press("I am a health professional: continue")
    fresh = person()
    fresh.page.context.add_cookies(reader.page.context.cookies())
    answers: list[Any] = []
    fresh.page.on("response", lambda answer: answers.append(answer))

    fresh.open("/prescribers")
    fresh.page.wait_for_load_state("networkidle")

    sizes = {answer.url: answer.request.sizes()["responseBodySize"] for answer in answers}
    assert len(sizes) <= 4, sizes
    assert sum(sizes.values()) <= 30 * 1024, sizes


def test_pages_of_staff_are_not_shown_by_the_back_button(portal: Live, person: Callable[..., Person]) -> None:
    stranger = person()
    stranger.open("/staff/requests").sees("I cannot sign in")
    assert "/staff/login" in stranger.page.url


def _scan(person: Person, link: str) -> None:
    """What a careful mail scanner does: open, run scripts, wait half a minute, go through everything but buttons."""
    person.page.clock.install()
    person.open(link)
    person.page.clock.fast_forward(30_000)
    person.page.wait_for_load_state("networkidle")
    person.page.request.head(link)


def _state(portal: Live, address: str) -> str | None:
    with sqlite3.connect(portal.folder / "portal.db") as database:
        row = database.execute("SELECT state FROM subscriber WHERE address = ?", (address,)).fetchone()
    return row[0] if row else None


def _english(words: str) -> str:
    return words


def _spanish(words: str) -> str:
    """What the catalogue says for these words."""
    from babel.messages.pofile import read_po

    folder = Path(__file__).resolve().parents[2] / "portal" / "translations" / "es" / "LC_MESSAGES"
    with (folder / "messages.po").open("rb") as file:
        catalogue = read_po(file)
    message = catalogue.get(words)
    if message is not None:
        return str(message.string)
    return {"Confirm": "Confirme", "signed up": "inscripción está confirmada"}[words]
