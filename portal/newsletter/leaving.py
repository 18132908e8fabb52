"""Leaving without a whole link: type the address, and the link comes by mail.

Asking is one row, the same for every address; the worker answers it, so that nobody learns who is on the list.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import aliased

from portal import tokens
from portal.db import db, transaction
from portal.newsletter import letters, subscriptions
from portal.newsletter.models import ON_THE_LIST, LeaveRequest, SpentLink, Subscriber, key_of

REST = timedelta(minutes=15)  # between two such mails to one address
BATCH = 50


def ask(address: str, *, at: datetime) -> None:
    """Keep that somebody typed this address."""
    db.session.add(LeaveRequest(address=address, address_key=key_of(address), at=at))


def answer(*, at: datetime) -> bool:
    """Mail their link to those on the list who asked, within 15 minutes of the last one when these are over; whether
    there may be more."""
    waiting = select(LeaveRequest).where(LeaveRequest.answered_at.is_(None), ~_has_it(at))
    with transaction():
        found = db.session.scalars(
            waiting.order_by(LeaveRequest.id).limit(BATCH).with_for_update(skip_locked=True)
        ).all()
        for asked in {row.address_key: row for row in found}.values():
            subscriber = subscriptions.find(asked.address)
            if subscriber is not None and subscriber.state in ON_THE_LIST:
                letters.write_to(subscriber, "leave", at=at)
                asked.mailed_at = at
        for asked in found:
            asked.answered_at = at
    return len(found) == BATCH


def spend(subscriber: Subscriber, *, at: datetime) -> None:
    """Remember that the link to leave was ours, before the row that says so is deleted."""
    db.session.add(SpentLink(digest=subscriber.leave_digest, at=at))


def was_ours(token: str) -> bool:
    """Whether this link to leave was once given to somebody whom we have forgotten."""
    query = select(SpentLink.id).where(SpentLink.digest == tokens.digest(token))
    return db.session.scalar(query) is not None


def _has_it(at: datetime) -> ColumnElement[bool]:
    """Whether the address of a row got such a mail a moment ago."""
    mailed = aliased(LeaveRequest)
    recent = select(mailed.id).where(
        mailed.address_key == LeaveRequest.address_key, mailed.mailed_at > at - REST, mailed.mailed_at <= at
    )
    return recent.exists()
