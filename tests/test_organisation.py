"""The pharmacy's facts: hours read from settings, said in words, in English and Spanish."""

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from portal.organisation import (
    OpeningHours,
    Organisation,
    parse_holidays,
    parse_hours,
    parse_timezone,
    zone_name,
)

NINE_TO_SIX = (time(9), time(18))


def _pharmacy(hours: str = "Mon-Fri 09:00-18:00", phone: str = "") -> Organisation:
    return Organisation(name="Test Pharmacy", hours=parse_hours(hours), phone=phone)


@pytest.mark.parametrize(
    "text",
    [
        "Mon–Fri 09:00–18:00; Sat 10:00–14:00",
        "Mon-Fri 09:00-18:00; Sat 10:00-14:00",
        " monday - friday 9:00 - 18:00 ;  saturday 10:00-14:00 ; ",
        "Mon, Tue, Wed, Thurs, Fri. 09:00-18:00; Sat 10:00-14:00",
    ],
)
def test_hours_are_read_in_the_ways_people_write_them(text: str) -> None:
    hours = parse_hours(text)

    assert [hours.on(day) for day in range(5)] == [NINE_TO_SIX] * 5
    assert hours.on(5) == (time(10), time(14))
    assert hours.on(6) is None


def test_a_range_may_run_over_the_weekend() -> None:
    hours = parse_hours("Sat-Mon 09:00-18:00")

    assert [day for day in range(7) if hours.on(day)] == [0, 5, 6]


def test_no_hours_are_never_open() -> None:
    assert not parse_hours(" ; ")
    assert parse_hours("Sun 01:00-02:00")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weekdays 9 to 6", 'Opening hours "weekdays 9 to 6" are not understood. Write them like: Mon-Fri'),
        ("Mon-Fri", 'Opening hours "Mon-Fri" are not understood'),
        ("Mon-Fry 09:00-18:00", 'The days in "Mon-Fry 09:00-18:00" are not understood'),
        ("Mon-Wed-Fri 09:00-18:00", "The days in"),
        ("Mon 09:00-25:00", '"25:00" is not a time of day. Write it like: 09:00'),
        ("Mon 09:60-18:00", '"09:60" is not a time of day'),
        ("Mon 18:00-09:00", 'Opening hours "Mon 18:00-09:00" must open before they close, on the same day'),
        ("Mon 09:00-09:00", "must open before they close"),
        ("Mon 09:00-12:00; Mon 13:00-18:00", "Opening hours name Monday twice. Give each day one stretch"),
    ],
)
def test_hours_that_make_no_sense_are_refused_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_hours(text)


def test_hours_need_seven_days_that_open_before_they_close() -> None:
    with pytest.raises(ValueError, match="seven days"):
        OpeningHours((NINE_TO_SIX,))
    with pytest.raises(ValueError, match="before the closing time"):
        OpeningHours(((time(18), time(9)), *[None] * 6))


def test_holidays_are_read_as_dates() -> None:
    assert parse_holidays("2026-11-26, 2026-12-25,") == {date(2026, 11, 26), date(2026, 12, 25)}
    assert parse_holidays("") == frozenset()


@pytest.mark.parametrize("text", ["12/25/2026", "2026-02-30", "20261225", "Christmas"])
def test_a_holiday_that_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date\. Write it like: 2026-12-25"):
        parse_holidays(text)


def test_time_zones_are_known_by_name() -> None:
    assert parse_timezone(" America/Denver ") == ZoneInfo("America/Denver")


@pytest.mark.parametrize("text", ["", "Pacific", "../etc", "America/Los Angeles", "America"])
def test_an_unknown_time_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not known\. Write it like: America/Los_Angeles"):
        parse_timezone(text)


@pytest.mark.parametrize(
    ("hours", "english", "spanish"),
    [
        ("Mon-Fri 09:00-18:00", "Monday to Friday, 9 am to 6 pm", "de lunes a viernes, de 9 a. m. a 6 p. m."),
        (
            "Mon-Fri 08:30-17:00; Sat 10:00-12:00",
            "Monday to Friday, 8:30 am to 5 pm; Saturday, 10 am to noon",
            "de lunes a viernes, de 8:30 a. m. a 5 p. m.; los sábados, de 10 a. m. a 12 del mediodía",
        ),
        (
            "Mon, Tue, Thu 12:30-20:05",
            "Monday and Tuesday, 12:30 pm to 8:05 pm; Thursday, 12:30 pm to 8:05 pm",
            "los lunes y martes, de 12:30 p. m. a 8:05 p. m.; los jueves, de 12:30 p. m. a 8:05 p. m.",
        ),
        (
            "Sat, Sun 00:00-01:00",
            "Saturday and Sunday, 12 am to 1 am",
            "los sábados y domingos, de 12 a. m. a 1 a. m.",
        ),
        ("", "", ""),
    ],
)
def test_hours_are_said_in_words(hours: str, english: str, spanish: str) -> None:
    pharmacy = _pharmacy(hours)

    assert pharmacy.hours_text == english
    assert pharmacy.hours_text_es == spanish


def test_the_zone_has_the_name_people_use() -> None:
    summer, winter = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    denver = Organisation(name="Test Pharmacy", timezone=ZoneInfo("America/Denver"))

    assert zone_name(_pharmacy().timezone, summer) == zone_name(_pharmacy().timezone, winter) == "Pacific"
    assert (zone_name(denver.timezone, summer), zone_name(denver.timezone, winter)) == ("MDT", "MST")


@pytest.mark.parametrize(
    ("phone", "tel"),
    [
        ("(925) 555-0100", "+19255550100"),
        ("1-925-555-0100", "+19255550100"),
        ("+1 925.555.0100", "+19255550100"),
        ("925-555-0100 ext. 12", "+19255550100;ext=12"),
        ("925-555-0100 x12", "+19255550100;ext=12"),
        ("+44 20 7946 0000", "+442079460000"),
        ("555-0100", ""),
        ("1-800-ASK-HELP", ""),
        ("", ""),
    ],
)
def test_a_phone_link_can_be_dialled(phone: str, tel: str) -> None:
    assert _pharmacy(phone=phone).tel == tel


def test_a_holiday_is_closed_whatever_the_weekday() -> None:
    christmas = date(2026, 12, 25)
    pharmacy = Organisation(
        name="Test Pharmacy", hours=parse_hours("Mon-Sun 09:00-18:00"), holidays=frozenset({christmas})
    )

    assert pharmacy.opening(christmas) is None
    assert pharmacy.opening(date(2026, 12, 24)) == NINE_TO_SIX
