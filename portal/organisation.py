"""The pharmacy's facts: who it is, where, and when it is open.

A fact that is not known is empty and left out of pages; none is ever invented.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from itertools import groupby
from zoneinfo import ZoneInfo

_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}
_SHORT = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u2014\u2212", "------")
_DAY_FORMS = (
    ("mon", "monday"),
    ("tue", "tues", "tuesday"),
    ("wed", "weds", "wednesday"),
    ("thu", "thur", "thurs", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
)
_WEEKDAYS = {form: weekday for weekday, forms in enumerate(_DAY_FORMS) for form in forms}
_PART = re.compile(
    r"(?P<days>[a-z][a-z .,-]*?) *(?P<opens>[0-9]{1,2}:[0-9]{2}) *- *(?P<closes>[0-9]{1,2}:[0-9]{2})"
)
_EXAMPLE = "Mon-Fri 09:00-18:00; Sat 10:00-14:00"

# Zones whose everyday name is not their abbreviation.
_ZONE_NAMES = {"America/Los_Angeles": "Pacific"}


@dataclass(frozen=True)
class OpeningHours:
    """An ordinary week, Monday first: each day's opening and closing time, local, or None when closed."""

    week: tuple[tuple[time, time] | None, ...] = (None,) * 7

    def __post_init__(self) -> None:
        if len(self.week) != 7:
            raise ValueError("Opening hours need seven days, Monday first")
        if any(day is not None and day[0] >= day[1] for day in self.week):
            raise ValueError("The opening time must be before the closing time")

    def __bool__(self) -> bool:
        return any(self.week)

    def on(self, weekday: int) -> tuple[time, time] | None:
        """Opening and closing time of a weekday, 0 is Monday; None when closed."""
        return self.week[weekday]


@dataclass(frozen=True, kw_only=True)
class Organisation:
    """The pharmacy as its pages and mails name it. Texts that are not known are empty and then left out."""

    name: str
    address: str = ""
    phone: str = ""
    fax: str = ""
    hours: OpeningHours = field(default_factory=OpeningHours)
    holidays: frozenset[date] = frozenset()
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("America/Los_Angeles"))
    license: str = ""
    pic: str = ""
    answer_days: tuple[
        tuple[str, int], ...
    ] = ()  # the promise of a kind of request, where it is not the usual one
    withheld: frozenset[str] = frozenset()  # materials and topics that are not offered now

    @property
    def tel(self) -> str:
        """The phone number for a `tel:` link (RFC 3966): "+19255550100"; empty if none could be dialled."""
        number, _, extension = self.phone.lower().replace("ext.", "x").replace("ext", "x").partition("x")
        if re.search("[a-z]", number):
            return ""
        digits = re.sub(r"[^0-9]", "", number)
        if len(digits) == 10 and not number.strip().startswith("+"):
            digits = "1" + digits
        if not 11 <= len(digits) <= 15:
            return ""
        extension = re.sub(r"[^0-9]", "", extension)
        return f"+{digits}" + (f";ext={extension}" if extension else "")

    @property
    def hours_text(self) -> str:
        """The week in English words: "Monday to Friday, 9 am to 6 pm; Saturday, 10 am to 2 pm"."""
        return "; ".join(
            f"{_days_en(first, last)}, {_clock_en(opens)} to {_clock_en(closes)}"
            for first, last, opens, closes in _runs(self.hours)
        )

    @property
    def hours_text_es(self) -> str:
        """The week in Spanish words: "de lunes a viernes, de 9 a. m. a 6 p. m."."""
        return "; ".join(
            f"{_days_es(first, last)}, de {_clock_es(opens)} a {_clock_es(closes)}"
            for first, last, opens, closes in _runs(self.hours)
        )

    def opening(self, day: date) -> tuple[time, time] | None:
        """Opening and closing time on one date, local; None on a closed weekday and on a holiday."""
        return None if day in self.holidays else self.hours.on(day.weekday())

    def days_to_answer(self, kind: str, usual: int) -> int:
        """In how many business days a request of that kind is answered."""
        return dict(self.answer_days).get(kind, usual)


def zone_name(zone: ZoneInfo, at: datetime) -> str:
    """What people call a time zone at that moment: "Pacific", else the abbreviation."""
    return _ZONE_NAMES.get(zone.key) or at.astimezone(zone).strftime("%Z")


def parse_hours(text: str) -> OpeningHours:
    """Opening hours from a setting such as "Mon-Fri 09:00-18:00; Sat 10:00-14:00"; "" is never open.

    Days are English, full or short, as ranges or lists; en dashes do as well; one stretch of time a day.
    Raises ValueError with a sentence that names the part it could not read.
    """
    week: list[tuple[time, time] | None] = [None] * 7
    for part in text.translate(_DASHES).split(";"):
        part = " ".join(part.split())
        if not part:
            continue
        match = _PART.fullmatch(part.lower())
        if match is None:
            raise ValueError(f'Opening hours "{part}" are not understood. Write them like: {_EXAMPLE}')
        opens, closes = _time(match["opens"]), _time(match["closes"])
        if opens >= closes:
            raise ValueError(f'Opening hours "{part}" must open before they close, on the same day')
        for weekday in _weekdays(match["days"], part):
            if week[weekday] is not None:
                name = _DAYS["en"][weekday]
                raise ValueError(f"Opening hours name {name} twice. Give each day one stretch of time")
            week[weekday] = (opens, closes)
    return OpeningHours(tuple(week))


def spell_hours(hours: OpeningHours) -> str:
    """The text that `parse_hours` reads as these hours: "Mon-Fri 09:00-18:00; Sat 10:00-14:00"."""
    return "; ".join(
        f"{_SHORT[first]}{f'-{_SHORT[last]}' if last > first else ''} {opens:%H:%M}-{closes:%H:%M}"
        for first, last, opens, closes in _runs(hours)
    )


def parse_holidays(text: str) -> frozenset[date]:
    """Closed dates from a setting such as "2026-11-26, 2026-12-25"; raises ValueError with a sentence."""
    days = set()
    for part in text.replace(";", ",").split(","):
        part = part.strip()
        if not part:
            continue
        try:
            if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", part):
                raise ValueError
            days.add(date.fromisoformat(part))
        except ValueError:
            raise ValueError(f'Holiday "{part}" is not a date. Write it like: 2026-12-25') from None
    return frozenset(days)


def parse_timezone(text: str) -> ZoneInfo:
    """A time zone by its name in the tz database; raises ValueError with a sentence."""
    try:
        return ZoneInfo(text.strip())
    except (KeyError, ValueError, OSError):
        raise ValueError(f'Time zone "{text}" is not known. Write it like: America/Los_Angeles') from None


def _time(text: str) -> time:
    hour, minute = text.split(":")
    try:
        return time(int(hour), int(minute))
    except ValueError:
        raise ValueError(f'"{text}" is not a time of day. Write it like: 09:00') from None


def _weekdays(text: str, part: str) -> Iterator[int]:
    """The weekdays of "mon-fri" or "mon, wed"; a range may run over the weekend ("sat-tue")."""
    for span in text.split(","):
        ends = [_WEEKDAYS.get(name.strip(" .")) for name in span.split("-")]
        first, last = ends[0], ends[-1]
        if len(ends) > 2 or first is None or last is None:
            raise ValueError(f'The days in "{part}" are not understood. Write them like: {_EXAMPLE}')
        yield from ((first + step) % 7 for step in range((last - first) % 7 + 1))


def _runs(hours: OpeningHours) -> Iterator[tuple[int, int, time, time]]:
    """Neighbouring days with the same hours: first and last weekday, opening, closing."""
    for span, weekdays in groupby(range(7), key=hours.on):
        days = list(weekdays)
        if span:
            yield days[0], days[-1], *span


def _days_en(first: int, last: int) -> str:
    names = _DAYS["en"]
    if first == last:
        return names[first]
    return f"{names[first]} {'to' if last - first > 1 else 'and'} {names[last]}"


def _days_es(first: int, last: int) -> str:
    names = _DAYS["es"]
    if last - first > 1:
        return f"de {names[first]} a {names[last]}"
    # "los sábados", but "los lunes": names in -s do not change in the plural.
    plurals = [name if name.endswith("s") else name + "s" for name in names[first : last + 1]]
    return f"los {' y '.join(plurals)}"


def _clock_en(at: time) -> str:
    if at == time(12):
        return "noon"
    return f"{_twelve_hour(at)} {'am' if at.hour < 12 else 'pm'}"


def _clock_es(at: time) -> str:
    """Spanish as the academy writes it: "a. m." with its space."""
    if at == time(12):
        return "12 del mediodía"
    return f"{_twelve_hour(at)} {'a. m.' if at.hour < 12 else 'p. m.'}"


def _twelve_hour(at: time) -> str:
    return f"{at.hour % 12 or 12}" + (f":{at.minute:02}" if at.minute else "")
