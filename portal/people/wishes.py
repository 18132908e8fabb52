"""What each member of staff is told by mail, and when: at once, outside of their quiet hours, or in the morning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, or_, select, update

from portal.db import db
from portal.errors import Refused
from portal.people.models import User, When, Wish
from portal.settings import settings

KINDS = {
    "consultation": "A new consultation",
    "resource": "A new request for materials",
    "handed_back": "Work that is given to you, comes back or cannot wait",
}
SAY_BOTH = "Say from when and until when, or neither"
_COLUMNS = {"consultation": Wish.consultation, "resource": Wish.resource, "handed_back": Wish.handed_back}


def told_now(kind: str, at: datetime, *only: Any) -> dict[datetime | None, list[str]]:
    """The addresses of those who are told of this kind at once, by the end of their quiet hours (None: no wait)."""
    query = (
        select(User.email, Wish.quiet_from, Wish.quiet_to)
        .outerjoin(Wish, Wish.user_id == User.id)
        .where(User.active, or_(Wish.user_id.is_(None), _COLUMNS[kind] == When.NOW.value), *only)
    )
    found: dict[datetime | None, list[str]] = {}
    for address, start, end in db.session.execute(query.order_by(User.id)):
        found.setdefault(quiet_until(start, end, at), []).append(address)
    return found


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
    first = When.NOW.value
    return db.session.get(Wish, user_id) or Wish(
        user_id=user_id, consultation=first, resource=first, handed_back=first, quiet_from=None, quiet_to=None
    )


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
