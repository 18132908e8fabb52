"""The promise on every form and receipt: by when there will be an answer, in the pharmacy's working days."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from portal.organisation import OpeningHours, Organisation

_A_DAY = timedelta(days=1)
# Where no hours are known, whole days count, Monday to Friday. Its last minute is shown as "the end of" a day.
END_OF_DAY = time(23, 59)
_WHOLE_DAYS = OpeningHours(((time(0), END_OF_DAY),) * 5 + (None, None))


def answer_by(received_at: datetime, business_days: int, org: Organisation) -> datetime:
    """The moment, in UTC, by which a request received then is to be answered.

    While the pharmacy is open it is the same local time so many open days later, moved into that day's hours: Friday
    17:30 and one day is Monday 17:30. What comes in while it is closed begins at the next opening, and so many whole
    days end at a close: Friday night and one day is Monday's close. So none ends at an opening, when nobody can have
    answered yet. Closed weekdays and holidays do not count. Where no hours are known a day has them all.
    Raises ValueError for a time without zone or less than one day.
    """
    if received_at.tzinfo is None:
        raise ValueError("received_at needs a time zone")
    if business_days < 1:
        raise ValueError("An answer needs at least one business day")
    org = working(org)
    local = received_at.astimezone(org.timezone)
    day, clock = local.date(), local.time().replace(second=0, microsecond=0)
    opening = org.opening(day)
    if opening is None or local.time() > opening[1]:
        day, opening = _next_opening(day, org)
        clock = opening[0]
    begins_with_a_day = clock <= opening[0]
    for _ in range(business_days - begins_with_a_day):
        day, opening = _next_opening(day, org)
    if begins_with_a_day or not opening[0] < clock < opening[1] or opening[1] == END_OF_DAY:
        clock = opening[1]
    # Combined from local date and time, never by adding hours: 17:30 stays 17:30 over a change of clocks.
    return datetime.combine(day, clock, tzinfo=org.timezone).astimezone(UTC)


def worked(begin: datetime, end: datetime, org: Organisation) -> timedelta:
    """How long the pharmacy was open between two moments."""
    org, total = working(org), timedelta(0)
    day, last = begin.astimezone(org.timezone).date(), end.astimezone(org.timezone).date()
    while day <= last:
        for opens, closes in _open(day, org):
            total += max(timedelta(0), min(end, closes) - max(begin, opens))
        day += _A_DAY
    return total


class Clock:
    """`worked` for many rows: each day's hours are looked up once."""

    def __init__(self, org: Organisation) -> None:
        self._org, self._first = working(org), date.max
        self._open: list[tuple[float, float, float]] = []  # opens, closes (UTC seconds), worked before it

    def worked(self, begin: datetime, end: datetime) -> float:
        """For how many seconds the pharmacy was open between two moments."""
        first, last = begin.astimezone(self._org.timezone).date(), end.astimezone(self._org.timezone).date()
        return max(0.0, self._until(end, last, first) - self._until(begin, first, first))

    def _until(self, at: datetime, day: date, first: date) -> float:
        """The seconds of opening before a moment, counted from a day that is the same for all."""
        if first < self._first:
            self._first, self._open = first - 400 * _A_DAY, []
        while len(self._open) <= (number := (day - self._first).days):
            before = self._open[-1] if self._open else (0.0, 0.0, 0.0)
            worked_before = before[2] + before[1] - before[0]
            found = _open(self._first + len(self._open) * _A_DAY, self._org)
            opens, closes = (found[0][0].timestamp(), found[0][1].timestamp()) if found else (0.0, 0.0)
            self._open.append((opens, closes, worked_before))
        opens, closes, total = self._open[number]
        return total + min(max(at.timestamp() - opens, 0.0), closes - opens)


def after(begin: datetime, work: timedelta, org: Organisation) -> datetime:
    """The moment when the pharmacy has been open so long, counted from another."""
    org, day = working(org), begin.astimezone(org.timezone).date()
    while True:  # ends for the same reason as `_next_opening`
        for opens, closes in _open(day, org):
            first = max(begin, opens)
            if first + work <= closes:
                return first + work
            work -= max(timedelta(0), closes - first)
        day += _A_DAY


def _open(day: date, org: Organisation) -> list[tuple[datetime, datetime]]:
    """When it is open that day, in UTC; nothing on a closed one."""
    hours = org.opening(day)
    ends = [datetime.combine(day, end, tzinfo=org.timezone).astimezone(UTC) for end in hours or ()]
    return [(ends[0], ends[1])] if ends else []


def working(org: Organisation) -> Organisation:
    """The pharmacy as its working days are counted: where no hours are known, whole days."""
    return org if org.hours else replace(org, hours=_WHOLE_DAYS)


def _next_opening(after: date, org: Organisation) -> tuple[date, tuple[time, time]]:
    """The first open date after the given one, with its hours."""
    day = after + _A_DAY
    # This ends: some weekday is open, and holidays are finitely many.
    while (opening := org.opening(day)) is None:
        day += _A_DAY
    return day, opening
