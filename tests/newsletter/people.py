"""Subscribers in any state, and the way a person comes to be one, for the newsletter's tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from portal.db import db, transaction
from portal.errors import TooMany
from portal.newsletter import letters, subscriptions
from portal.newsletter.models import Language, State, Subscriber, Subscription, Topic, TopicState
from tests.conftest import START
from tests.pages import Page, Visitor

ADDRESS = "Anna@mail.example"
LINK = re.compile(r"http://localhost:8000(/[^\s<>\"]*)")

Outbox = Callable[[], list[EmailMessage]]


def make_subscriber(
    app: Flask,
    state: State = State.ACTIVE,
    *,
    address: str = ADDRESS,
    language: Language = Language.EN,
    topics: Sequence[Topic] = (Topic.NEWS,),
    at: datetime | None = None,
) -> dict[str, Any]:
    """Put somebody on the list; gives back what their mails would hold."""
    at = at or START
    with app.app_context(), transaction():
        subscriber = subscriptions.enrol(address, language, at=at, state=state)
        subscriber.subscriptions = [
            Subscription(topic=topic, state=TopicState.CHOSEN, changed_at=at) for topic in topics
        ]
        if state == State.PAUSED:
            subscriber.paused_until = at + timedelta(days=30)
        if state not in (State.PENDING,):
            subscriber.confirmed_at = at
        return {
            "leave": letters.leave_path(subscriber),
            "preferences": letters.preferences_path(subscriber),
        }


def sign_up(visitor: Visitor, address: str = ADDRESS, *, page: str = "/newsletter", **fields: Any) -> Page:
    """Fill the form in and send it."""
    opened = visitor.open(page).set(email=address, **fields)
    return opened.press("Inscribirme" if page.startswith("/es") else "Sign up", status=303)


def use_up_sign_ups(app: Flask) -> None:
    """As if this visitor's network had signed up as often as it may."""
    use_up(app, "signup")


def use_up(app: Flask, name: str) -> None:
    """As if this visitor's network had done that as often as it may."""
    with pytest.raises(TooMany):
        while True:
            app.extensions["throttle"].hit(name, "127.0.0.0/24")


def head(visitor: Visitor, address: str) -> TestResponse:
    """Ask for the headers only."""
    return visitor.client.head(address, environ_base=visitor.environ, base_url="http://localhost:8000")


def confirm(visitor: Visitor, outbox: Outbox, address: str = ADDRESS, **fields: Any) -> list[EmailMessage]:
    """Sign up and press the button in the mail; gives back all mails so far."""
    sign_up(visitor, address, **fields)
    visitor.open(link_in(outbox()[-1], "/newsletter/confirm/")).press("Yes, sign me up", status=303)
    return outbox()


def link_in(mail: EmailMessage, start: str) -> str:
    """The one address of ours in a mail that begins so."""
    found = {path for path in links_of(mail, "plain") if path.startswith(start)}
    assert len(found) == 1, f"{start}: {found}"
    return found.pop()


def links_of(mail: EmailMessage, kind: str) -> set[str]:
    """Every address of ours in one part of a mail."""
    part = mail.get_body(preferencelist=(kind,))
    assert part is not None
    return set(LINK.findall(part.get_content()))


def row_of(app: Flask, address: str = ADDRESS) -> dict[str, Any] | None:
    """Every stored column of a person, and their topics."""
    with app.app_context():
        found = db.session.scalars(
            select(Subscriber).where(Subscriber.address_key == address.casefold())
        ).one_or_none()
        if found is None:
            return None
        row = {column.key: getattr(found, column.key) for column in Subscriber.__table__.columns}
        topics = {(item.topic, item.state, item.changed_at) for item in found.subscriptions}
        return {**row, "topics": sorted(topics), "chosen": [str(topic) for topic in found.topics]}


def table(app: Flask) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, to show that nothing changed."""
    with app.app_context():
        return {
            name: [tuple(row) for row in db.session.execute(select(found).order_by(*found.primary_key))]
            for name, found in db.metadata.tables.items()
        }
