"""The list as staff see it: searched, filtered, one person with the evidence, and what may be done for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from portal import audit
from portal.audit import Actor
from portal.db import db
from portal.errors import Conflict, NotFound
from portal.mail import lanes
from portal.newsletter import bounces, erasure, proof, service, subscriptions
from portal.newsletter.models import (
    ConsentEvent,
    Language,
    Means,
    Signup,
    State,
    Subscriber,
    Subscription,
    TopicState,
    key_of,
)
from portal.settings import settings
from portal.text import as_cell

SHOWN = 50
COUNTED_TO = 10_000
EXPORTED = (
    "email", "state", "language", "topics", "created_at", "confirmed_at", "left_at",
    "consent_at", "consent_words", "consent_source",
)  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """Which people are meant; `part` lets a part of an address find them."""

    q: str = ""
    state: str = ""
    topic: str = ""
    language: str = ""
    part: bool = False


def search(filters: Filters, after: int = 0) -> tuple[Sequence[Subscriber], int]:
    """The newest who match, from after a number on, and the number to go on from, 0 when that was all."""
    query = _matching(filters).order_by(Subscriber.id.desc())
    if after:
        query = query.where(Subscriber.id < after)
    topics = selectinload(Subscriber.subscriptions)
    found = db.session.scalars(query.options(topics).limit(SHOWN + 1)).all()
    return found[:SHOWN], found[SHOWN - 1].id if len(found) > SHOWN else 0


def counts() -> dict[str, int]:
    """How many stand in each state, each counted to COUNTED_TO."""
    some = {
        state: select(Subscriber.id).where(Subscriber.state == state).limit(COUNTED_TO) for state in State
    }
    columns = [select(func.count()).select_from(some[state].subquery()).scalar_subquery() for state in State]
    return dict(
        zip((state.value for state in State), db.session.execute(select(*columns)).one(), strict=True)
    )


def get(subscriber_id: int, *, lock: bool = False) -> Subscriber:
    """One of them; raises NotFound."""
    found = db.session.get(Subscriber, subscriber_id, with_for_update=lock)
    if found is None:
        raise NotFound
    return found


def mails(subscriber: Subscriber) -> Sequence[Any]:
    """What was mailed to them as somebody on the list, newest first."""
    return lanes.history(subscriber.address, messages=bounces.MESSAGES)


def waiting(address: str) -> Signup | None:
    """The latest sign-up of an address that was not confirmed: they asked, and did not press the button."""
    query = select(Signup).where(Signup.address_key == key_of(address)).order_by(Signup.id.desc())
    return db.session.scalars(query.limit(1)).first()


def stop(subscriber: Subscriber, *, by: Actor, at: datetime) -> None:
    """At their word: no more mail. Raises Conflict for somebody who gets none."""
    if subscriber.state in (State.UNSUBSCRIBED, State.COMPLAINED):
        raise Conflict("They get no mail as it is.")
    subscriptions.leave(subscriber, means=Means.STAFF, network="", at=at)
    audit.record(by, "subscriber.stopped", _subject(subscriber), at=at)


def undo_bounce(subscriber: Subscriber, reason: str, *, by: Actor, at: datetime) -> None:
    """Let mail go again to somebody whose mail came back; raises Conflict for anybody else."""
    bounces.undo(subscriber, at=at)
    audit.record(by, "subscriber.undone", _subject(subscriber), at=at, detail=reason)


def ask_again(address: str, *, by: Actor, at: datetime) -> None:
    """Mail the button once more to somebody who asked and did not press it. Raises Conflict for anybody else."""
    found, signup = subscriptions.find(address), waiting(address)
    if signup is None or signup.answered_at is None or (found and found.state != State.PENDING):
        raise Conflict("Nobody with this address waits to confirm.")
    service.mail_again(signup, at=at)
    audit.record(by, "subscriber.asked_again", f"signup:{signup.id}", at=at)


def erase(subscriber: Subscriber, *, by: Actor, at: datetime) -> None:
    """Delete everything about them, at their word; a hash stays, so that no file brings them back."""
    subject = _subject(subscriber)
    erasure.forget(subscriber, network="", keys=settings().keys, at=at)
    audit.record(by, "subscriber.erased", subject, at=at)


def opened(subscriber: Subscriber, *, by: Actor, at: datetime) -> None:
    """Keep who looked at a person."""
    audit.record(by, "subscriber.opened", _subject(subscriber), at=at)


def exported(count: int, *, by: Actor | None, at: datetime) -> None:
    """Keep who took the list away."""
    audit.record(by, "newsletter.exported", "newsletter", at=at, detail=str(count))


def export(filters: Filters) -> Iterator[dict[str, str]]:
    """Each who matches, oldest first, with the evidence of their consent; no cell is a formula, no link is in it."""
    query = _matching(filters).order_by(Subscriber.id).execution_options(yield_per=500)
    for one in db.session.scalars(query):
        event = proof.agreement(one)
        values = {
            "email": one.address,
            "state": str(one.state),
            "language": str(one.language),
            "topics": ",".join(one.topics),
            "created_at": _iso(one.created_at),
            "confirmed_at": _iso(one.confirmed_at),
            "left_at": _iso(one.left_at),
            "consent_at": _iso(event.at if event else None),
            "consent_words": _words(event),
            "consent_source": event.source if event else "",
        }
        yield {name: as_cell(value) for name, value in values.items()}


def _words(event: ConsentEvent | None) -> str:
    return (event.foreign_text or f"{event.text_id}-{event.text_version}-{event.language}") if event else ""


def _matching(filters: Filters) -> Any:
    query = select(Subscriber)
    if filters.topic:  # first, for its index has them in this order
        chosen = Subscription.subscriber_id == Subscriber.id
        query = query.join(Subscription, chosen)
        query = query.where(Subscription.topic == filters.topic, Subscription.state == TopicState.CHOSEN)
    if q := key_of(filters.q.strip()):
        there = Subscriber.address_key
        query = query.where(there.contains(q, autoescape=True) if filters.part else there == q)
    if filters.state in set(State):
        query = query.where(Subscriber.state == State(filters.state))
    if filters.language in set(Language):
        query = query.where(Subscriber.language == Language(filters.language))
    return query


def _subject(subscriber: Subscriber) -> str:
    return f"subscriber:{subscriber.id}"


def _iso(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
