"""The list of requests that staff work through, cut by key, never by page number.

No free text of a consultation stands in the list: not everybody who sees the list may read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, false, func, select, tuple_
from sqlalchemy.orm import load_only

from portal.db import db
from portal.desk import finding, narrowing, pieces
from portal.desk.cursor import Cursor
from portal.desk.filters import (
    ALL_WORD,
    AWAY_WORD,
    CALL_WORD,
    LATE_WORD,
    REFUSED_WORD,
    SHORT,
    SNOOZED_WORD,
    TODAY_WORD,
    Filters,
)
from portal.desk.shown import (
    AT,
    Moment,
    away,
    is_awake,
    is_to_call_after_answer,
    shown,
    today_of,
    tomorrow_of,
)
from portal.intake.models import OPEN, Request, Status
from portal.mail import lanes
from portal.people.models import User

LIMIT = 25
# What a line of the list shows; the rest of a request is not read for it.
SHOWN = (
    *("reference", "version", "kind", "status", "owner_id", "received_at", "answer_by", "snoozed_until"),
    *("name", "credential", "practice", "npi", "verdict", "topics", "items", "question", "note"),
    *("patient_data", "signals", "possible_duplicate_of", "more_time_at", "call_at", "heard_at"),
    "contact_method",
)
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
    newest: int  # the number of the latest request of all
    looked_at: int | None = None  # so many a page looks at, where that is not all


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


def listing(
    filters: Filters,
    *,
    by: Any,
    at: datetime,
    after: str | None = None,
    limit: int = LIMIT,
    counted: str = "",
) -> Listing:
    """One page of the list; `by` (an account) is who "me" is. A cursor that is none gives the first page.

    `counted` is which of Counts these very rows are, where one is.
    """
    told = _told(by.id, at)
    counts, newest = _counts(told)
    cursor = Cursor.parse(after)
    backwards = cursor is not None and cursor.backwards
    newest_first = filters.is_newest_first
    key = Request.received_at if newest_first else Request.answer_by
    place, downwards = tuple_(key, Request.id), newest_first != backwards
    order = [key.desc(), Request.id.desc()] if downwards else [key, Request.id]
    if filters.q:
        wanted, is_wide = _conditions(
            filters, by.id, Moment(at, told["tomorrow"], told["today"]), finding.reads(by)
        )
        query = _people().where(*wanted)
    else:
        query, is_wide = _list(filters), False
    among, most = ([], pieces.LOOKED_AT) if is_wide else _among(filters, by.id, at)
    first = pieces.edge(key, [key.desc(), Request.id.desc()], None, True, among, most) if most else None
    if is_wide:
        total, over = None, 0
    elif filters.q:  # few hold these words, and each is asked once
        holding = db.session.execute(query.with_only_columns(Request.id, Request.status), told)
        hits = {number: status for number, status in holding}  # noqa: C416 - rows, not pairs
        gone = len(hits) - sum(status in OPEN for status in hits.values())
        total, over = min(len(hits), COUNTED_TO), min(gone, COUNTED_TO) if filters.shows == ALL_WORD else 0
        query = _people().where(Request.id.in_(hits))
    elif counted and first is None:
        total, over = min(getattr(counts, counted), COUNTED_TO), 0
    else:
        total, over = _totals(query if first is None else query.where(place >= first.bound), told, filters)
        total = None if first is not None and total < COUNTED_TO else total
    edge, is_wide = first, is_wide or first is not None
    if cursor is not None:
        query = query.where(place < cursor.bound if downwards else place > cursor.bound)
        edge = pieces.edge(key, order, cursor, downwards, among, most) if is_wide else None
    if edge is not None:
        query = query.where(place >= edge.bound if downwards else place <= edge.bound)
    if filters.q:  # their keys alone are sorted, not all that stands in up to FEW requests
        picked = query.with_only_columns(Request.id).order_by(*order).limit(limit + 1)
        query = _people().where(Request.id.in_(picked))
    found = db.session.execute(query.order_by(*order).limit(limit + 1), told).all()
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
        counts=counts,
        newest=newest,
        looked_at=most if is_wide else None,
    )


def soonest() -> Request | None:
    """The open request whose promise comes first."""
    query = select(Request).where(Request.status.in_(OPEN)).order_by(Request.answer_by, Request.id)
    return db.session.scalars(query.limit(1)).first()


def is_empty() -> bool:
    """Whether nobody ever asked anything."""
    return db.session.scalar(select(Request.id).limit(1)) is None


def _totals(query: Any, told: Mapping[str, Any], filters: Filters) -> tuple[int, int]:
    """How many there are, and of them open no more, each counted to COUNTED_TO."""
    if filters.shows != ALL_WORD:
        return _total(query, told), 0
    over = _total(query.where(Request.status.not_in(OPEN)), told)
    still = _total(query.where(Request.status.in_(OPEN)), told) if over < COUNTED_TO else 0
    return min(over + still, COUNTED_TO), over


def _total(query: Any, told: Mapping[str, Any]) -> int:
    return db.session.scalar(select(_some(query.with_only_columns(Request.id))), told) or 0


def _some(rows: Any) -> Any:
    """How many these are, counted to COUNTED_TO, as a column."""
    return select(func.count()).select_from(rows.limit(COUNTED_TO).subquery()).scalar_subquery()


def _among(filters: Filters, me: int, at: datetime) -> tuple[list[ColumnElement[bool]], int]:
    """Of a long list what leads into an index, and how many of these a page looks at for what else narrows it; 0: all
    of the list is one piece of its index, or short."""
    base = narrowing.led(filters)
    if base == filters or filters.q or filters.shows in SHORT:
        return [], 0
    most = pieces.PASSED_BY if narrowing.is_indexed(filters) else pieces.LOOKED_AT
    return conditions(base, me, at), most


def conditions(
    filters: Filters, me: int, at: datetime, may: finding.Reads = finding.NOTHING, *, leads: bool = True
) -> list[ColumnElement[bool]]:
    """What the rows of the list have to meet; a search looks into the texts that one may read. Where it is known
    otherwise which few rows are asked, nothing `leads` into an index."""
    return _conditions(filters, me, Moment(at, tomorrow_of(at), today_of(at)), may, leads)[0]


@lru_cache(maxsize=64)  # to write it down takes longer than to ask it
def _list(filters: Filters) -> Any:
    """The rows of a list that is no search, with places for who asks and when."""
    wanted, _ = _conditions(filters, bindparam("me"), AT, finding.NOTHING)
    return _people().where(*wanted).options(load_only(*map(partial(getattr, Request), SHOWN)))


def _people() -> Any:
    """Requests, each with the name of whoever has it."""
    return select(Request, User.name).outerjoin(User, User.id == Request.owner_id)


def _conditions(
    filters: Filters, me: Any, moment: Moment, may: finding.Reads, leads: bool = True
) -> tuple[list[ColumnElement[bool]], bool]:
    """The same; and whether its words are all in so many requests that they are to be looked at in pieces.

    SQLite keeps no statistics of ours, and might walk all that is closed to find somebody's two. So one column, the
    one that keeps the list shortest, leads into its index; the others are put aside, to be looked at there.
    """
    words = finding.wanted(filters.q)
    is_short = filters.shows in SHORT or not leads
    rare = finding.rare(words, may) if words and not is_short else None
    is_wide = bool(words) and not is_short and rare is None
    if not leads or filters.shows == REFUSED_WORD or (filters.q and not is_short):
        lead = ""  # mails or words do
    else:
        lead = "status" if is_short else narrowing.lead(filters)
    status = Request.status if lead == "status" else Request.status.concat("")
    owner = Request.owner_id if lead == "owner" else Request.owner_id + 0
    found = shown(filters.shows, moment, status) + narrowing.conditions(filters, moment.at)
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


def _is_of(whose: str, owner: Any, me: Any, at: Moment) -> ColumnElement[bool]:
    """What one word of the list's owner asks for."""
    if whose == AWAY_WORD:
        found = owner.in_(away(at))
    elif whose == "none":
        found = owner.is_(None)
    else:
        found = owner == (me if whose == "me" else int(whose))
    is_theirs: ColumnElement[bool] = found
    return is_theirs


def _has_reference(typed: str) -> ColumnElement[bool]:
    """A reference in any spelling; what holds neither that nor a word finds nothing."""
    reference = finding.reference_in(typed)
    return Request.reference == reference if reference else false()


@lru_cache  # to write it down takes longer than to ask it
def _of_all() -> Any:
    """All numbers, in one look at what is open, and to COUNTED_TO of each that only grows; a Counts, more calls, and
    the latest request's number."""

    def how_many(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)

    status, at = Request.status, AT
    awake = is_awake(at)
    return select(
        how_many(awake),
        how_many(status == Status.NEW, Request.owner_id.is_(None), awake),
        how_many(Request.owner_id == bindparam("me"), awake),
        *(how_many(*shown(word, at, status)) for word in (LATE_WORD, TODAY_WORD, CALL_WORD)),
        how_many(status == Status.WAITING, awake),
        how_many(*shown(SNOOZED_WORD, at, status)),
        how_many(awake, Request.owner_id.in_(away(at))),
        *(_some(select(Request.id).where(status == one)) for one in ("spam", "answered", "closed")),
        _some(lanes.refused_of("request").distinct()),
        _some(select(Request.id).where(is_to_call_after_answer(at.at))),
        select(func.coalesce(func.max(Request.id), 0)).scalar_subquery(),
    ).where(status.in_(OPEN))


def _counts(told: Mapping[str, Any]) -> tuple[Counts, int]:
    *row, more_calls, newest = map(int, db.session.execute(_of_all(), told).one())
    counts = Counts(*row)
    return replace(counts, call=counts.call + more_calls), newest


def _told(me: int, at: datetime) -> dict[str, Any]:
    """What stands in the places of a statement."""
    return {"me": me, "at": at, "tomorrow": tomorrow_of(at), "today": today_of(at)}
