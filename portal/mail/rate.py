"""How fast the bulk lane may go: one row that all workers share, so that neither many nor a restart go faster.

It holds when the next mail may be begun. Whoever takes mails moves it on by as many as were taken, in the same
transaction (GCRA with no burst); what was taken and not sent is lost to the rate, never gained.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, literal, select, update

from portal.db import db
from portal.mail.models import Lane, MailRate
from portal.settings import settings

SLICE = timedelta(seconds=2)  # of the rate that one worker takes at once


def of(lane: Lane) -> float:
    """Mails a second; 0 is no limit."""
    return settings().MAIL_RATE_PER_SECOND if lane == Lane.BULK else 0.0


def rest(lane: Lane, at: datetime) -> float:
    """Seconds until the next mail may be begun."""
    rate = of(lane)
    if not rate:
        return 0.0
    next_at = db.session.scalar(select(MailRate.next_at).where(MailRate.lane == lane))
    return max(0.0, (_believed(next_at, rate, at) - at).total_seconds())


def reserve(lane: Lane, wanted: int, at: datetime) -> int:
    """Of so many mails, how many this worker may begin now, one after the other, in the caller's transaction; 0 when
    another worker was faster."""
    rate = of(lane)
    if not rate:
        return wanted
    row = select(MailRate.next_at).where(MailRate.lane == lane)
    next_at = db.session.scalar(row.with_for_update())
    if next_at is None:
        nothing = select(
            literal(lane.value), literal(datetime.min.replace(tzinfo=UTC), MailRate.next_at.type)
        )
        made = insert(MailRate).from_select(["lane", "next_at"], nothing.where(~row.exists()))
        db.session.execute(made)
    if _believed(next_at, rate, at) > at:
        return 0
    count = min(wanted, max(1, int(rate * SLICE.total_seconds())))
    moved = update(MailRate).where(MailRate.lane == lane)
    db.session.execute(moved.values(next_at=at + timedelta(seconds=count / rate)))
    return count


def _believed(next_at: datetime | None, rate: float, at: datetime) -> datetime:
    """What is further ahead than any worker takes was written by a clock that ran ahead."""
    furthest = at + max(SLICE, timedelta(seconds=1 / rate))
    return at if next_at is None or next_at > furthest else next_at
