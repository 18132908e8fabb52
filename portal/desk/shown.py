"""What one word of the list's status asks for: which requests are late, due today, to call, snoozed and so on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, Select, and_, bindparam, or_, select

from portal.db import UTCDateTime
from portal.desk.filters import (
    ALL_WORD,
    CALL_WORD,
    LATE_WORD,
    OPEN_WORD,
    REAL_WORD,
    REFUSED_WORD,
    SNOOZED_WORD,
    TODAY_WORD,
)
from portal.intake.models import DUE, OPEN, ContactMethod, Request, Status
from portal.mail import lanes
from portal.people.models import Habit
from portal.settings import settings


@dataclass(frozen=True)
class Moment:
    """When it is asked, and the pharmacy's day at that moment; or the places of these in a statement."""

    at: Any
    tomorrow: Any
    today: Any


AT = Moment(
    bindparam("at", type_=UTCDateTime),
    bindparam("tomorrow", type_=UTCDateTime),
    bindparam("today", type_=Date),
)


def shown(word: str, at: Moment, status: Any) -> list[ColumnElement[bool]]:
    """What one word of the list's status asks for."""
    due, awake = status.in_(DUE), is_awake(at)
    named: dict[str, list[ColumnElement[bool]]] = {
        OPEN_WORD: [status.in_(OPEN), awake],
        LATE_WORD: [due, Request.answer_by < at.at],  # snoozed or not: the promise does not rest
        TODAY_WORD: [due, Request.answer_by >= at.at, Request.answer_by < at.tomorrow, awake],
        CALL_WORD: [_is_to_call(at, status)],
        SNOOZED_WORD: [status.in_(OPEN), Request.snoozed_until > at.at],
        REFUSED_WORD: [_is_refused()],
        REAL_WORD: [status != Status.SPAM],
        ALL_WORD: [],
    }
    return named.get(word, [status == word, *([awake] if word in OPEN else [])])


def _is_to_call(at: Moment, status: Any) -> ColumnElement[bool]:
    """Whether a call is wanted and no time was set for it; or whether that time has come, snoozed or not.

    The call that was agreed after an answer is looked up by its time: of what is answered there may be very much.
    """
    wants = and_(status.in_(DUE), Request.contact_method == ContactMethod.PHONE, Request.call_at.is_(None))
    is_time = and_(status.in_(OPEN), Request.call_at <= at.at)
    return or_(and_(wants, is_awake(at)), is_time, is_to_call_after_answer(at.at))


def is_to_call_after_answer(at: Any) -> ColumnElement[bool]:
    """Whether it was answered, and the time of the call that was agreed has come."""
    return and_(Request.status.concat("") == Status.ANSWERED, Request.call_at <= at)


def is_awake(at: Moment) -> ColumnElement[bool]:
    """Whether it is not set aside, whether or not the job that says so has come by."""
    return or_(Request.snoozed_until.is_(None), Request.snoozed_until <= at.at)


def away(at: Moment) -> Select[int]:
    """Who is out of office."""
    return select(Habit.user_id).where(Habit.away_until >= at.today)


def today_of(at: datetime) -> date:
    """The pharmacy's day."""
    return at.astimezone(settings().ORG.timezone).date()


def tomorrow_of(at: datetime) -> datetime:
    """The end of the pharmacy's day."""
    zone = settings().ORG.timezone
    return datetime.combine(at.astimezone(zone).date() + timedelta(days=1), time(), tzinfo=zone)


def _is_refused() -> ColumnElement[bool]:
    return Request.reference.in_(lanes.refused_of("request"))
