"""When somebody is to be called again: said in the pharmacy's time, kept until a call reached them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select

from portal import audit
from portal.db import db
from portal.desk import away
from portal.desk.acts import Given
from portal.desk.models import CallOutcome, Contact, ContactKind
from portal.errors import Refused
from portal.intake.models import Request
from portal.settings import settings

LONGEST = timedelta(days=60)
GIVE_TIME = "Enter the day and the time to call again, from now on, 60 days ahead at most"
NO_SUCH_TIME = "There is no such time on that day: the clocks change"


def again_at(given: Given, at: datetime) -> datetime | None:
    """The moment to call again, if one was given; raises Refused for half of one, and where it is asked for."""
    day, clock = given.get("day"), given.get("time")
    if day is None is clock and given.get("reason") != CallOutcome.CALL_AGAIN:
        return None
    if not isinstance(day, date) or not timedelta(0) <= day - away.today(at) <= LONGEST:
        raise Refused(GIVE_TIME, field="day")
    if not isinstance(clock, time):
        raise Refused(GIVE_TIME, field="time")
    local = datetime.combine(day, clock, tzinfo=settings().ORG.timezone)
    moment = local.astimezone(UTC)
    if moment.astimezone(local.tzinfo).time() != clock:
        raise Refused(NO_SUCH_TIME, field="time")
    if moment <= at:
        raise Refused(GIVE_TIME, field="time")
    return moment


def has_time(_request: Request, at: datetime, given: Given) -> None:
    """Raise what `again_at` would."""
    again_at(given, at)


def owed(request: Request, at: datetime) -> datetime | None:
    """The moment that the calls about it left open just before `at`: the last one named, unless a later call reached
    them. What was agreed before it was closed, and reopened since, is over."""
    calls = select(Contact).where(Contact.request_id == request.id, Contact.kind == ContactKind.CALL)
    if closed := audit.latest(request.subject, "request.closed", 1, before=at):
        calls = calls.where(Contact.written_at > closed[0].at)
    for call in db.session.scalars(calls.order_by(Contact.id.desc())):
        if call.again_at is not None or call.outcome == CallOutcome.REACHED:
            return call.again_at
    return None
