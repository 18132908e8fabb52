"""One mail in the morning, for those who wish it, instead of one for each request: numbers, and none of the words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

from sqlalchemy import ColumnElement, func, or_, select

from portal import hours
from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.desk import away
from portal.desk.search import COUNTED_TO
from portal.intake.models import DUE, OPEN, Kind, Request, Status
from portal.mail import lanes
from portal.mail import promise as mail
from portal.mail.models import Lane
from portal.people import wishes
from portal.people.models import User, When, Wish
from portal.settings import settings

FIRST = time(8, 30)  # where no hours are known
LOOKS_BACK = timedelta(days=7)  # at most, for who was away


def morning(at: datetime) -> datetime | None:
    """When the pharmacy opens, or opened, that day; None on a closed one."""
    org = settings().ORG
    day = at.astimezone(org.timezone).date()
    opening = hours.working(org).opening(day)
    if opening is None:
        return None
    return datetime.combine(day, opening[0] if org.hours else FIRST, tzinfo=org.timezone)


def tell_all() -> None:
    """Promise the mail of the morning to everybody who has not had it. Opens its own writes."""
    at = now()
    start = morning(at)
    if start is None or at < start:
        return
    for user, wish in wishes.to_tell(start):
        last = wish.told_at
        since = max(last or at - LOOKS_BACK, at - LOOKS_BACK)
        facts = {} if away.until(user.id, at) else _facts(user, wish, since, at)
        address, cause = user.email, user.subject
        quiet = wishes.quiet_until(wish.quiet_from, wish.quiet_to, at)
        db.session.rollback()
        with transaction():
            if wishes.mark_told(user.id, last, at=at) and any(facts.values()):
                mail.promise(
                    "desk/morning",
                    to=address,
                    facts=facts,
                    cause=cause,
                    at=at,
                    lane=Lane.SOON,
                    not_before=quiet,
                )


def _facts(user: User, wish: Wish, since: datetime, at: datetime) -> dict[str, int]:
    """What came since, of the kinds that this person is told of in the morning; and how the desk stands."""
    came = (Request.received_at > since, Request.status != Status.SPAM)
    today = datetime.combine(away.today(at), time.max, tzinfo=settings().ORG.timezone)
    ends = Request.answer_by.between(at, today)
    theirs = (
        Request.owner_id == user.id,
        Request.status != Status.DUPLICATE,
    )  # which is heard with the other
    counts: dict[str, tuple[str, Callable[[], int]]] = {
        "consultations": ("consultation", lambda: _count(*came, Request.kind == Kind.CONSULTATION)),
        "materials": ("resource", lambda: _count(*came, Request.kind == Kind.RESOURCE)),
        "given": ("given", lambda: _given(user, since)),
        "heard": ("heard", lambda: _count(Request.heard_at > since, *theirs)),
        "due": ("due", lambda: _count(Request.status.in_(DUE), ends, _yours_or_nobodys(user))),
        "refused": ("refused", lambda: lanes.count_refused("request", COUNTED_TO)),
        "back": ("handed_back", lambda: _done(since, "request.released")),
    }
    told = {
        name: count() if getattr(wish, kind) == When.MORNING else 0 for name, (kind, count) in counts.items()
    }
    return told | {
        "unassigned": _count(Request.status == Status.NEW, Request.owner_id.is_(None)),
        "late": _count(Request.status.in_(DUE), Request.answer_by < at),
        "mine": _count(Request.status.in_(OPEN), Request.owner_id == user.id),
        "suspects": _count(Request.received_at > since, Request.status == Status.SPAM),
    }


def _count(*conditions: object) -> int:
    return db.session.scalar(select(func.count()).select_from(Request).where(*conditions)) or 0  # type: ignore[arg-type]


def _yours_or_nobodys(user: User) -> ColumnElement[bool]:
    return or_(Request.owner_id == user.id, Request.owner_id.is_(None))


def _given(user: User, since: datetime) -> int:
    """How many a colleague gave them."""
    by_another = or_(AuditEntry.actor_id.is_(None), AuditEntry.actor_id != user.id)
    to_them = (AuditEntry.detail == user.subject, by_another)
    return sum(_done(since, act, *to_them) for act in ("request.assigned", "request.handed_over"))


def _done(since: datetime, act: str, *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(AuditEntry)
    return db.session.scalar(query.where(AuditEntry.action == act, AuditEntry.at > since, *conditions)) or 0
