"""What a mail that came back does to a subscription: a score that anybody can count by hand, and never by a policy.

No such mailbox stops at once (1.0), another permanent failure counts half, a full or silent mailbox a third; at
most one mark a day. Marks vanish with a fresh confirmation, by staff, after 180 days, and when a later edition was
taken and had not come back for a week. Who complains gets nothing more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from portal import audit
from portal.db import db
from portal.errors import Conflict
from portal.mail import returns, verp
from portal.mail.dsn import Kind
from portal.mail.models import Lane
from portal.mail.returns import Back, Ear
from portal.newsletter import proof, subscriptions, tombstones
from portal.newsletter.models import ALLOWED, ON_THE_LIST, ConsentKind, Means, Reason, State, Subscriber
from portal.settings import settings

log = logging.getLogger(__name__)

MESSAGES = ("newsletter/", "editions/")
LIMIT = 1.0
FORGOTTEN_AFTER = timedelta(days=180)
QUIET = timedelta(days=7)
# Their servers are out of order, not their people gone: so many at one domain, and so much of it, within an hour.
OUTAGE, OUTAGE_PEOPLE, OUTAGE_PART = timedelta(hours=1), 5, 0.2
STOP_MAILBOX = "u"


def weight(kind: str, code: str) -> float:
    """What one mail that came back counts."""
    if kind == Kind.HARD:
        return 1.0
    if kind != Kind.SOFT:
        return 0.0
    is_mailbox_or_way = code == "5.2.2" or code.startswith("5.4.")
    return 0.5 if code.startswith("5") and not is_mailbox_or_way else 0.34


def score(marks: Iterable[tuple[datetime, str, str]], taken: Sequence[datetime]) -> float:
    """The sum of one mark a day, from the last quiet week on; both in the order of time."""
    days: dict[date, float] = {}
    last: datetime | None = None
    for at, kind, code in marks:
        if not (counts := weight(kind, code)):
            continue
        if last is not None and any(last < one <= at - QUIET for one in taken):
            days.clear()
        days[at.date()] = max(days.get(at.date(), 0.0), counts)
        last = at
    return sum(days.values())


def hear(back: Back) -> None:
    """What came back of a mail to somebody who is or was on the list."""
    subscriber = subscriptions.find(back.recipient)
    if back.kind == Kind.COMPLAINT:
        complain(back.recipient, subscriber, at=back.at)
    elif subscriber is None:
        return
    elif back.kind == Kind.UNSUBSCRIBE:
        subscriptions.leave(subscriber, means=Means.MAIL, network="", at=back.at)
    elif back.kind in (Kind.HARD, Kind.SOFT):
        if back.kind == Kind.HARD and _is_outage(subscriber, back.at):
            return
        if subscriber.state in ON_THE_LIST and score_of(subscriber, back.at) >= LIMIT:
            subscriptions.move(subscriber, State.BOUNCED)
            proof.record_act(subscriber, ConsentKind.LEFT, means=Means.BOUNCE, network="", at=back.at)
            audit.record(
                None, "subscriber.bounced", f"subscriber:{subscriber.id}", at=back.at, detail=back.code
            )


def complain(address: str, subscriber: Subscriber | None, *, at: datetime) -> None:
    """Nothing more to whoever calls it unwanted, whether or not they are on the list; only staff may talk to them."""
    if subscriber is None:
        tombstones.put(address, Reason.COMPLAINED, keys=settings().keys, at=at)
    elif State.COMPLAINED in ALLOWED[State(subscriber.state)]:
        subscriptions.move(subscriber, State.COMPLAINED)
        proof.record_act(subscriber, ConsentKind.LEFT, means=Means.COMPLAINT, network="", at=at)
        audit.record(None, "subscriber.complained", f"subscriber:{subscriber.id}", at=at)


def score_of(subscriber: Subscriber, at: datetime) -> float:
    """Somebody's score now."""
    since = max(
        one
        for one in (at - FORGOTTEN_AFTER, subscriber.confirmed_at, subscriber.marks_from)
        if one is not None
    )
    marks = returns.marks_of(subscriber.address_key, MESSAGES, since)
    taken = returns.well_received(subscriber.address_key, Lane.BULK, since)
    return score([(row.at, row.kind, row.code) for row in marks], taken)


def undo(subscriber: Subscriber, *, at: datetime) -> None:
    """Put somebody whose mail came back on the list again, with a clean score; raises Conflict for anybody else."""
    if subscriber.state != State.BOUNCED:
        raise Conflict("No mail to this person came back for good.")
    subscriptions.move(subscriber, State.ACTIVE)
    subscriber.marks_from = at
    proof.record_act(subscriber, ConsentKind.RESUMED, means=Means.STAFF, network="", at=at)


def stop_address(subscriber_id: int, handle: str, domain: str) -> str:
    """Where a mail program writes to stop (RFC 2369); nothing without a domain."""
    return verp.make(STOP_MAILBOX, subscriber_id, handle, domain=domain)


def _take(address: verp.Address, at: datetime) -> str | None:
    subscriber = db.session.get(Subscriber, address.number, with_for_update=True)
    if subscriber is None or not address.is_sealed([subscriber.handle]):
        return None
    subscriptions.leave(subscriber, means=Means.MAIL, network="", at=at)
    return f"subscriber:{subscriber.id}"


def _is_outage(subscriber: Subscriber, at: datetime) -> bool:
    """Whether a whole domain says so of its people; then none of them is blamed, and who was stopped goes on."""
    domain = subscriber.address_key.rpartition("@")[2]
    since = at - OUTAGE
    gone = returns.hard_at(domain, since)
    if len(gone) < OUTAGE_PEOPLE:
        return False
    theirs = Subscriber.address_key.endswith(f"@{domain}", autoescape=True)
    there = select(func.count()).where(theirs, Subscriber.state.in_((*ON_THE_LIST, State.BOUNCED)))
    if len(gone) <= OUTAGE_PART * (db.session.scalar(there) or 0):
        return False
    returns.call_policy(gone, since)
    stopped = select(Subscriber).where(Subscriber.address_key.in_(gone), Subscriber.state == State.BOUNCED)
    for one in db.session.scalars(stopped).all():
        if score_of(one, at) < LIMIT:
            subscriptions.move(one, State.ACTIVE)
            proof.record_act(one, ConsentKind.RESUMED, means=Means.BOUNCE, network="", at=at)
    audit.record(None, "newsletter.outage", f"subscriber:{subscriber.id}", at=at, detail=str(len(gone)))
    log.warning("a mail server says of many that they are gone: none is blamed", extra={"waiting": len(gone)})
    return True


EARS = (Ear(name="newsletter", messages=MESSAGES, hear=hear, mailbox=STOP_MAILBOX, take=_take),)
