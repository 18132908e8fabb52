"""The figures of the reports. Each number is counted by the very filters of the list that its link opens.

One look at the rows of the days in question counts all numbers at once; how long an answer took is worked out row by
row, for so many of the newest at most. Nothing is written, and nobody waits for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, select

from portal import hours
from portal.db import db
from portal.desk import search
from portal.desk.filters import ALL_WORD, LATE_WORD, OPEN_WORD, REAL_WORD, SNOOZED_WORD, SORT_NEWEST, Filters
from portal.desk.narrowing import ANSWERED, ANY, CALLS, KEPT, MISSED
from portal.intake.models import KIND_LABELS, STATUS_LABELS, TOPIC_LABELS, Kind, Request
from portal.npi.verdicts import WORDS as VERDICT_LABELS
from portal.organisation import Organisation

MOST_TIMED = 100_000
AT_ONCE = 60  # numbers in one statement
AGES = (
    (0, 0, "Today"),
    (1, 1, "Yesterday"),
    (2, 3, "2 to 3 days"),
    (4, 7, "4 to 7 days"),
    (8, None, "Longer"),
)


@dataclass(frozen=True)
class Count:
    """One number, in words what it counts, and the filters of the list of just these rows."""

    label: str
    filters: Filters
    number: int = 0


@dataclass(frozen=True)
class Times:
    """How long first answers took, in hours of the pharmacy's day; None where there was none."""

    answers: int = 0
    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True)
class Week:
    """What came in from a Monday to a Sunday (or in the part of it that is asked for)."""

    begins: date
    ends: date
    by_kind: dict[str, Count]
    kept: Count
    missed: Count
    answered: Count
    times: Times

    @property
    def in_time(self) -> int | None:
        """Of those whose promise is over, how many of a hundred were answered in time."""
        over = self.kept.number + self.missed.number
        return round(100 * self.kept.number / over) if over else None


@dataclass(frozen=True)
class Report:
    """All figures of some weeks."""

    whole: Count
    weeks: Sequence[Week]
    answered: dict[str, Count]  # by kind, and "" for all
    times: dict[str, Times]  # of these
    is_cut: bool  # whether times are of the newest alone
    topics: Sequence[Count]
    people: Sequence[Count]
    verdicts: Sequence[Count]
    calls: Sequence[Count]
    backlog: Sequence[Count]


def monday(of: date) -> date:
    """Of its week."""
    return of - timedelta(days=of.weekday())


def report(
    since: date,
    until: date,
    *,
    me: int,
    owner: str,
    people: dict[str, str],
    at: datetime,
    org: Organisation,
) -> Report:
    """The figures of what was received on these days; with `owner`, of that person's requests alone.

    `people` are names by number of account.
    """
    base = Filters(status=REAL_WORD, owner=owner, since=f"{since}", until=f"{until}", sort=SORT_NEWEST)
    spans = _weeks(since, until)
    asked: dict[str, list[Count]] = {
        "whole": [Count("Received", base)],
        "kinds": [
            Count(KIND_LABELS[kind], replace(_during(base, span), kind=kind.value))
            for span in spans
            for kind in Kind
        ],
        KEPT: [Count("In time", replace(_during(base, span), promise=KEPT)) for span in spans],
        MISSED: [Count("Late", replace(_during(base, span), promise=MISSED)) for span in spans],
        ANSWERED: [Count("First answers", replace(_during(base, span), promise=ANSWERED)) for span in spans],
        "by kind": [
            Count("First answers", replace(base, promise=ANSWERED, kind=kind)) for kind in ("", *Kind)
        ],
        "topics": [Count(label, replace(base, topic=topic.value)) for topic, label in TOPIC_LABELS.items()],
        "verdicts": [
            Count(label, replace(base, verdict=verdict.value)) for verdict, label in VERDICT_LABELS.items()
        ],
        "calls": [Count(label, replace(base, call=word)) for word, label in CALLS.items()],
        "people": []
        if owner
        else [
            Count(name, replace(base, owner=number))
            for number, name in {"none": "Nobody yet", **people}.items()
        ],
    }
    flat = [count for counts in asked.values() for count in counts]
    numbers = iter(_numbers([count.filters for count in flat], base, me, at))
    done = {
        name: [replace(count, number=next(numbers)) for count in counts] for name, counts in asked.items()
    }
    durations, is_cut = _durations(base, me, at, org)
    kinds = len(Kind)
    weeks = [
        Week(
            *span,
            dict(zip(Kind, done["kinds"][n * kinds : (n + 1) * kinds], strict=True)),
            done[KEPT][n],
            done[MISSED][n],
            done[ANSWERED][n],
            _times([took for on, _kind, took in durations if span[0] <= on <= span[1]]),
        )
        for n, span in enumerate(spans)
    ]
    return Report(
        whole=done["whole"][0],
        weeks=weeks,
        answered=dict(zip(("", *Kind), done["by kind"], strict=True)),
        times={
            word: _times([took for _on, kind, took in durations if word in ("", kind)])
            for word in ("", *Kind)
        },
        is_cut=is_cut,
        topics=done["topics"],
        people=[count for count in done["people"] if count.number],
        verdicts=[count for count in done["verdicts"] if count.number],
        calls=done["calls"],
        backlog=backlog(me=me, owner=owner, at=at, org=org),
    )


def backlog(*, me: int, owner: str, at: datetime, org: Organisation) -> list[Count]:
    """What is open, by the day on which it came."""
    today, base = at.astimezone(org.timezone).date(), Filters(status=OPEN_WORD, owner=owner)
    counts = []
    for newest, oldest, label in AGES:
        since = "" if oldest is None else f"{today - timedelta(days=oldest)}"
        until = "" if newest == 0 else f"{today - timedelta(days=newest)}"
        counts.append(Count(label, replace(base, since=since, until=until)))
    return _counted(counts, base, me, at)


def became(since: date, until: date, *, me: int, owner: str, at: datetime) -> list[Count]:
    """What became of what was received on these days: each stands in one of these."""
    base = Filters(status=ALL_WORD, owner=owner, since=f"{since}", until=f"{until}", sort=SORT_NEWEST)
    found = [Count(label, replace(base, status=status.value)) for status, label in STATUS_LABELS.items()]
    snoozed = Count("Open, and set aside until a day", replace(base, status=SNOOZED_WORD))
    return _counted([Count("Received, with spam", base), *found, snoozed], base, me, at)


def called(since: date, until: date, *, me: int, owner: str, at: datetime) -> Count:
    """Of what was received on these days, how many were called."""
    base = Filters(status=REAL_WORD, owner=owner, since=f"{since}", until=f"{until}", sort=SORT_NEWEST)
    return _counted([Count("Called", replace(base, call=ANY))], base, me, at)[0]


def late(*, me: int, owner: str, at: datetime) -> Count:
    """What is late now."""
    filters = Filters(status=LATE_WORD, owner=owner)
    return _counted([Count("Late now", filters)], filters, me, at)[0]


def _counted(counts: list[Count], base: Filters, me: int, at: datetime) -> list[Count]:
    numbers = _numbers([count.filters for count in counts], base, me, at)
    return [replace(count, number=number) for count, number in zip(counts, numbers, strict=True)]


def _numbers(filters: Sequence[Filters], base: Filters, me: int, at: datetime) -> list[int]:
    """How many rows each of these lists has; all lie within `base`, whose rows are looked at once for many."""
    found: list[int] = []
    for begin in range(0, len(filters), AT_ONCE):
        sums = [
            func.coalesce(func.sum(case((and_(True, *search.conditions(one, me, at)), 1), else_=0)), 0)
            for one in filters[begin : begin + AT_ONCE]
        ]
        row = db.session.execute(select(*sums).where(*search.conditions(base, me, at))).one()
        found += [int(number) for number in row]
    return found


def _durations(
    base: Filters, me: int, at: datetime, org: Organisation
) -> tuple[list[tuple[date, str, float]], bool]:
    """Day received, kind and hours until the first answer of each that was answered, the newest first; whether there
    were more of them."""
    query = (
        select(Request.kind, Request.received_at, Request.first_answered_at)
        .where(*search.conditions(base, me, at), Request.first_answered_at.is_not(None))
        .order_by(Request.received_at.desc(), Request.id.desc())
        .limit(MOST_TIMED + 1)
        .execution_options(yield_per=2000)
    )
    clock, found = hours.Clock(org), []
    rows: Any = db.session.execute(query)
    for kind, received, answered in rows:
        local = received.astimezone(org.timezone).date()
        found.append((local, str(kind), clock.worked(received, answered) / 3600))
    return found[:MOST_TIMED], len(found) > MOST_TIMED


def _times(hours_: list[float]) -> Times:
    """The middle one, and the one that nine of ten came before or with (nearest rank)."""
    took = sorted(hours_)
    if not took:
        return Times()
    middle = len(took) // 2
    median = took[middle] if len(took) % 2 else (took[middle - 1] + took[middle]) / 2
    return Times(len(took), median, took[math.ceil(0.9 * len(took)) - 1])


def _weeks(since: date, until: date) -> list[tuple[date, date]]:
    """Monday to Sunday, the first and the last cut to the days that are asked for."""
    spans, begin = [], since
    while begin <= until:
        end = min(monday(begin) + timedelta(days=6), until)
        spans.append((begin, end))
        begin = end + timedelta(days=1)
    return spans


def _during(base: Filters, span: tuple[date, date]) -> Filters:
    return replace(base, since=f"{span[0]}", until=f"{span[1]}")
