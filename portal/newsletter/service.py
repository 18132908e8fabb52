"""Sign-ups: each is one row, written without looking whether the address is known, and answered afterwards.

So every address gets the same answer in the same time, and no stored column of an existing person changes. The
worker decides what to mail and promises that mail in the transaction that marks the sign-up answered: nothing that
was accepted is lost, and nothing is answered twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from portal import addresses, tokens
from portal.db import db, transaction
from portal.errors import Conflict, Unavailable
from portal.mail import promise as mail
from portal.mail import wire
from portal.mail.models import Lane
from portal.newsletter import letters, subscriptions, tombstones
from portal.newsletter.consent import FOREIGN, Words
from portal.newsletter.models import (
    ON_THE_LIST,
    Answer,
    MailedToken,
    Means,
    Purpose,
    Reason,
    Signup,
    Source,
    State,
    Subscriber,
    key_of,
)
from portal.settings import settings

log = logging.getLogger(__name__)

LINK_LIFETIME = timedelta(days=7)
BATCH = 50
REST_AFTER_FAULT = timedelta(minutes=15)

# How many mails sign-ups may cause; what is over a limit waits its turn.
PER_ADDRESS = ((timedelta(minutes=15), 1), (timedelta(days=1), 3))
PER_NETWORK = (timedelta(hours=1), 10)
EVERYBODY = (timedelta(hours=1), 200)
MAILED = (Answer.CONFIRM, Answer.ALREADY)

# Core, not the ORM: this is the one write that a stranger can cause at will (docs/performance.md).
_INSERT = insert(cast(Table, Signup.__table__))


def as_row(
    *,
    email: str,
    topics: Sequence[str],
    language: str,
    words: Words,
    source: str,
    page: str,
    network: str,
    form_token: str,
    at: datetime,
) -> dict[str, Any]:
    """One sign-up as it is kept: what was asked, and the evidence of the consent."""
    return {
        "form_token": form_token,
        "address": email,
        "address_key": key_of(email),
        "language": language,
        "topics": ",".join(topics),
        "source": source,
        "page": page,
        "text_id": words.id,
        "text_version": words.version,
        "text_sha256": words.sha256,
        "foreign_text": words.text if words.id == FOREIGN else None,
        "network": network,
        "signals": "",  # of earlier versions
        "message_id": wire.new_message_id(settings().MAIL_FROM, tokens.digest(form_token)[:32]),
        "at": at,
        "due_at": at,
    }


def sign_up(*rows: dict[str, Any]) -> None:
    """Accept sign-ups. The same form token twice raises IntegrityError: see `was_accepted_before`."""
    db.session.execute(_INSERT, rows)


def was_accepted_before(error: IntegrityError) -> bool:
    """Whether the database refused a sign-up because this very form was sent before."""
    return "form_token" in str(error.orig)


def set_right(*, at: datetime) -> bool:
    """Give back to the present what a clock that ran ahead had put off: no limit puts anything off for longer."""
    with transaction():
        late = update(Signup).where(
            Signup.answered_at.is_(None),
            Signup.due_at > at + PER_ADDRESS[-1][0],
            Signup.source != Source.IMPORT,  # asked one after the other, for days
        )
        db.session.execute(late.values(due_at=at))
    return False


def answer_signups(*, keys: Sequence[str], at: datetime, limit: int = BATCH) -> int:
    """Answer those that wait, at most `limit`, each in its own transaction; returns how many were answered.

    A sign-up that cannot be answered (a fault of ours) is logged and rests, so that it holds nobody else up.
    """
    answered = 0
    while answered < limit:
        signup_id: int | None = None
        try:
            with transaction():
                signup = _next_due(at)
                if signup is None or _is_enough(at, answered):
                    return answered
                signup_id = signup.id
                if _hold_network(signup, at):
                    continue
                if _is_asked_again(signup):
                    signup.answer, signup.answered_at = Answer.LIMITED, at
                elif wait := _until_free(signup, at):
                    signup.due_at = wait
                    continue
                else:
                    signup.answer, signup.answered_at = _answer(signup, keys, at), at
        except Unavailable:
            raise
        except Exception as error:
            log.error(
                "a sign-up could not be answered", extra={"signup": signup_id, "reason": type(error).__name__}
            )
            if signup_id is None:
                raise
            with transaction():
                waits = update(Signup).where(Signup.id == signup_id, Signup.answered_at.is_(None))
                db.session.execute(waits.values(due_at=at + REST_AFTER_FAULT))
            continue
        answered += 1
    return answered


def end_pauses(*, at: datetime, limit: int = BATCH) -> bool:
    """Go on with those whose pause is over; whether there may be more."""
    with transaction():
        over = select(Subscriber).where(Subscriber.state == State.PAUSED, Subscriber.paused_until <= at)
        found = db.session.scalars(over.limit(limit).with_for_update(skip_locked=True)).all()
        for subscriber in found:
            subscriptions.resume(subscriber, means=Means.TIME, at=at)
    return len(found) == limit


def soonest(at: datetime) -> datetime | None:
    """When the next sign-up that is not due yet falls due; None when none waits."""
    waits = (Signup.answered_at.is_(None), Signup.due_at > at)
    return db.session.scalar(select(func.min(Signup.due_at)).where(*waits))


def _next_due(at: datetime) -> Signup | None:
    """The next sign-up to answer, and all that wait of the same address locked with it, so that two workers
    cannot both find an address under its limit; all lock in the order of ids, so that none waits in a ring."""
    waits = (Signup.answered_at.is_(None), Signup.due_at <= at)
    due = select(Signup.address_key).where(*waits).order_by(Signup.due_at, Signup.id).limit(1)
    while (address := db.session.scalar(due)) is not None:
        same = select(Signup).where(Signup.address_key == address, Signup.answered_at.is_(None))
        locked = same.order_by(Signup.id).with_for_update().execution_options(populate_existing=True)
        still = [signup for signup in db.session.scalars(locked) if signup.due_at <= at]
        if still:  # else another worker answered them while we waited
            return min(still, key=lambda signup: (signup.due_at, signup.id))
    return None


def _answer(signup: Signup, keys: Sequence[str], at: datetime) -> Answer:
    """What this sign-up gets, its mail promised."""
    subscriber = subscriptions.find(signup.address)
    barred = tombstones.reasons(signup.address, keys=keys, at=at)
    if Reason.COMPLAINED in barred or (subscriber is not None and subscriber.state == State.COMPLAINED):
        return Answer.BARRED
    if subscriber is not None and subscriber.state in ON_THE_LIST:
        letters.write_to(subscriber, "already", at=at, message_id=signup.message_id)
        return Answer.ALREADY
    if Reason.BLOCKED in barred:
        return Answer.BARRED
    mail_link(signup, "confirm", at=at, message_id=signup.message_id)
    return Answer.CONFIRM


def mail_link(
    signup: Signup, message: str, *, at: datetime, message_id: str = "", lane: Lane = Lane.NOW
) -> None:
    """Mail a new confirm link; only its hash stays here. Nothing the sign-up typed is in the mail."""
    token = tokens.new_token()
    db.session.add(
        MailedToken(
            token_hash=tokens.digest(token),
            purpose=Purpose.CONFIRM,
            signup_id=signup.id,
            created_at=at,
            expires_at=at + LINK_LIFETIME,
        )
    )
    mail.promise(
        f"newsletter/{message}",
        to=signup.address,
        facts={
            "confirm_path": addresses.CONFIRM.of(token=token),
            "imported": signup.source == Source.IMPORT,
        },
        cause=f"signup:{signup.id}",
        at=at,
        language=signup.language,
        message_id=message_id,
        lane=lane,
    )


def mail_again(signup: Signup, *, at: datetime) -> None:
    """Mail the button once more; the limit of an address holds for staff too. Raises Conflict over it."""
    if _until_free(signup, at):
        raise Conflict("They had the mail minutes ago, or three of them today. Try again later.")
    mail_link(signup, "confirm", at=at)
    signup.answered_at, signup.answer = at, Answer.CONFIRM


def _mailed_since(since: datetime, *only: object) -> int:
    query = select(func.count()).where(Signup.answered_at > since, Signup.answer.in_(MAILED), *only)  # type: ignore[arg-type]
    return db.session.scalar(query) or 0


def _until_free(signup: Signup, at: datetime) -> datetime | None:
    """When this address may have its next mail; None for now."""
    theirs = Signup.address_key == signup.address_key
    waits = [
        _free_again(at, span, theirs)
        for span, most in PER_ADDRESS
        if _mailed_since(at - span, theirs) >= most
    ]
    return max(waits, default=None)


def _is_asked_again(signup: Signup) -> bool:
    """Whether a later sign-up of this address waits: its mail, with its topics and language, is the one to send."""
    later = select(Signup.id).where(
        Signup.address_key == signup.address_key, Signup.id > signup.id, Signup.answered_at.is_(None)
    )
    return db.session.scalar(later.limit(1)) is not None


def _is_enough(at: datetime, answered: int) -> bool:
    """Whether the portal has mailed enough for now: all who wait go on doing so, and no row says it of each."""
    span, most = EVERYBODY
    if _mailed_since(at - span) < most:
        return False
    if answered:  # once, as it begins
        log.warning("sign-up mails are at their limit", extra={"limit": most})
    return True


def _hold_network(signup: Signup, at: datetime) -> bool:
    """Whether this sign-up must wait because its network has had its mails for the hour."""
    span, most = PER_NETWORK
    if not signup.network:  # of a file
        return False
    if _mailed_since(at - span, Signup.network == signup.network) < most:
        return False
    signup.due_at = _free_again(at, span, Signup.network == signup.network)
    return True


def _free_again(at: datetime, span: timedelta, *only: object) -> datetime:
    """When the oldest mail of the window leaves it."""
    oldest = select(func.min(Signup.answered_at)).where(
        Signup.answered_at > at - span,
        Signup.answer.in_(MAILED),
        *only,  # type: ignore[arg-type]
    )
    return (db.session.scalar(oldest) or at) + span
