"""Dose schedules, and the days on which their steps fall.

Only the schedules of `schedules.yaml` can be planned: each says what kind of source it has, and names it if there is
one; the dosing chapter prints the same ones. Nothing is worked out here but days; a dose is never computed.
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import flask_babel
from flask_babel import lazy_gettext as _

from portal.library import doses, records, tables, typography
from portal.text import bare

LEVELS = {
    "trial": "Steps of a registered placebo-controlled trial",
    "study": "Steps of a study without a control group",
    "practice": "Usual practice; no trial has tested it",
}
TABLE = "step-table"  # the anchor of the schedules' table
REVIEW_WEEK = 12  # the end of a first trial
# A dose is printed in figures and in words, so that a lost point is seen.
IN_WORDS = {
    "0.5 mg": _("half a milligram"),
    "1 mg": _("one milligram"),
    "1.5 mg": _("one and a half milligrams"),
    "2 mg": _("two milligrams"),
    "2.5 mg": _("two and a half milligrams"),
    "3 mg": _("three milligrams"),
    "3.5 mg": _("three and a half milligrams"),
    "4 mg": _("four milligrams"),
    "4.5 mg": _("four and a half milligrams"),
}

_ID = re.compile(r"[a-z0-9][a-z0-9-]*")
_LENGTH = re.compile(r"(?P<count>[1-9]\d?) (?P<unit>week|month)s?")
_ISO = re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})")
_AMERICAN = re.compile(r"(?P<month>\d{1,2})[/.-](?P<day>\d{1,2})[/.-](?P<year>\d+)")
_AROUND = re.compile(r"\s*([/.-])\s*")


@dataclass(frozen=True)
class Step:
    """One dose and how long it is taken; the last step has no length: it goes on until the review."""

    dose: str
    count: int = 0
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One documented schedule."""

    id: str
    name: str
    level: str
    note: str
    sources: tuple[str, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Line:
    """One line of a plan: from `first` to `last` (None: until the review) this dose every day."""

    first: date
    last: date | None
    dose: str
    in_words: Any  # lazy, in the language of the page

    @property
    def days(self) -> int:
        """How many days it is, so many boxes to tick; none where its end is not known."""
        return (self.last - self.first).days + 1 if self.last else 0


def load(path: Path) -> tuple[tuple[Schedule, ...], list[str]]:
    """Read the schedules, in order, and one sentence for each fault; none when there is no such file."""
    if not path.exists():
        return (), []
    try:
        entries = records.read(path.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        return (), [f"{path.name}: {fault}"]
    schedules: list[Schedule] = []
    faults: list[str] = []
    for place, entry in enumerate(entries if isinstance(entries, list) else [], 1):
        try:
            schedules.append(_schedule(entry))
        except (KeyError, TypeError, ValueError) as fault:
            name = entry.get("id") if isinstance(entry, dict) else None
            words = f"{fault.args[0]} is missing" if isinstance(fault, KeyError) else str(fault)
            faults.append(f"{path.name}: {name or f'entry {place}'}: {words}")
    if not schedules and not faults:
        faults.append(f"{path.name}: holds no list of schedules")
    return tuple(schedules), faults


def work_out(schedule: Schedule, start: date) -> tuple[Line, ...]:
    """The days of each step when the first dose is taken on `start`.

    A month is a calendar month: one that begins on 31 January ends on 27 February, the day before the 28th.
    """
    lines = []
    first, months = start, 0
    for step in schedule.steps:
        following = None
        if step.unit == "week":
            following = first + timedelta(weeks=step.count)
        elif step.unit == "month":
            months += step.count
            following = _months_after(start, months)
        last = following - timedelta(days=1) if following else None
        lines.append(Line(first, last, doses.dose(step.dose), IN_WORDS[step.dose]))
        first = following or first
    return tuple(lines)


def weekday(on: date, until: date | None = None) -> str:
    """`Mon, Jan 19`, or in Spanish, in whole words, `lunes 19 de enero`: a day of a plan, without its year.

    Spanish says the month of a span once (`lunes 19 al domingo 25 de enero`): not with its first day if `until`,
    its last, is of the same month. Its abbreviations mislead: `mar` is Tuesday and March.
    """
    pattern = "EEE, MMM d"
    if str(flask_babel.get_locale()) == "es":
        same = until is not None and (on.year, on.month) == (until.year, until.month)
        pattern = "EEEE d" if same else "EEEE d 'de' MMMM"
    return str(flask_babel.format_date(on, pattern)).replace(" ", doses.NBSP)


class NoDay(ValueError):
    """What was typed is no day of the calendar; its text says why, and what to write."""


def read_day(typed: str) -> date:
    """A day typed as 2026-01-19 or, as people here write it, 1/19/2026. Raises NoDay for anything else.

    Two figures are no year: a plan that begins in 1926 or 2026 is for the person who writes it to say.
    """
    text = _AROUND.sub(r"\1", bare(typed))
    match = _ISO.fullmatch(text) or _AMERICAN.fullmatch(text)
    if match is None:
        raise NoDay("Enter the day of the first dose as month/day/year, like 1/19/2027")
    year, month, day = (int(match[part]) for part in ("year", "month", "day"))
    if len(match["year"]) != 4:
        meant = f"{month}/{day}/20{year:02}" if year < 100 else "1/19/2027"
        raise NoDay(f"Write the year with four figures, like {meant}")
    if not 1 <= month <= 12:
        swapped = f"; write the month first, like {day}/{month}/{year}" if 1 <= day <= 12 < month else ""
        raise NoDay(f"There is no month {month}{swapped}")
    try:
        return date(year, month, day)
    except ValueError as fault:
        named = f"{calendar.month_name[month]} {year}"
        raise NoDay(f"There is no day {day} in {named}" if year else "There is no year 0") from fault


def next_monday(today: date) -> date:
    """The Monday after today."""
    return today + timedelta(days=7 - today.weekday())


def grid(schedules: tuple[Schedule, ...]) -> tables.Grid:
    """The table of the dosing chapter."""
    return tables.Grid(
        id=TABLE,
        caption="Schedules, step by step",
        columns=("When", "Dose once a day"),
        groups=tuple(
            tables.Group(
                id=f"plan-{schedule.id}",
                heading=schedule.name,
                detail=f"{LEVELS[schedule.level]}. {schedule.note}{_cite(schedule.sources)}",
                rows=tuple(zip(_spans(schedule), (step.dose for step in schedule.steps), strict=True)),
            )
            for schedule in schedules
        ),
    )


def _spans(schedule: Schedule) -> list[str]:
    """`Week 1`, `Weeks 3 and 4`, `From week 5`."""
    spans = []
    passed, unit = 0, "week"
    for step in schedule.steps:
        unit = step.unit or unit
        first, last = passed + 1, passed + step.count
        if not step.count:
            spans.append(f"From {unit} {first}")
        elif step.count == 1:
            spans.append(f"{unit.capitalize()} {first}")
        else:
            spans.append(f"{unit.capitalize()}s {first} {'and' if step.count == 2 else 'to'} {last}")
        passed = last
    return spans


def _cite(sources: tuple[str, ...]) -> str:
    return f" [{'; '.join(f'@{key}' for key in sources)}]" if sources else ""


def _schedule(entry: Mapping[str, Any]) -> Schedule:
    schedule = Schedule(
        id=entry["id"],
        name=_typeset(entry["name"]),
        level=entry["level"],
        note=_typeset(entry["note"]),
        sources=tuple(entry.get("sources") or ()),
        steps=tuple(_step(step) for step in entry["steps"]),
    )
    if _ID.fullmatch(schedule.id) is None:
        raise ValueError(f"the id {schedule.id!r} is malformed")
    if schedule.level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}")
    if schedule.level != "practice" and not schedule.sources:
        raise ValueError("only usual practice may go without a source")
    if len({step.unit for step in schedule.steps[:-1]}) > 1:
        raise ValueError("steps are counted in weeks or in months, not in both")
    if not all(step.count for step in schedule.steps[:-1]) or schedule.steps[-1].count:
        raise ValueError("every step but the last says how long it lasts")
    return schedule


def _typeset(words: str) -> str:
    put, faults = typography.typeset(words)
    if faults:
        raise ValueError(faults[0])
    return put


def _step(entry: Mapping[str, Any]) -> Step:
    dose, length = entry["dose"], entry.get("for")
    if dose not in IN_WORDS:
        raise ValueError(f"the dose {dose!r} has no words: give it some in plans.IN_WORDS")
    if not length:
        return Step(dose)
    match = _LENGTH.fullmatch(length)
    if match is None:
        raise ValueError(f"{length!r} is no length: write it like 2 weeks or 1 month")
    return Step(dose, int(match["count"]), match["unit"])


def _months_after(start: date, months: int) -> date:
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return date(year, month + 1, day)
