"""By when there will be an answer: open days only, holidays skipped, right over both changes of clocks."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.hours import answer_by
from portal.organisation import OpeningHours, Organisation, parse_holidays, parse_hours

PACIFIC = ZoneInfo("America/Los_Angeles")


def _pharmacy(hours: str = "Mon-Fri 09:00-18:00", holidays: str = "") -> Organisation:
    return Organisation(name="Test Pharmacy", hours=parse_hours(hours), holidays=parse_holidays(holidays))


def _local(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=PACIFIC)


@pytest.mark.parametrize(
    ("received", "days", "expected", "why"),
    [
        ("2026-01-16 17:30", 1, "2026-01-19 17:30", "Friday 17:30 is Monday 17:30"),
        ("2026-01-17 11:00", 1, "2026-01-19 18:00", "Saturday starts on Monday, and is its close"),
        ("2026-01-18 23:59", 1, "2026-01-19 18:00", "Sunday likewise"),
        ("2026-01-16 18:00", 1, "2026-01-19 18:00", "closing time stays at closing"),
        ("2026-01-16 18:01", 1, "2026-01-19 18:00", "a minute later too: it starts on Monday"),
        ("2026-01-14 09:00", 1, "2026-01-14 18:00", "with the opening a whole day begins"),
        ("2026-01-14 09:01", 1, "2026-01-15 09:01", "a minute later it has begun"),
        ("2026-01-14 03:00", 1, "2026-01-14 18:00", "before opening starts at opening"),
        ("2026-01-16 22:00", 2, "2026-01-20 18:00", "Friday night and two days is Tuesday's close"),
        ("2026-01-14 12:00", 2, "2026-01-16 12:00", "two days"),
        ("2026-01-15 12:00", 2, "2026-01-19 12:00", "two days over a weekend"),
        ("2026-03-06 17:30", 1, "2026-03-09 17:30", "over the spring change of clocks"),
        ("2026-03-08 02:30", 1, "2026-03-09 18:00", "at a local time that does not exist"),
        ("2026-10-30 17:30", 1, "2026-11-02 17:30", "over the autumn change of clocks"),
        ("2026-11-01 01:30", 1, "2026-11-02 18:00", "at a local time that comes twice"),
    ],
)
def test_an_answer_is_due_after_open_days(received: str, days: int, expected: str, why: str) -> None:
    due = answer_by(_local(received), days, _pharmacy())

    assert due == _local(expected), why
    assert due.tzinfo is UTC


@pytest.mark.parametrize(
    ("received", "expected_utc"),
    [
        ("2026-03-06 17:30", "2026-03-10 00:30"),
        ("2026-03-05 17:30", "2026-03-07 01:30"),
        ("2026-10-29 17:30", "2026-10-31 00:30"),
        ("2026-10-30 17:30", "2026-11-03 01:30"),
    ],
)
def test_the_offset_is_that_of_the_day_of_the_answer(received: str, expected_utc: str) -> None:
    due = answer_by(_local(received), 1, _pharmacy())

    assert due == datetime.strptime(expected_utc, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("2026-11-25 15:00", "2026-11-30 15:00"),
        ("2026-11-26 10:00", "2026-11-30 18:00"),
        ("2026-11-25 20:00", "2026-11-30 18:00"),
    ],
)
def test_holidays_do_not_count(received: str, expected: str) -> None:
    pharmacy = _pharmacy(holidays="2026-11-26, 2026-11-27")

    assert answer_by(_local(received), 1, pharmacy) == _local(expected)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("2026-01-16 17:30", "2026-01-17 14:00"),
        ("2026-01-16 09:15", "2026-01-17 14:00"),
        ("2026-01-16 11:00", "2026-01-17 11:00"),
        ("2026-01-17 14:00", "2026-01-19 14:00"),
        ("2026-01-17 15:00", "2026-01-19 18:00"),
    ],
)
def test_the_answer_is_moved_into_the_hours_of_its_day(received: str, expected: str) -> None:
    pharmacy = _pharmacy("Mon-Fri 09:00-18:00; Sat 10:00-14:00")

    assert answer_by(_local(received), 1, pharmacy) == _local(expected)


def test_a_time_in_utc_is_read_in_the_pharmacys_zone() -> None:
    saturday_in_utc_friday_in_california = datetime(2026, 1, 17, 1, 30, tzinfo=UTC)

    assert answer_by(saturday_in_utc_friday_in_california, 1, _pharmacy()) == _local("2026-01-19 17:30")


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        answer_by(datetime(2026, 1, 16, 12), 1, _pharmacy())  # noqa: DTZ001


def test_less_than_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one business day"):
        answer_by(_local("2026-01-16 12:00"), 0, _pharmacy())


@pytest.mark.parametrize(
    ("received", "days", "expected"),
    [
        ("2026-01-14 11:20", 1, "2026-01-15 23:59"),
        ("2026-01-14 00:00", 1, "2026-01-14 23:59"),
        ("2026-01-16 22:00", 1, "2026-01-19 23:59"),
        ("2026-01-17 11:00", 2, "2026-01-20 23:59"),
    ],
)
def test_without_hours_whole_business_days_count(received: str, days: int, expected: str) -> None:
    assert answer_by(_local(received), days, _pharmacy("")) == _local(expected)


# Openings after the hour in which clocks change: no pharmacy works through it.
_OPENINGS = st.tuples(st.integers(4 * 60, 23 * 60), st.integers(4 * 60 + 1, 24 * 60 - 1)).filter(
    lambda t: t[0] < t[1]
)
_DAYS = st.none() | _OPENINGS.map(lambda t: (time(*divmod(t[0], 60)), time(*divmod(t[1], 60))))
_WEEKS = st.lists(_DAYS, min_size=7, max_size=7).filter(any).map(lambda week: OpeningHours(tuple(week)))
_DATES = st.dates(date(2026, 1, 1), date(2027, 1, 31))
_PHARMACIES = st.builds(
    Organisation,
    name=st.just("Test Pharmacy"),
    hours=_WEEKS,
    holidays=st.frozensets(_DATES, max_size=30),
    timezone=st.sampled_from([PACIFIC, ZoneInfo("America/New_York"), ZoneInfo("Pacific/Honolulu")]),
)
_MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@settings(deadline=None)
@given(received=_MOMENTS, days=st.integers(1, 5), pharmacy=_PHARMACIES)
def test_an_answer_is_due_later_and_while_open(received: datetime, days: int, pharmacy: Organisation) -> None:
    due = answer_by(received, days, pharmacy)

    local = due.astimezone(pharmacy.timezone)
    opening = pharmacy.opening(local.date())
    assert due > received
    assert local.date() not in pharmacy.holidays
    assert opening is not None
    assert opening[0] < local.time() <= opening[1]


@settings(deadline=None)
@given(received=_MOMENTS, later=st.integers(0, 14 * 24 * 60), days=st.integers(1, 5), pharmacy=_PHARMACIES)
def test_who_asks_later_is_never_due_on_an_earlier_day(
    received: datetime, later: int, days: int, pharmacy: Organisation
) -> None:
    first = answer_by(received, days, pharmacy)
    second = answer_by(received + timedelta(minutes=later), days, pharmacy)

    assert first.astimezone(pharmacy.timezone).date() <= second.astimezone(pharmacy.timezone).date()
