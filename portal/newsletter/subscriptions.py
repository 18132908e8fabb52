"""A subscriber's own acts: confirm, choose, pause, go on, leave. Each leaves a consent event.

Only `confirm` makes or revives a subscriber, and only for a token that was mailed to that very address. Tokens are
looked up by their hash, never compared as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal import addresses, tokens
from portal.db import db
from portal.errors import Conflict, Expired, NotFound, Refused
from portal.newsletter import letters, proof, tombstones
from portal.newsletter.models import (
    ALLOWED,
    ON_THE_LIST,
    ConsentKind,
    Language,
    MailedToken,
    Means,
    Purpose,
    Reason,
    Signup,
    State,
    Subscriber,
    Subscription,
    Topic,
    TopicState,
    key_of,
)

PAUSES = (30, 90)  # days


def confirm(token: str, *, network: str, keys: Sequence[str], at: datetime) -> Subscriber:
    """Put the person on the list, as they asked in their sign-up; a second time changes nothing.

    Raises NotFound for a token that is unknown or too old, and Expired for one whose work has been undone since.
    """
    mailed = mailed_token(token, Purpose.CONFIRM, at=at, lock=True)
    signup = db.session.get_one(Signup, mailed.signup_id)
    subscriber = find(signup.address)
    if mailed.used_at is not None:
        if subscriber is None or subscriber.state not in ON_THE_LIST:
            raise Expired
        return subscriber
    subscriber = subscriber or _make(signup.address, Language(signup.language), at)
    if subscriber.state == State.COMPLAINED:
        raise Expired
    mailed.used_at = at
    was_on = subscriber.state in ON_THE_LIST
    if subscriber.state != State.ACTIVE:
        move(subscriber, State.ACTIVE)
    subscriber.confirmed_at, subscriber.left_at = at, None
    subscriber.language = Language(signup.language)
    choose(subscriber, [Topic(word) for word in signup.topics.split(",")], at)
    tombstones.lift_block(signup.address, keys=keys)
    proof.record_agreement(
        signup, subscriber, ConsentKind.REQUESTED, at=signup.at, network=signup.network, page=signup.page
    )
    proof.record_agreement(
        signup, subscriber, ConsentKind.CONFIRMED, at=at, network=network, page=addresses.CONFIRM.root
    )
    if not was_on:
        letters.write_to(subscriber, "welcome", at=at)
    return subscriber


def not_me(token: str, *, network: str, keys: Sequence[str], at: datetime) -> None:
    """The owner of the address did not ask: no confirm mails for a year, and off the list if it was done already.

    Raises NotFound for a token that is unknown or too old.
    """
    mailed = mailed_token(token, Purpose.CONFIRM, at=at, lock=True)
    address = db.session.get_one(Signup, mailed.signup_id).address
    tombstones.put(address, Reason.BLOCKED, keys=keys, at=at, until=at + tombstones.BLOCKED_FOR)
    subscriber = find(address)
    if subscriber is not None and mailed.used_at is not None:
        leave(subscriber, means=Means.PAGE, network=network, at=at)


def set_topics(subscriber: Subscriber, topics: Iterable[Topic], *, network: str, at: datetime) -> None:
    """Choose topics; raises Conflict when the person is not on the list."""
    _must_be_on(subscriber)
    wanted = [topic for topic in Topic if topic in set(topics)]
    if wanted != subscriber.topics:
        choose(subscriber, wanted, at)
        proof.record_act(subscriber, ConsentKind.TOPICS, network=network, at=at)


def set_language(subscriber: Subscriber, language: Language, *, network: str, at: datetime) -> None:
    """Choose the language of the mails; raises Conflict when the person is not on the list."""
    _must_be_on(subscriber)
    if language != subscriber.language:
        subscriber.language = language
        proof.record_act(subscriber, ConsentKind.LANGUAGE, network=network, at=at)


def pause(subscriber: Subscriber, days: int, *, network: str, at: datetime) -> None:
    """No mail for 30 or 90 days from now; raises Refused for other numbers, Conflict when not on the list."""
    if days not in PAUSES:
        raise Refused("Choose 30 or 90 days.")
    _must_be_on(subscriber)
    if subscriber.state == State.ACTIVE:
        move(subscriber, State.PAUSED)
    subscriber.paused_until = at + timedelta(days=days)
    proof.record_act(subscriber, ConsentKind.PAUSED, network=network, at=at)


def resume(subscriber: Subscriber, *, at: datetime, means: Means = Means.PAGE, network: str = "") -> None:
    """End a pause; without one nothing changes."""
    if subscriber.state == State.PAUSED:
        move(subscriber, State.ACTIVE)
        proof.record_act(subscriber, ConsentKind.RESUMED, means=means, network=network, at=at)


def unsubscribe(token: str, *, means: Means, network: str, at: datetime) -> str | None:
    """Leave by the link of a mail, at once; returns the person's language, None for a link that is nobody's now."""
    subscriber = find_by_leave(token, lock=True)
    if subscriber is None:
        return None
    leave(subscriber, means=means, network=network, at=at)
    return subscriber.language


def leave(subscriber: Subscriber, *, means: Means, network: str, at: datetime) -> None:
    """Stop all mails; again changes nothing. What was chosen stays, should the person come back."""
    if State.UNSUBSCRIBED in ALLOWED[State(subscriber.state)]:
        move(subscriber, State.UNSUBSCRIBED)
        subscriber.left_at = at
        proof.record_act(subscriber, ConsentKind.LEFT, means=means, network=network, at=at)


def find(address: str) -> Subscriber | None:
    """Whoever has that address."""
    query = select(Subscriber).where(Subscriber.address_key == key_of(address)).with_for_update()
    return db.session.scalars(query).one_or_none()


def find_by_leave(token: str, *, lock: bool = False) -> Subscriber | None:
    """Whose link to leave this is."""
    query = select(Subscriber).where(Subscriber.leave_digest == tokens.digest(token))
    return db.session.scalars(query.with_for_update() if lock else query).one_or_none()


def get_by_preferences(token: str, *, lock: bool = False) -> Subscriber:
    """Whose preferences this opens; raises NotFound."""
    query = select(Subscriber).where(Subscriber.preferences_digest == tokens.digest(token))
    subscriber = db.session.scalars(query.with_for_update() if lock else query).one_or_none()
    if subscriber is None:
        raise NotFound
    return subscriber


def mailed_token(token: str, purpose: Purpose, *, at: datetime, lock: bool = False) -> MailedToken:
    """What a mailed secret opens, used or not; raises NotFound when it is unknown or too old."""
    query = select(MailedToken).where(
        MailedToken.token_hash == tokens.digest(token),
        MailedToken.purpose == purpose,
        MailedToken.expires_at > at,
    )
    found = db.session.scalars(query.with_for_update() if lock else query).one_or_none()
    if found is None:
        raise NotFound
    return found


def asked(token: str, *, at: datetime) -> Signup:
    """The sign-up that a confirm link stands for; raises NotFound when pressing its button would do nothing."""
    mailed = mailed_token(token, Purpose.CONFIRM, at=at)
    signup = db.session.get_one(Signup, mailed.signup_id)
    state = db.session.scalar(select(Subscriber.state).where(Subscriber.address_key == signup.address_key))
    if state == State.COMPLAINED or (mailed.used_at is not None and state not in ON_THE_LIST):
        raise NotFound
    return signup


def enrol(address: str, language: Language, *, at: datetime, state: State = State.PENDING) -> Subscriber:
    """A new subscriber with new secrets, in the session, and nothing chosen yet."""
    handle = tokens.new_token()
    subscriber = Subscriber(
        address=address,
        address_key=key_of(address),
        language=language,
        state=state,
        handle=handle,
        leave_digest=tokens.digest(letters.secret("leave", handle)),
        preferences_digest=tokens.digest(letters.secret("preferences", handle)),
        created_at=at,
    )
    db.session.add(subscriber)
    return subscriber


def _make(address: str, language: Language, at: datetime) -> Subscriber:
    """Two links for one new address, pressed at once on two machines, make one subscriber."""
    try:
        with db.session.begin_nested():
            subscriber = enrol(address, language, at=at)
            db.session.flush()
    except IntegrityError:
        found = find(address)
        if found is None:
            raise
        return found
    return subscriber


def move(subscriber: Subscriber, to: State) -> None:
    """From one state to another; raises Conflict where the table allows no such way."""
    if to not in ALLOWED[State(subscriber.state)]:
        raise Conflict
    subscriber.state = to
    subscriber.paused_until = None


def _must_be_on(subscriber: Subscriber) -> None:
    if subscriber.state not in ON_THE_LIST:
        raise Conflict


def choose(subscriber: Subscriber, topics: Sequence[Topic], at: datetime) -> None:
    """Set which topics are wanted; the others of theirs are stopped."""
    known = {row.topic: row for row in subscriber.subscriptions}
    for topic in Topic:
        state = TopicState.CHOSEN if topic in topics else TopicState.STOPPED
        row = known.get(topic)
        if row is None and state == TopicState.CHOSEN:
            subscriber.subscriptions.append(Subscription(topic=topic, state=state, changed_at=at))
        elif row is not None and row.state != state:
            row.state, row.changed_at = state, at
