"""The list of requests that staff work through, cut by key, never by page number.

No free text of a consultation stands in the list: not everybody who sees the list may read it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Date, Select, and_, bindparam, case, false, func, or_, select, tuple_

from portal.db import UTCDateTime, db
from portal.desk import finding, narrowing, pieces
from portal.desk.cursor import Cursor
from portal.desk.filters import (
    ALL_WORD,
    AWAY_WORD,
    CALL_WORD,
    LATE_WORD,
    OPEN_WORD,
    REAL_WORD,
    REFUSED_WORD,
    SHORT,
    SNOOZED_WORD,
    TODAY_WORD,
    Filters,
)
from portal.intake.models import DUE, OPEN, ContactMethod, Request, Status
from portal.mail import lanes
from portal.people.models import Habit, User
from portal.settings import settings

LIMIT = 25
COUNTED_TO = 200  # the exact number of a longer list helps nobody, and costs a walk over all of it


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
    total: (
        int | None
    )  # of the whole list, counted no further than COUNTED_TO; None where that would take long
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
    snoozed: int
    away: int  # of people who are out of office
    spam: int
    answered: int
    closed: int
    refused: int


@dataclass(frozen=True)
class Moment:
    """When it is asked, and the pharmacy's day at that moment; or the places of these in a statement."""

    now: Any
    tomorrow: Any
    today: Any


def listing(
    filters: Filters, *, by: Any, at: datetime, after: str | None = None, limit: int = LIMIT
) -> Listing:
    """One page of the list; `by` (an account) is who "me" is. A cursor that is none gives the first page."""
    newest_first = filters.is_newest_first
    key = Request.received_at if newest_first else Request.answer_by
    cursor = Cursor.parse(after)
    backwards = cursor is not None and cursor.backwards
    place, downwards = tuple_(key, Request.id), newest_first != backwards
    order = [key.desc(), Request.id.desc()] if downwards else [key, Request.id]
    wanted, is_wide = _conditions(filters, by.id, at, finding.reads(by))
    query: Any = select(Request, User.name).outerjoin(User, User.id == Request.owner_id).where(*wanted)
    among = [] if is_wide else _among_many(filters, by.id, at)
    is_wide = among is not None
    total, over = (None, 0) if is_wide else _totals(query, filters)
    edge = None
    if cursor is not None:
        query = query.where(place < cursor.bound if downwards else place > cursor.bound)
    if among is not None and (edge := pieces.edge(key, order, cursor, downwards, among)) is not None:
        query = query.where(place >= edge.bound if downwards else place <= edge.bound)
    found = db.session.execute(query.order_by(*order).limit(limit + 1)).all()
    more, found = len(found) > limit, found[:limit]
    ends = [Cursor.of(row[0], key) for row in (*found[:1], *found[-1:])]
    onward = ends[-1] if more else edge
    back = (ends[0] if ends else cursor if is_wide else None) if cursor is not None else None
    if backwards:
        found, onward, back = found[::-1], back, onward
    return Listing(
        rows=[Row(request, owner or "", request.is_late(at)) for request, owner in found],
        next=onward.text() if onward else None,
        previous=replace(back, backwards=True).text() if back else None,
        total=total,
        over=over,
        counts=_counts(by.id, at),
    )


def soonest() -> Request | None:
    """The open request whose promise comes first."""
    query = select(Request).where(Request.status.in_(OPEN)).order_by(Request.answer_by, Request.id)
    return db.session.scalars(query.limit(1)).first()


def is_empty() -> bool:
    """Whether nobody ever asked anything."""
    return db.session.scalar(select(Request.id).limit(1)) is None


def _totals(query: Any, filters: Filters) -> tuple[int, int]:
    """How many there are, and of them open no more, each counted to COUNTED_TO."""
    over = _total(query.where(Request.status.not_in(OPEN))) if filters.shows == ALL_WORD else 0
    return over if over == COUNTED_TO else _total(query), over


def _total(query: Any) -> int:
    found = query.with_only_columns(Request.id).limit(COUNTED_TO).subquery()
    return db.session.scalar(select(func.count()).select_from(found)) or 0


def _among_many(filters: Filters, me: int, at: datetime) -> list[ColumnElement[bool]] | None:
    """Where no index holds what narrows a list, and many more rows have to be looked at: what these meet."""
    base = narrowing.indexed(filters)
    if base == filters or filters.q or filters.shows in SHORT:
        return None
    among = conditions(base, me, at)
    return among if pieces.are_many(among) else None


def conditions(
    filters: Filters, me: int, at: datetime, may: finding.Reads = finding.NOTHING
) -> list[ColumnElement[bool]]:
    """What the rows of the list have to meet; a search looks into the texts that one may read."""
    return _conditions(filters, me, at, may)[0]


def _conditions(
    filters: Filters, me: int, at: datetime, may: finding.Reads
) -> tuple[list[ColumnElement[bool]], bool]:
    """The same; and whether its words are all in so many requests that they are to be looked at in pieces.

    SQLite keeps no statistics of ours, and might walk all that is closed to find somebody's two. So one column, the
    one that keeps the list shortest, leads into its index; the others are put aside, to be looked at there.
    """
    words = finding.wanted(filters.q)
    is_short = filters.shows in SHORT
    rare = finding.rare(words, may) if words and not is_short else None
    is_wide = bool(words) and not is_short and rare is None
    if filters.shows == REFUSED_WORD or (filters.q and not is_short):
        lead = ""  # mails or words do
    elif is_short:
        lead = "status"
    else:
        lead = "owner" if filters.owner not in ("", AWAY_WORD) else "verdict" if filters.verdict else "status"
    status = Request.status if lead == "status" else Request.status.concat("")
    owner = Request.owner_id if lead == "owner" else Request.owner_id + 0
    moment = Moment(at, _tomorrow(at), _today(at))
    found = _shown(filters.shows, moment, status) + narrowing.conditions(filters, at)
    if filters.kind:
        found.append(Request.kind.concat("") == filters.kind)
    if filters.verdict:
        verdict = Request.verdict if lead == "verdict" else Request.verdict.concat("")
        found.append(verdict == filters.verdict)
    if filters.owner:
        found.append(_is_of(filters.owner, owner, me, moment))
    if filters.q and not words:
        found.append(_has_reference(filters.q))
    found += [Request.id.in_(rare[1])] if rare else []
    found += [finding.has(word, may) for word in words if rare is None or word != rare[0]]
    return found, is_wide


def _is_of(whose: str, owner: Any, me: int, at: Moment) -> ColumnElement[bool]:
    """What one word of the list's owner asks for."""
    if whose == AWAY_WORD:
        found = owner.in_(_away(at))
    elif whose == "none":
        found = owner.is_(None)
    else:
        found = owner == (me if whose == "me" else int(whose))
    is_theirs: ColumnElement[bool] = found
    return is_theirs


def _shown(word: str, at: Moment, status: Any) -> list[ColumnElement[bool]]:
    """What one word of the list's status asks for."""
    due, awake = status.in_(DUE), _is_awake(at)
    named: dict[str, list[ColumnElement[bool]]] = {
        OPEN_WORD: [status.in_(OPEN), awake],
        LATE_WORD: [due, Request.answer_by < at.now],  # snoozed or not: the promise does not rest
        TODAY_WORD: [due, Request.answer_by >= at.now, Request.answer_by < at.tomorrow, awake],
        CALL_WORD: [_is_to_call(at, status)],
        SNOOZED_WORD: [status.in_(OPEN), Request.snoozed_until > at.now],
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
    is_time = and_(status.in_(OPEN), Request.call_at <= at.now)
    return or_(and_(wants, _is_awake(at)), is_time, _is_to_call_after_answer(at.now))


def _is_to_call_after_answer(at: Any) -> ColumnElement[bool]:
    return and_(Request.status.concat("") == Status.ANSWERED, Request.call_at <= at)


def _is_awake(at: Moment) -> ColumnElement[bool]:
    """Whether it is not set aside, whether or not the job that says so has come by."""
    return or_(Request.snoozed_until.is_(None), Request.snoozed_until <= at.now)


def _away(at: Moment) -> Select[int]:
    """Who is out of office."""
    return select(Habit.user_id).where(Habit.away_until >= at.today)


def _today(at: datetime) -> date:
    return at.astimezone(settings().ORG.timezone).date()


def _tomorrow(at: datetime) -> datetime:
    """The end of the pharmacy's day."""
    zone = settings().ORG.timezone
    return datetime.combine(at.astimezone(zone).date() + timedelta(days=1), time(), tzinfo=zone)


def _is_refused() -> ColumnElement[bool]:
    return Request.reference.in_(lanes.refused_of("request"))


def _has_reference(typed: str) -> ColumnElement[bool]:
    """A reference in any spelling; what holds neither that nor a word finds nothing."""
    reference = finding.reference_in(typed)
    return Request.reference == reference if reference else false()


@lru_cache  # to write it down takes longer than to ask it
def _of_open() -> Any:
    def how_many(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)

    status = Request.status
    at = Moment(
        bindparam("at", type_=UTCDateTime),
        bindparam("tomorrow", type_=UTCDateTime),
        bindparam("today", type_=Date),
    )
    awake = _is_awake(at)
    return select(
        how_many(awake),
        how_many(status == Status.NEW, Request.owner_id.is_(None), awake),
        how_many(Request.owner_id == bindparam("me"), awake),
        *(how_many(*_shown(word, at, status)) for word in (LATE_WORD, TODAY_WORD, CALL_WORD)),
        how_many(status == Status.WAITING, awake),
        how_many(*_shown(SNOOZED_WORD, at, status)),
        how_many(awake, Request.owner_id.in_(_away(at))),
    ).where(status.in_(OPEN))


def _counts(me: int, at: datetime) -> Counts:
    """All numbers: in one look at what is open, and to COUNTED_TO of each that only grows."""
    told = {"me": me, "at": at, "today": _today(at), "tomorrow": _tomorrow(at)}
    row = db.session.execute(_of_open(), told).one()
    over = [_total(select(Request).where(Request.status == one)) for one in ("spam", "answered", "closed")]
    counts = Counts(*map(int, (*row, *over, lanes.count_refused("request", COUNTED_TO))))
    return replace(counts, call=counts.call + _total(select(Request).where(_is_to_call_after_answer(at))))
