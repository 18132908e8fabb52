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

pytestmark = pytest.mark.slow

PROMISES = re.compile(
    r"sending an email|enviando un correo|we are sending it|an email with the link comes|correo con el enlace"
    r"|comes to you the way you chose|we answer the way you chose|we will answer by",
    re.IGNORECASE,
)


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
