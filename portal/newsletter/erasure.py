"""Erasing a person: only by a button behind a link mailed to the address itself, never by another link alone.

What goes: the subscriber, their sign-ups, tokens and our mails to them. What stays: a keyed hash with a reason and a
time, and consent events that point at a handle which no longer exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from portal import addresses, tokens
from portal.db import db
from portal.mail import promise as mail
from portal.newsletter import leaving, proof, subscriptions, tombstones
from portal.newsletter.models import (
    ConsentKind,
    LeaveRequest,
    MailedToken,
    Purpose,
    Reason,
    Signup,
    State,
    Subscriber,
    key_of,
)

LINK_LIFETIME = timedelta(days=7)
REST = timedelta(minutes=15)  # between two such mails to one person


def request_erase(subscriber: Subscriber, *, at: datetime) -> None:
    """Mail the address a link behind which all is erased; asked again within 15 minutes, when they are over."""
    recent = select(MailedToken.created_at).where(
        MailedToken.subscriber_id == subscriber.id,
        MailedToken.purpose == Purpose.ERASE,
        MailedToken.created_at > at - REST,
    )
    asked = db.session.scalars(recent.order_by(MailedToken.created_at)).all()
    if len(asked) > 1:
        return  # one waits already
    token = tokens.new_token()
    db.session.add(
        MailedToken(
            token_hash=tokens.digest(token),
            purpose=Purpose.ERASE,
            subscriber_id=subscriber.id,
            created_at=at,
            expires_at=at + LINK_LIFETIME,
        )
    )
    mail.promise(
        "newsletter/erase",
        to=subscriber.address,
        facts={"erase_path": addresses.ERASE.of(token=token)},
        cause=f"subscriber:{subscriber.id}",
        at=at,
        language=subscriber.language,
        not_before=asked[0] + REST if asked else None,
    )


def to_erase(token: str, *, at: datetime) -> Subscriber:
    """Whom an erase link is about; raises NotFound when it is unknown, used or too old."""
    mailed = subscriptions.mailed_token(token, Purpose.ERASE, at=at)
    return db.session.get_one(Subscriber, mailed.subscriber_id)


def erase(token: str, *, network: str, keys: Sequence[str], at: datetime) -> None:
    """Delete everything about the person behind the link; raises NotFound when there is nobody (any more)."""
    forget(to_erase(token, at=at), network=network, keys=keys, at=at)


def forget_address(address: str, *, keys: Sequence[str], at: datetime) -> bool:
    """Delete everything about whoever has this address, at their word to us; whether there was anything."""
    subscriber = subscriptions.find(address)
    if subscriber is not None:
        forget(subscriber, network="", keys=keys, at=at)
        return True
    return _forget_what_waits(key_of(address))


def forget(subscriber: Subscriber, *, network: str, keys: Sequence[str], at: datetime) -> None:
    """Delete everything about a subscriber, and remember by a hash that they asked for it."""
    proof.record_act(subscriber, ConsentKind.ERASED, network=network, at=at)
    tombstones.put(subscriber.address, Reason.ERASED, keys=keys, at=at)
    if subscriber.state == State.COMPLAINED:
        tombstones.put(subscriber.address, Reason.COMPLAINED, keys=keys, at=at)
    _forget_what_waits(subscriber.address_key)
    mail.forget(subscriber.address, messages="newsletter/")
    mail.disown(subscriber.address, keys, messages="editions/", at=at)
    leaving.spend(subscriber, at=at)
    db.session.flush()
    db.session.execute(delete(Subscriber).where(Subscriber.id == subscriber.id))
    db.session.expunge(subscriber)


def _forget_what_waits(key: str) -> bool:
    found = [
        *db.session.scalars(delete(Signup).where(Signup.address_key == key).returning(Signup.id)),
        *db.session.scalars(
            delete(LeaveRequest).where(LeaveRequest.address_key == key).returning(LeaveRequest.id)
        ),
    ]
    return bool(found)
