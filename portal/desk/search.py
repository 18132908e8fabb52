"""The list of requests that staff work through: filters from the query string, cut by key, never by page number.

A filter that is not on the list, or has a value that is none, is left out and named in `Filters.ignored`. No free
text of a consultation stands in the list: not everybody who sees the list may read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, false, func, literal, or_, select, tuple_

from portal import text
from portal.db import UTCDateTime, db
from portal.desk import narrowing
from portal.desk.cursor import Cursor, is_id
from portal.desk.models import Habit
from portal.intake import terms
from portal.intake.models import DUE, OPEN, ContactMethod, Kind, Request, Status
from portal.intake.reference import normalise
from portal.mail import lanes
from portal.npi.verdicts import Verdict
from portal.people.models import User
from portal.settings import settings

LIMIT = 25
SEARCH_MAX = 100
SORT_ANSWER_BY = "answer_by"
SORT_NEWEST = "-received_at"
OPEN_WORD = "open"  # everything somebody still has to do something about
LATE_WORD = "late"  # open, and past its promise
TODAY_WORD = "today"  # promised for today
CALL_WORD = "call"  # a call is wanted
SNOOZED_WORD = "snoozed"  # set aside until a day
REFUSED_WORD = "refused"  # a mail to whoever asked was given up
REAL_WORD = "real"  # everything that is no spam
ALL_WORD = "all"
WORDS = (OPEN_WORD, LATE_WORD, TODAY_WORD, CALL_WORD, SNOOZED_WORD, REFUSED_WORD, REAL_WORD, ALL_WORD)
NAMES = ("status", "kind", "verdict", "owner", "q", *narrowing.RULES, "sort")
COUNTED_TO = 1000  # the exact number of a longer list helps nobody, and costs a walk over all of it


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What to show; every part of it stands in the address of the page."""

    status: str = ""  # open, late, all, or one Status; "": open, and while searching all
    kind: str = ""  # "", or one Kind
    verdict: str = ""  # "", or one Verdict on the NPI
    owner: str = ""  # "", me, none, away (whoever is out of office), or the id of an account
    q: str = ""
    since: str = ""  # a day on which it was received, or later
    until: str = ""
    topic: str = ""  # "", or one Topic
    promise: str = ""  # "", kept, missed
    call: str = ""  # "", any, or one CallOutcome
    sort: str = SORT_ANSWER_BY
    ignored: tuple[str, ...] = ()

    @classmethod
    def parse(cls, args: Mapping[str, str]) -> Filters:
        """From a query string; never raises."""
        known: dict[str, str] = {}
        ignored = []
        for name, is_good in (_RULES | narrowing.RULES).items():
            value = args.get(name, "").strip()
            if not value:
                continue
            if is_good(value):
                known[name] = value
            else:
                ignored.append(name)
        if search := args.get("q", ""):
            try:
                known["q"] = text.check(search, max_length=SEARCH_MAX)
            except ValueError:
                ignored.append("q")
        return cls(**known, ignored=tuple(ignored))

    @property
    def shows(self) -> str:
        """Which of them the list shows: whoever searches looks for somebody, wherever they stand."""
        return self.status or (ALL_WORD if self.q else OPEN_WORD)

    def args(self, **changes: str) -> dict[str, str]:
        """The query string of this list, with changes; what is the default is left out."""
        changed = replace(self, **changes)  # type: ignore[arg-type]
        return {
            name: getattr(changed, name) for name in NAMES if getattr(changed, name) != getattr(Filters, name)
        }


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    request: Request
    owner_name: str  # empty when nobody has it
    is_late: bool


@dataclass(frozen=True)
class Listing:
    """Some rows, and the cursors (values of `after`) of the pages around them."""

    rows: list[Row]
    next: str | None
    previous: str | None
    total: int  # of the whole list, counted no further than COUNTED_TO
    over: int  # how many of them are open no more
    counts: Counts


@dataclass(frozen=True)
class Counts:
    """How much work there is."""

    open: int
    unassigned: int
    mine: int
    late: int
    today: int
    call: int
    waiting: int
    spam: int
    snoozed: int
    refused: int
    away: int  # of people who are out of office


def listing(
    filters: Filters, *, by: Any, at: datetime, after: str | None = None, limit: int = LIMIT
) -> Listing:
    """One page of the list; `by` (an account) is who "me" is. A cursor that is none gives the first page."""
    key = Request.received_at if filters.sort == SORT_NEWEST else Request.answer_by
    newest_first = filters.sort == SORT_NEWEST
    cursor = Cursor.parse(after)
    backwards = cursor is not None and cursor.backwards
    query = _filtered(filters, by.id, at)
    base, total = query, _total(query)
    if cursor is not None:
        place = tuple_(key, Request.id)
        bound = tuple_(literal(cursor.at, UTCDateTime), literal(cursor.id))
        query = query.where(place < bound if newest_first != backwards else place > bound)
    order = [key, Request.id] if newest_first == backwards else [key.desc(), Request.id.desc()]
    found = db.session.execute(query.order_by(*order).limit(limit + 1)).all()
    more, found = len(found) > limit, found[:limit]
    rows = [Row(request, owner or "", request.is_late(at)) for request, owner in found]
    if backwards:
        rows.reverse()
    has_next = bool(rows) and (more if not backwards else True)
    has_previous = bool(rows) and (more if backwards else cursor is not None)
    return Listing(
        rows=rows,
        next=Cursor.of(rows[-1].request, key).text() if has_next else None,
        previous=Cursor.of(rows[0].request, key, backwards=True).text() if has_previous else None,
        total=total,
        over=_total(base.where(Request.status.not_in(OPEN))) if filters.shows == ALL_WORD else 0,
        counts=_counts(by.id, at),
    )


def is_empty() -> bool:
    """Whether nobody ever asked anything."""
    return db.session.scalar(select(Request.id).limit(1)) is None


def others_of(request: Request, *, limit: int = 10) -> Sequence[Request]:
    """The other requests with the same NPI, newest first: one person's history, whatever address was used."""
    if not request.npi:
        return []
    query = select(Request).where(Request.npi == request.npi, Request.id != request.id)
    return db.session.scalars(
        query.order_by(Request.received_at.desc(), Request.id.desc()).limit(limit)
    ).all()


def repeats_of(request: Request) -> Sequence[Request]:
    """The requests that may repeat this one: the same NPI, within a day."""
    query = select(Request).where(Request.npi == request.npi, Request.possible_duplicate_of == request.id)
    return db.session.scalars(query.order_by(Request.id)).all() if request.npi else []


def _total(query: Select[Request, str | None]) -> int:
    found = query.with_only_columns(Request.id).limit(COUNTED_TO).subquery()
    return db.session.scalar(select(func.count()).select_from(found)) or 0


def _filtered(filters: Filters, me: int, at: datetime) -> Select[Request, str | None]:
    query: Any = select(Request, User.name).outerjoin(User, User.id == Request.owner_id)
    found: Select[Request, str | None] = query.where(*conditions(filters, me, at))
    return found


def conditions(filters: Filters, me: int, at: datetime) -> list[ColumnElement[bool]]:
    """What the rows of the list have to meet."""
    found = _shown(filters.shows, at) + narrowing.conditions(filters, at)
    if filters.kind:
        found.append(Request.kind == filters.kind)
    if filters.verdict:
        found.append(Request.verdict == filters.verdict)
    if filters.owner == "me":
        found.append(Request.owner_id == me)
    elif filters.owner == "none":
        found.append(Request.owner_id.is_(None))
    elif filters.owner == "away":
        found.append(Request.owner_id.in_(_away(at)))
    elif filters.owner:
        found.append(Request.owner_id == int(filters.owner))
    if filters.q:
        found.append(_matches(filters.q))
    return found


def _shown(word: str, at: datetime) -> list[ColumnElement[bool]]:
    """What one word of the list's status asks for."""
    due, awake = Request.status.in_(DUE), _is_awake(at)
    named: dict[str, list[ColumnElement[bool]]] = {
        OPEN_WORD: [Request.status.in_(OPEN), awake],
        LATE_WORD: [due, Request.answer_by < at],  # snoozed or not: the promise does not rest
        TODAY_WORD: [due, Request.answer_by >= at, Request.answer_by < _tomorrow(at), awake],
        CALL_WORD: [due, Request.contact_method == ContactMethod.PHONE, awake],
        SNOOZED_WORD: [Request.status.in_(OPEN), Request.snoozed_until > at],
        REFUSED_WORD: [_is_refused()],
        REAL_WORD: [Request.status != Status.SPAM],
        ALL_WORD: [],
    }
    return named.get(word, [Request.status == word, *([awake] if word in OPEN else [])])


def _is_awake(at: datetime) -> ColumnElement[bool]:
    """Whether it is not set aside, whether or not the job that says so has come by."""
    return or_(Request.snoozed_until.is_(None), Request.snoozed_until <= at)


def _away(at: datetime) -> Select[int]:
    """Who is out of office."""
    return select(Habit.user_id).where(Habit.away_until >= _today(at))


def _today(at: datetime) -> date:
    return at.astimezone(settings().ORG.timezone).date()


def _tomorrow(at: datetime) -> datetime:
    """The end of the pharmacy's day."""
    zone = settings().ORG.timezone
    return datetime.combine(at.astimezone(zone).date() + timedelta(days=1), time(), tzinfo=zone)


def _is_refused() -> ColumnElement[bool]:
    return Request.reference.in_(lanes.refused_of("request"))


def _matches(typed: str) -> ColumnElement[bool]:
    """A reference in any spelling, or words of who asked: names, practice, addresses, numbers, half a reference."""
    if reference := normalise(typed.strip("#()[]<>.,;: ")):
        return Request.reference == reference
    return false() if terms.is_empty(typed) else terms.matches(typed)


def _counts(me: int, at: datetime) -> Counts:
    """All numbers in one look at what is open; what is closed is not counted, for it only grows."""

    def how_many(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)

    is_open, awake = Request.status.in_(OPEN), _is_awake(at)
    row = db.session.execute(
        select(
            how_many(is_open, awake),
            how_many(Request.status == Status.NEW, Request.owner_id.is_(None), awake),
            how_many(is_open, Request.owner_id == me, awake),
            how_many(Request.status.in_(DUE), Request.answer_by < at),
            how_many(*_shown(TODAY_WORD, at)),
            how_many(*_shown(CALL_WORD, at)),
            how_many(Request.status == Status.WAITING, awake),
            how_many(Request.status == Status.SPAM),
            how_many(*_shown(SNOOZED_WORD, at)),
            how_many(is_open, awake, Request.owner_id.in_(_away(at))),
        ).where(Request.status.in_([*OPEN, Status.SPAM]))
    ).one()
    refused = db.session.scalar(select(func.count(Request.id)).where(_is_refused())) or 0
    *numbers, away = row
    return Counts(*map(int, (*numbers, refused, away)))


_RULES: dict[str, Callable[[str], bool]] = {
    "status": lambda value: value in (*WORDS, *Status),
    "kind": lambda value: value in set(Kind),
    "verdict": lambda value: value in set(Verdict),
    "owner": lambda value: value in ("me", "none", "away") or is_id(value),
    "sort": lambda value: value in (SORT_ANSWER_BY, SORT_NEWEST),
}
