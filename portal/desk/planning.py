"""The acts that say who sees to a request, and when: give it to somebody, set it aside, take it up again."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from portal.db import db
from portal.desk import away, telling
from portal.desk.acts import EVERYBODY, Act, Given, Staff
from portal.errors import Conflict, Refused
from portal.intake.models import OPEN, Request, Status
from portal.people.models import User, holding_still
from portal.settings import settings

SELECT_PERSON = "Select a person"
NOT_HERE = "{name} is out of office until {day} and gets no new work."
NO_SUCH_PERSON = "Select somebody who works here"
IS_THEIRS = "This request is theirs already."
GIVE_DAY = "Enter a day after today, 90 days ahead at most"
LONGEST = timedelta(days=90)
BACK_AT = time(8)  # the pharmacy's clock


def person(given: Given, at: datetime) -> User:
    """Who is to have it; raises Refused for nobody, and for somebody who is not there."""
    to = str(given.get("to") or "")
    number = int(to) if to.isascii() and to.isdigit() and len(to) < 10 else 0
    found = db.session.scalar(holding_still(number))
    if found is None or not found.active:
        raise Refused(NO_SUCH_PERSON, field="to")
    if last := away.until(found.id, at):
        raise Refused(NOT_HERE.format(name=found.name, day=last.strftime("%A %B %-d")), field="to")
    return found


def back_on(given: Given, at: datetime) -> datetime:
    """When it comes back; raises Refused."""
    day = given.get("until")
    if not isinstance(day, date) or not timedelta(0) < day - away.today(at) <= LONGEST:
        raise Refused(GIVE_DAY, field="until")
    return datetime.combine(day, BACK_AT, tzinfo=settings().ORG.timezone)


def _can_have(request: Request, at: datetime, given: Given) -> None:
    if person(given, at).id == request.owner_id:
        raise Conflict(IS_THEIRS)


def _give(request: Request, by: Staff, at: datetime, given: Given) -> None:
    to = person(given, at)
    request.owner_id, request.claimed_at, request.changed_at = to.id, at, at
    if request.status == Status.NEW:
        request.status = Status.IN_PROGRESS
    if to.id != by.id and not given.get("is_one_of_many"):  # of many one mail tells, when all are given
        telling.given([request.reference], to, at=at)


def _has_day(_request: Request, at: datetime, given: Given) -> None:
    back_on(given, at)


def _set_aside(request: Request, _by: Staff, at: datetime, given: Given) -> None:
    request.snoozed_until = back_on(given, at)


def _is_set_aside(request: Request, given: Given) -> bool:
    back = request.snoozed_until
    return back is not None and back.astimezone(settings().ORG.timezone).date() == given.get("until")


def _awake(_by: Staff, _at: datetime) -> dict[str, Any]:
    return {"snoozed_until": None}


ASSIGN = Act(
    word="assign",
    label="Assign",
    done="The request is theirs now.",
    audit="request.assigned",
    told="Assigned",
    roles=EVERYBODY,
    desk_own=True,
    starts=frozenset(OPEN),
    asks="to",
    missing=SELECT_PERSON,
    limit=_can_have,
    then=_give,
)
SNOOZE = Act(
    word="snooze",
    label="Snooze",
    done="Set aside. It comes back by itself at 8 in the morning of that day; its promise runs on.",
    audit="request.snoozed",
    told="Set aside until a day",
    roles=EVERYBODY,
    starts=frozenset(OPEN),
    asks="until",
    missing=GIVE_DAY,
    limit=_has_day,
    holds=_is_set_aside,
    then=_set_aside,
)
WAKE = Act(
    word="wake",
    label="Take it up again now",
    done="The request is back in the list.",
    audit="request.woken",
    told="Back in the list",
    roles=EVERYBODY,
    starts=frozenset(OPEN),
    fits=lambda request: request.snoozed_until is not None,
    portal_may=True,
    change=_awake,
)
PLANNING_ACTS = (ASSIGN, SNOOZE, WAKE)
