"""Somebody who asked, with the address of their receipt, and a pharmacist who works on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask

from portal.clock import now
from portal.db import transaction
from portal.desk import perform
from portal.desk.acts import ANSWER, CLAIM, Act
from portal.intake import receipts
from portal.intake.models import Request
from portal.people.models import User
from tests.intake.samples import keys, staff, submit, the_request
from tests.pages import Page, Visitor

QUESTION = "Is 3 mg the next step?"
ANSWERED = "Yes, after two weeks without trouble."


@pytest.fixture
def ada(app: Flask) -> User:
    """A pharmacist."""
    return staff(app, "Ada Okafor")


@pytest.fixture
def receipt(app: Flask, ada: User) -> str:
    """The path of the receipt of the one request."""
    submit(app, question=QUESTION)
    return receipts.path_of(receipts.token_of(the_request(app), keys(app)))


@pytest.fixture
def act(app: Flask, ada: User) -> Callable[..., Request]:
    """Let the pharmacist do something with the one request."""

    def do(what: Act, **given: Any) -> Request:
        with app.app_context(), transaction():
            request = perform.get(the_request(app).reference)
            perform.perform(what, request, by=ada, at=now(), version=request.version, **given)
        return the_request(app)

    return do


@pytest.fixture
def answer(act: Callable[..., Request]) -> Callable[..., Request]:
    """Claim and answer it."""

    def do(text: str = ANSWERED, **given: Any) -> Request:
        act(CLAIM)
        return act(ANSWER, text=text, form_token="answer-1", **given)

    return do


@pytest.fixture
def code(outbox: Callable[[], list[EmailMessage]]) -> Callable[[], str]:
    """The code of the latest mail that has one."""

    def read() -> str:
        mails = [mail for mail in outbox() if str(mail["Subject"]).startswith("Your code")]
        found = re.search(r"\d{4} \d{4}", mails[-1].get_body(("plain",)).get_content())
        assert found
        return found[0]

    return read


@pytest.fixture
def unlocked(receipt: str, visitor: Visitor, code: Callable[[], str]) -> Callable[[], Page]:
    """Open the request with a code, as a person does; the page with everything."""

    def go() -> Page:
        page = visitor.open(f"{receipt}/code").press("Send me a code", status=303)
        return page.set(code=code()).press("Show my request", status=303)

    return go
