"""One reminder, two days after a sign-up whose button was not pressed; never a second."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from portal.db import db, transaction
from portal.mail.models import Lane
from portal.newsletter import service, subscriptions, tombstones
from portal.newsletter.models import ON_THE_LIST, Answer, MailedToken, Reason, Signup, Source, State

REMIND_AFTER = timedelta(hours=48)


def remind(*, keys: Sequence[str], at: datetime) -> bool:
    """Remind one address that asked two days ago and has not pressed the button; whether there may be more."""
    with transaction():
        return _remind_next(keys, at)


def _remind_next(keys: Sequence[str], at: datetime) -> bool:
    """Remind one address that asked two days ago and has not pressed the button; False when there is none."""
    asked_long_ago = (
        select(Signup)
        .where(
            Signup.answer == Answer.CONFIRM,
            Signup.source != Source.IMPORT,  # asked once
            Signup.reminded_at.is_(None),
            Signup.answered_at <= at - REMIND_AFTER,
            Signup.answered_at > at - service.LINK_LIFETIME,
        )
        .order_by(Signup.answered_at.desc())
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    signup = db.session.scalars(asked_long_ago).first()
    if signup is None:
        return False
    address = Signup.address_key == signup.address_key
    reminded = db.session.scalar(select(func.count()).where(address, Signup.reminded_at.is_not(None)))
    used = db.session.scalar(
        select(func.count())
        .select_from(MailedToken)
        .join(Signup, MailedToken.signup_id == Signup.id)
        .where(address, MailedToken.used_at.is_not(None))
    )
    barred = tombstones.reasons(signup.address, keys=keys, at=at) - {Reason.ERASED}
    subscriber = subscriptions.find(signup.address)
    is_done = subscriber is not None and subscriber.state in (*ON_THE_LIST, State.COMPLAINED)
    db.session.execute(update(Signup).where(address, Signup.answer == Answer.CONFIRM).values(reminded_at=at))
    if not (reminded or used or barred or is_done):
        service.mail_link(signup, "reminder", at=at, lane=Lane.SOON)
    return True
