"""The promise on every form and receipt: by when there will be an answer, in the pharmacy's working days."""

from datetime import UTC, date, datetime, time, timedelta

from portal.organisation import Organisation

_A_DAY = timedelta(days=1)


def answer_by(received_at: datetime, business_days: int, org: Organisation) -> datetime:
    """The moment, in UTC, by which a request received then is to be answered.

    The clock starts when the request comes in, or at the next opening if the pharmacy is closed. It ends at
    the same local time so many open days later, moved into that day's hours: Friday 17:30 and one day is
    Monday 17:30; Saturday and one day is Tuesday at opening. Closed weekdays and holidays do not count.
    Raises ValueError for a time without zone, less than one day, or a pharmacy that is never open.
    """
    if received_at.tzinfo is None:
        raise ValueError("received_at needs a time zone")
    if business_days < 1:
        raise ValueError("An answer needs at least one business day")
    if not org.hours:
        raise ValueError("The pharmacy is never open; set its opening hours (ORG_HOURS)")
    local = received_at.astimezone(org.timezone)
    day, clock = local.date(), local.time()
    opening = org.opening(day)
    if opening is None or clock > opening[1]:
        day, (clock, _) = _next_opening(day, org)
    elif clock < opening[0]:
        clock = opening[0]
    for _ in range(business_days):
        day, (opens, closes) = _next_opening(day, org)
    clock = min(max(clock, opens), closes)
    # Combined from local date and time, never by adding hours: 17:30 stays 17:30 over a change of clocks.
    return datetime.combine(day, clock, tzinfo=org.timezone).astimezone(UTC)


def _next_opening(after: date, org: Organisation) -> tuple[date, tuple[time, time]]:
    """The first open date after the given one, with its hours."""
    day = after + _A_DAY
    # This ends: some weekday is open, and holidays are finitely many.
    while (opening := org.opening(day)) is None:
        day += _A_DAY
    return day, opening
