"""The two forms of the content room: the gate's one button, and the choice of a dose plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from wtforms import HiddenField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired, ValidationError

from portal.forms import BaseForm, ChoiceField, TextField
from portal.library import plans
from portal.library.plans import Schedule

SELECT_SCHEDULE = "Select a schedule"
SELECT_LANGUAGE = "Select the patient's language"
ENTER_START = "Enter the day of the first dose as month/day/year"
START_RANGE = "Enter a day between {first} and {last}"
# A plan is printed for a treatment that begins; one for last year is a slip of the pen.
EARLIEST = timedelta(days=31)
LATEST = timedelta(days=366)

LANGUAGES = (("en", "English"), ("es", "Spanish (español)"))


class GateForm(BaseForm):
    """One button, and where to go after it."""

    next = HiddenField()


class PlanForm(BaseForm):
    """Which documented schedule, from which day, in which language: nothing about a person."""

    schedule = ChoiceField(  # type: ignore[call-arg]  # newer than its stubs
        "Schedule", [DataRequired(SELECT_SCHEDULE)], choices=[], invalid_choice_message=SELECT_SCHEDULE
    )
    start = TextField(
        "Day of the first dose",
        [DataRequired(ENTER_START)],
        max_length=40,
        description="Month/day/year. Filled in: next Monday",
        render_kw={"autocomplete": "off", "inputmode": "text"},
    )
    language = ChoiceField(  # type: ignore[call-arg]
        "Language of the plan",
        [DataRequired(SELECT_LANGUAGE)],
        choices=[SelectChoice(value, label) for value, label in LANGUAGES],
        invalid_choice_message=SELECT_LANGUAGE,
        default="en",
    )

    @classmethod
    def choices_in(cls, sent: Mapping[str, str]) -> list[tuple[str, str]]:
        """What was chosen in a post, as it was typed, to carry over another page."""
        return [(name, sent[name]) for name in ("schedule", "start", "language") if name in sent]

    @classmethod
    def refilled(cls, schedules: Iterable[Schedule], today: date, chosen: Mapping[str, str]) -> PlanForm:
        """The form as it was left, not sent again."""
        return cls(schedules, today, formdata=None, **chosen)

    def __init__(self, schedules: Iterable[Schedule], today: date, **kwargs: Any) -> None:
        super().__init__(**{"start": _american(plans.next_monday(today)), **kwargs})
        self.schedule.choices = [SelectChoice(schedule.id, schedule.name) for schedule in schedules]
        self.today = today
        self.start_on = today

    def validate_start(self, field: TextField) -> None:
        """A day that is there, not long past and not far ahead."""
        try:
            self.start_on = plans.read_day(field.data or "")
        except plans.NoDay as fault:
            raise ValidationError(str(fault)) from fault
        first, last = self.today - EARLIEST, self.today + LATEST
        if not first <= self.start_on <= last:
            raise ValidationError(START_RANGE.format(first=_american(first), last=_american(last)))


def _american(on: date) -> str:
    """`1/19/2026`, as people here write a day."""
    return f"{on.month}/{on.day}/{on.year}"
