"""Whatever page says that a mail comes, one comes: each form, sent in each way, by somebody in each state."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from itertools import product

import pytest
from flask import Flask

from portal.newsletter.models import State
from tests.conftest import Clock
from tests.newsletter.people import ADDRESS, make_subscriber
from tests.pages import Page, Visitor
from tests.promises import TESTS

PROMISES = re.compile(
    r"sending an email|enviando un correo|we are sending it|an email with the link comes|correo con el enlace"
    r"|it comes by email|we answer by email|we will answer by",
    re.IGNORECASE,
)


# What a page says of a mail in any words, and the test that shows how that comes true: for each such page.
OF_MAIL = re.compile(
    r"\b(we|have) (are |have |will |then )?(sending|send|sent|answer|mail)\b|\bemail (with|comes)\b|\bgoes by email\b"
    r"|\bby email\b|\bmail comes\b",
    re.IGNORECASE,
)
NO_PROMISE = {
    "errors/page.html": "links we sent",
    "intake/first_receipt.html": "a form they sent",
    **dict.fromkeys(
        ("newsletter/archive.html", "newsletter/edition.html", "site/home.html"), "a link to a form"
    ),
}
HERE = "journeys/test_promises.py::a_page_that_promises_a_mail_is_followed_by_one"
ANSWERED = "staff/test_request.py::an_answer_goes_to_the_prescriber"
SHOWN = {
    "asker/code.html": "asker/test_pages.py::"
    "a_code_goes_to_where_the_answer_goes_and_is_in_no_table_but_the_mails_own",
    "asker/read.html": "asker/test_pages.py::asking_again_opens_it_with_a_new_promise_for_who_answered",
    **dict.fromkeys(("intake/check.html", "intake/consultation.html", "intake/resources.html"), HERE),
    **dict.fromkeys(("intake/promise.html", "newsletter/check_email.html", "newsletter/signup.html"), HERE),
    "newsletter/leave_asked.html": HERE,
    "intake/receipt.html": "intake/test_views.py::a_receipt_says_what_became_of_its_mail",
    "newsletter/preferences.html": "newsletter/test_preferences.py::"
    "who_asks_to_erase_again_gets_the_mail_when_the_quarter_of_an_hour_is_over",
    "signin/recovery.html": "signin/test_holes.py::"
    "hole_3_a_recovery_code_is_taken_as_people_type_it_and_told_by_mail",
    "staff/_case_forms.html": ANSWERED,
    "staff/notices.html": "staff/test_wishes.py::one_mail_in_the_morning_when_we_open",
    "staff/people_invite.html": "staff/test_people.py::an_invitation_goes_out_by_mail_and_makes_an_account",
}


@dataclass(frozen=True)
class Form:
    """One that a stranger may send: its address, its button, and the one on the page to check what was typed."""

    path: str
    button: str
    confirm: str = ""
    answers: dict[str, str | list[str]] = field(default_factory=dict)
    states: tuple[State | None, ...] = (None,)
    haste: str = "Press once more"

    def __str__(self) -> str:
        return self.path


# Who complained, or was blocked, is told on the page that none is sent.
ANYBODY = (None, State.PENDING, State.ACTIVE, State.PAUSED, State.UNSUBSCRIBED, State.BOUNCED)
ASKS: dict[str, str | list[str]] = {
    "name": "Ana Ruiz",
    "npi": "1234567893",
    "topics": ["dosing"],
    "question": "How slowly should the dose be raised in an adult who sleeps badly on 3 mg?",
    "contact_method": "email",
}
WANTS: dict[str, str | list[str]] = {"name": "Ana Ruiz", "items": ["prescriber-guide"], "delivery": "email"}
FORMS = (
    Form("/newsletter", "Sign up", states=ANYBODY),
    Form("/es/boletin", "Inscribirme", states=ANYBODY, haste="Oprima una vez más"),
    Form("/newsletter/unsubscribe", "Send me the link to stop", states=(State.ACTIVE, State.PAUSED)),
    Form("/requests/consultation", "Continue", "Send my question", ASKS),
    Form("/requests/resources", "Continue", "Send my request", WANTS),
)
WAYS = ("as a person does", "in haste", "with the trap filled", "twice", "from a page with a spoiled token")
CASES = [(form, way, state) for form, way in product(FORMS, WAYS) for state in form.states]


def test_each_page_that_speaks_of_a_mail_has_its_test() -> None:
    folder = TESTS.parent / "templates"
    pages = [path.relative_to(folder).as_posix() for path in folder.rglob("*.html")]
    speak = {
        page
        for page in pages
        if not page.startswith("mail/") and OF_MAIL.search(said((folder / page).read_text()))
    }

    assert speak == SHOWN.keys() | NO_PROMISE.keys()
    for test in SHOWN.values():
        path, _, name = test.partition("::")
        assert f"def test_{name}(" in (TESTS / path).read_text(), test


def said(template: str) -> str:
    """The words of a template, without its comments and tags."""
    return " ".join(re.sub(r"\{#.*?#\}|<[^>]+>", " ", template, flags=re.DOTALL).split())


@pytest.mark.slow
@pytest.mark.parametrize(("form", "way", "state"), CASES, ids=str)
def test_a_page_that_promises_a_mail_is_followed_by_one(
    form: Form,
    way: str,
    state: State | None,
    app: Flask,
    visitor: Visitor,
    clock: Clock,
    outbox: Callable[[], list[EmailMessage]],
) -> None:
    if state is not None:
        make_subscriber(app, state)
    ends = [send(visitor, form, way)]
    if way == "twice":
        ends.append(send(visitor, form, way))

    promised = [bool(PROMISES.search(end.text)) for end in ends]
    assert all(promised) or any(form.haste in end.text for end in ends), ends[0].text[:600]
    clock.tick(hours=1)
    came = [mail for mail in outbox() if mail["To"].lower() == ADDRESS.lower()]
    assert came or not any(promised), f"{form}, {way}, {state}: {ends[-1].text[:600]}"


def send(visitor: Visitor, form: Form, way: str) -> Page:
    """To the page where it ends; whatever asks for one more press gets it."""
    page = visitor.open(form.path).set(email=ADDRESS, **form.answers)
    if way == "with the trap filled" and page.soup.select_one("[name=office_code]"):
        page.set(office_code="x")
    if way.endswith("spoiled token") and page.soup.select_one("[name=form_token]"):
        page.set(form_token="spoiled")
    page = page.press(form.button, wait=0.2 if way == "in haste" else 5)
    for _ in range(3):
        again = [words for words in (form.confirm, form.button) if words and _has(page, words)]
        if not again or (PROMISES.search(page.text) and page.status == 200 and not form.confirm):
            break
        if page.status in (400, 422):
            assert not PROMISES.search(page.text), "it says that something comes, and asks to press again"
        page = page.press(again[0], wait=0.2)
    return page


def _has(page: Page, words: str) -> bool:
    return any(" ".join(button.get_text(" ").split()) == words for button in page.soup.find_all("button"))
