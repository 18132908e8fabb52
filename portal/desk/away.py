"""Who is out of office, and how else a person works at the desk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import func, or_, select

from portal import audit
from portal.audit import Actor
from portal.db import db
from portal.errors import Refused
from portal.people.models import Habit, User, holding_still
from portal.settings import settings

LONGEST = timedelta(days=366)
GIVE_DAY = "Enter the last day, today or later, a year ahead at most"


def today(at: datetime) -> date:
    """The pharmacy's day."""
    return at.astimezone(settings().ORG.timezone).date()


def until(user_id: int, at: datetime) -> date | None:
    """The last day on which somebody is out of office; nothing when they are there."""
    last = db.session.scalar(select(Habit.away_until).where(Habit.user_id == user_id))
    return last if last is not None and last >= today(at) else None


def who(at: datetime) -> dict[int, date]:
    """Everybody who is out of office, and until when."""
    found = select(Habit.user_id, Habit.away_until).where(Habit.away_until >= today(at))
    return {user_id: last for user_id, last in db.session.execute(found) if last is not None}


def everybody() -> Sequence[Any]:
    """All with an account, by name, the disabled last, each with how they work (None: as at first)."""
    return db.session.execute(_everybody()).all()


@lru_cache  # to write it down takes longer than to ask it
def _everybody() -> Any:
    query = select(User, Habit).outerjoin(Habit, Habit.user_id == User.id)
    return query.order_by(User.active.desc(), func.lower(User.name), User.id)


def is_here(user: User, at: datetime) -> bool:
    """Whether work can be given to them."""
    return user.active and until(user.id, at) is None


def is_employed(user_id: int) -> bool:
    """Whether they work here still, and until this transaction ends."""
    found = db.session.scalar(holding_still(user_id))
    return found is not None and found.active


def colleagues(at: datetime) -> Sequence[User]:
    """Everybody to whom work can be given, by name."""
    query = select(User).outerjoin(Habit, Habit.user_id == User.id).where(User.active)
    here = query.where(or_(Habit.away_until.is_(None), Habit.away_until < today(at)))
    return db.session.scalars(here.order_by(func.lower(User.name), User.id)).all()


def habit_of(user_id: int) -> Habit:
    """How this person works, as it is kept, or as it is for everybody at first."""
    return db.session.get(Habit, user_id) or Habit(user_id=user_id, away_until=None, has_keys=False)


def use_keys(user_id: int, is_on: bool) -> None:
    """Let keys act for this person, or not."""
    habit = habit_of(user_id)
    habit.has_keys = is_on
    db.session.add(habit)
    db.session.flush()


def leave(user: User, last: date | None, *, by: Actor, at: datetime) -> None:
    """Mark somebody away until the end of that day, or back where there is none. Raises Refused."""
    if last is not None and not today(at) <= last <= today(at) + LONGEST:
        raise Refused(GIVE_DAY, field="until")
    habit = habit_of(user.id)
    if habit.away_until == last:
        return
    habit.away_until = last
    db.session.add(habit)
    db.session.flush()
    audit.record(by, "staff.away", user.subject, at=at, detail=last.isoformat() if last else "back")
