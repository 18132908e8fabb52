"""How what was promised to many goes: where its deliveries stand, how fast, and what made each mail's bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, select

from portal.db import db
from portal.mail import transport
from portal.mail.lanes import TWICE
from portal.mail.models import WAITING, Body, Delivery, State

LATELY = timedelta(minutes=1)


def standing(cause: str) -> Sequence[Any]:
    """How many of what this promised stand where: `state`, `is_doubtful` where a mail may have gone (twice), the
    `reason` of others withdrawn, `count`."""
    is_doubtful = Delivery.last_error.endswith(TWICE, autoescape=True)
    withdrawn = and_(Delivery.state == State.WITHDRAWN, ~is_doubtful)
    reason = case((withdrawn, Delivery.last_error), else_="")
    parts = (Delivery.state, is_doubtful.label("is_doubtful"), reason.label("reason"))
    query = select(*parts, func.count().label("count")).where(Delivery.cause == cause)
    return db.session.execute(query.group_by(*parts)).all()


def put_off_by_policy(cause: str) -> int:
    """How many of what this promised wait because a server refuses them by a rule."""
    waits = select(func.count()).where(Delivery.cause == cause, Delivery.state == State.QUEUED)
    return db.session.scalar(waits.where(Delivery.last_error.startswith(transport.POLICY))) or 0


def sent_for(cause: str, after: int, limit: int) -> Sequence[Any]:
    """What was sent of what this promised, in order of `id`: the rest that makes its bytes, and their `digest`."""
    query = select(
        Delivery.id, Delivery.recipient, Delivery.recipient_key, Delivery.message_id, Delivery.headers,
        Delivery.digest, Body.language, Body.names,
    ).join(Body)  # fmt: skip
    sent = query.where(Delivery.cause == cause, Delivery.state == State.SENT, Delivery.id > after)
    return db.session.execute(sent.order_by(Delivery.id).limit(limit)).all()


@dataclass(frozen=True)
class Pace:
    """How something that was promised to many goes just now."""

    in_a_minute: int  # handed over or refused in the last one
    workers: int  # that have some of it in hand
    first_due: datetime | None  # of what waits


def pace(cause: str, at: datetime) -> Pace:
    """Counted from its deliveries."""
    mine = Delivery.cause == cause
    over = (Delivery.state.in_((State.SENT, State.DEAD)), Delivery.over_at > at - LATELY)
    waits = (Delivery.state.in_(WAITING),)
    count = select(func.count()).select_from(Delivery).where(mine, *over)
    workers = select(func.count(Delivery.lease_by.distinct())).where(mine, *waits, Delivery.lease_until > at)
    first = select(func.min(Delivery.due_at)).where(mine, *waits)
    return Pace(db.session.scalar(count) or 0, db.session.scalar(workers) or 0, db.session.scalar(first))
