"""The forms of the content room: the gate's one button, the choice of a dose plan, the steps of a prescription."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from wtforms import HiddenField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired, ValidationError

from portal.forms import BaseForm, ChoiceField, TextField
from portal.library import plans, prescriptions
from portal.library.plans import Schedule

SELECT_SCHEDULE = "Select a schedule"
SELECT_LANGUAGE = "Select the patient's language"
SELECT_PRODUCT = "Select a form and strength"
SELECT_TIME = "Select a time of day"
ENTER_DAYS = "Write the days in all, from 7 to 84"
OWN = "own"
STEPS = 6  # own steps that fit the form
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


class PrescriptionForm(BaseForm):
    """Steps, a form and strength, a time of day and a length: nothing about a person."""

    schedule = ChoiceField(  # type: ignore[call-arg]
        "Steps", [DataRequired(SELECT_SCHEDULE)], choices=[], invalid_choice_message=SELECT_SCHEDULE
    )
    product = ChoiceField(  # type: ignore[call-arg]
        "Form and strength",
        [DataRequired(SELECT_PRODUCT)],
        choices=[SelectChoice(one.id, one.label) for one in prescriptions.PRODUCTS],
        invalid_choice_message=SELECT_PRODUCT,
        default="capsules-1.5",
    )
    time = ChoiceField(  # type: ignore[call-arg]
        "Time of day",
        [DataRequired(SELECT_TIME)],
        choices=[SelectChoice(value, words.capitalize()) for value, words in prescriptions.TIMES.items()],
        invalid_choice_message=SELECT_TIME,
        default="bedtime",
    )
    days = TextField(
        "Days in all",
        [DataRequired(ENTER_DAYS)],
        max_length=10,
        default="56",
        description="56 or 84: to the review, 8 or 12 weeks after the first dose",
        render_kw={"autocomplete": "off", "inputmode": "numeric"},
    )

    def __init__(self, schedules: Iterable[Schedule], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schedules = {schedule.id: schedule for schedule in schedules}
        named = [SelectChoice(schedule.id, schedule.name) for schedule in self.schedules.values()]
        self.schedule.choices = [*named, SelectChoice(OWN, "Own steps, written below")]
        self.written: prescriptions.Prescription | None = None

    @classmethod
    def choices_in(cls, sent: Mapping[str, str]) -> list[tuple[str, str]]:
        """What was chosen in a post, as it was typed, to carry over another page."""
        return [(name, sent[name]) for name in PRESCRIPTION_FIELDS if sent.get(name)]

    @classmethod
    def refilled(cls, schedules: Iterable[Schedule], chosen: Mapping[str, str]) -> PrescriptionForm:
        """The form as it was left, not sent again."""
        return cls(schedules, formdata=None, **chosen)

    @property
    def rows(self) -> list[tuple[TextField, TextField]]:
        """The fields of own steps: a dose and its days."""
        return [(self[f"dose_{place}"], self[f"days_{place}"]) for place in range(1, STEPS + 1)]

    def validate(self, extra_validators: Any = None) -> bool:
        """Well-formed, and a prescription that can be written; what is refused stands beside its step."""
        if not super().validate(extra_validators):
            return False
        try:
            self.written = self._write()
        except prescriptions.Refused as fault:
            step = min(fault.step, STEPS)
            own = f"{'days' if fault.is_days else 'dose'}_{step}" if step else "days"
            self.refuse(own if self.schedule.data == OWN else "schedule", str(fault))
            return False
        return True

    def _write(self) -> prescriptions.Prescription:
        typed = [(dose.data or "", days.data or "") for dose, days in self.rows]
        days = prescriptions.read_days(self.days.data or "")
        product = next(one for one in prescriptions.PRODUCTS if one.id == self.product.data)
        if self.schedule.data == OWN:
            steps = prescriptions.read_steps(typed, days)
        elif any(map(any, typed)):
            raise prescriptions.Refused("You wrote own steps: select “Own steps”, or empty their fields")
        else:
            steps = prescriptions.steps_of(self.schedules[self.schedule.data], days)
        prescriptions.check(steps)
        return prescriptions.write(steps, product, self.time.data)


for _place in range(1, STEPS + 1):
    for _name, _words in (("dose", "mg"), ("days", "days")):
        setattr(
            PrescriptionForm,
            f"{_name}_{_place}",
            TextField(
                f"Step {_place}: {_words}",
                max_length=10,
                render_kw={"autocomplete": "off", "inputmode": "decimal" if _name == "dose" else "numeric"},
            ),
        )
PRESCRIPTION_FIELDS = (
    *("schedule", "product", "time", "days"),
    *(f"{name}_{place}" for place in range(1, STEPS + 1) for name in ("dose", "days")),
)


def _american(on: date) -> str:
    """`1/19/2026`, as people here write a day."""
    return f"{on.month}/{on.day}/{on.year}"
