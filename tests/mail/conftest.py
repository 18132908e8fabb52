"""A sink for mail that fails as it is told, and mails to put into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.db import db, transaction
from portal.mail import deliver, promise
from portal.mail.models import Delivery, Lane
from tests.conftest import START

FACTS = {
    "reference": "LDN-BCDF-GHJK",
    "kind": "resource",
    "kind_label": "Materials",
    "answer_by": START,
    "desk_path": "/staff/requests/X",
}

Promise = Callable[..., list[int]]


class Sink:
    """A transport that takes everything, but what it was told to refuse."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[bytes] = []
        self.recipients: list[str] = []
        self.senders: list[str] = []

    def send(
        self, *, delivery_id: int, created_at: datetime, sender: str, recipient: str, content: bytes
    ) -> None:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        self.sent.append(content)
        self.recipients.append(recipient)
        self.senders.append(sender)
        if outcome:
            raise outcome

    def close(self) -> None:
        pass


def hand_over(sink: Sink, lane: Lane = Lane.NOW, worker: str = "w1", **more: Any) -> int:
    """One step of a lane."""
    return deliver.deliver(lane, sink, worker=worker, **more)


def row(delivery_id: int) -> Delivery:
    db.session.expire_all()
    return db.session.get_one(Delivery, delivery_id)


@pytest.fixture
def promised(app: Flask) -> Promise:
    """Promise a notice; returns the deliveries' numbers."""

    def make(to: str | Sequence[str] = "ana@clinic.example", **more: Any) -> list[int]:
        given = {"message": "intake/notice", "cause": "test:1", "facts": FACTS, "at": START, **more}
        with app.app_context(), transaction():
            last = db.session.scalar(select(func.max(Delivery.id))) or 0
            promise.promise(given.pop("message"), to=to, **given)
            return list(
                db.session.scalars(select(Delivery.id).where(Delivery.id > last).order_by(Delivery.id))
            )

    return make
