"""What each member of staff is told by mail, and when: at once, outside of their quiet hours, or in the morning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import CursorResult, null, or_, select, update

from portal.db import db
from portal.errors import Refused
from portal.people.models import Habit, User, When, Wish
from portal.settings import settings

KINDS = {
    "consultation": "A new consultation",
    "resource": "A new request for materials",
    "given": "Work that a colleague gives you",
    "heard": "More from whoever asked",
    "due": "A promise that ends soon",
    "refused": "A refused mail",
    "handed_back": "Work that comes back to the queue",
}
SAY_BOTH = "Say from when and until when, or neither"
_COLUMNS = {kind: getattr(Wish, kind) for kind in KINDS}


def told_now(kind: str | None, at: datetime, *only: Any) -> dict[datetime | None, list[str]]:
    """The addresses of those who are told of this kind at once, by the end of their quiet hours (None: no wait).

    Of no kind: of what everybody is told, whatever they wish.
    Who is out of office is told nothing, unless all of these are: then nobody else would know.
    """
    query = _wishes(kind)
    rows = db.session.execute(query.where(*only) if only else query).all()
    today = at.astimezone(settings().ORG.timezone).date()
    here = [row for row in rows if row.away_until is None or row.away_until < today]
    found: dict[datetime | None, list[str]] = {}
    for row in here or rows:
        if row.wish in (None, When.NOW):  # who never chose is told
            found.setdefault(quiet_until(row.quiet_from, row.quiet_to, at), []).append(row.email)
    return found


@lru_cache  # to write it down takes longer than to ask it
def _wishes(kind: str | None) -> Any:
    wish = (_COLUMNS[kind] if kind else null()).label("wish")
    query = select(User.email, wish, Wish.quiet_from, Wish.quiet_to, Habit.away_until).where(User.active)
    joined = query.outerjoin(Wish, Wish.user_id == User.id).outerjoin(Habit, Habit.user_id == User.id)
    return joined.order_by(User.id)


def quiet_until(start: int | None, end: int | None, at: datetime) -> datetime | None:
    """When the quiet hours end that it is in at that moment; None outside of them. They may reach over midnight."""
    if start is None or end is None or start == end:
        return None
    local = at.astimezone(settings().ORG.timezone)
    is_quiet = start <= local.hour < end if start < end else local.hour >= start or local.hour < end
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=local.hour >= end)
    return datetime.combine(day, time(end), tzinfo=settings().ORG.timezone)


def of(user_id: int) -> Wish:
    """What this person wishes, as it is kept, or as it is for everybody at first."""
    first = dict.fromkeys(KINDS, When.NOW.value)
    return db.session.get(Wish, user_id) or Wish(user_id=user_id, **first, quiet_from=None, quiet_to=None)


def save(
    user: User, *, kinds: dict[str, str], quiet_from: int | None, quiet_to: int | None, at: datetime
) -> None:
    """Keep what somebody wishes. Raises Refused for quiet hours with one end."""
    if (quiet_from is None) != (quiet_to is None):
        raise Refused(SAY_BOTH, field="quiet_to" if quiet_to is None else "quiet_from")
    wish = of(user.id)
    for kind, when in kinds.items():
        setattr(wish, kind, when)
    wish.quiet_from, wish.quiet_to = quiet_from, quiet_to
    if wish.told_at is None:
        wish.told_at = at  # the first morning tells of what comes from now on
    db.session.add(wish)


def to_tell(before: datetime) -> Sequence[tuple[User, Wish]]:
    """Who is told in the morning, and was not since that moment."""
    morning = or_(*(column == When.MORNING.value for column in _COLUMNS.values()))
    query = select(User, Wish).join(Wish, Wish.user_id == User.id).where(User.active, morning)
    found = query.where(or_(Wish.told_at.is_(None), Wish.told_at < before)).order_by(User.id)
    return [(user, wish) for user, wish in db.session.execute(found)]


def mark_told(user_id: int, last: datetime | None, *, at: datetime) -> bool:
    """Note that somebody is told now; False when another worker was first."""
    was = Wish.told_at.is_(None) if last is None else Wish.told_at == last
    done = db.session.execute(
        update(Wish).where(Wish.user_id == user_id, was).values(told_at=at),
        execution_options={"synchronize_session": False},
    )
    return bool(cast("CursorResult[Any]", done).rowcount)
