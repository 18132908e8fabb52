"""The form of the settings that a manager changes, and the button that puts a version back."""

from __future__ import annotations

from typing import Any

from wtforms import Field
from wtforms.validators import ValidationError

from portal import office
from portal.forms import ChoicesField, LongTextField, TextField
from portal.intake.catalogue import LABELS as MATERIAL_LABELS
from portal.intake.kinds import ROOM_KINDS
from portal.intake.models import TOPIC_LABELS
from portal.staff.forms import DeskForm, choices

HOURS_MAX, HOLIDAYS_MAX = 400, 2_000
DAYS = {str(kind.word): f"days_{kind.word}" for kind in ROOM_KINDS}  # the promise of each kind has its field


def whole_days(_form: object, field: Field) -> None:
    """A number of days that can be promised."""
    typed = (field.data or "").strip()
    if not (typed.isascii() and typed.isdigit() and len(typed) < 4 and 1 <= int(typed) <= office.MOST_DAYS):
        raise ValidationError(office.BAD_DAYS)


class SettingsForm(DeskForm):
    """All of it at once: what is left as it was is not saved."""

    hours = LongTextField(
        "Opening hours",
        max_length=HOURS_MAX,
        description="Like: Mon-Fri 09:00-18:00; Sat 10:00-14:00",
        render_kw={"spellcheck": "false"},
    )
    holidays = LongTextField(
        "Holidays",
        max_length=HOLIDAYS_MAX,
        description="Days we are closed, like: 2026-11-26, 2026-12-25",
        render_kw={"spellcheck": "false"},
    )
    materials = ChoicesField(
        "Materials that prescribers can ask for", choices=choices(MATERIAL_LABELS), validate_choice=False
    )
    topics = ChoicesField(
        "Topics that a question can have", choices=choices(TOPIC_LABELS), validate_choice=False
    )

    def __init__(self, held: office.Values, **more: Any) -> None:
        shown: dict[str, Any] = {name: held[name] for name in office.FROM}
        for name, words in office.OFFERS.items():
            shown[name] = [word for word in words if word not in held[name]]
        for word, count in held[office.ANSWER_DAYS].items():
            shown[DAYS[word]] = str(count)
        super().__init__(**more, data=shown)

    def typed(self) -> dict[str, Any]:
        """What was entered, as it would be saved."""
        lines = (self.holidays.data or "").replace("\r", "").split("\n")
        return {
            office.HOURS: "; ".join((self.hours.data or "").replace("\r", "").split("\n")),
            office.HOLIDAYS: ", ".join(lines),
            office.ANSWER_DAYS: {word: int(self[field].data) for word, field in DAYS.items()},
            **{
                name: [word for word in words if word not in (self[name].data or ())]
                for name, words in office.OFFERS.items()
            },
        }

    def refuse_value(self, name: str, message: str) -> None:
        """Put a refusal beside the field that it is about."""
        self.refuse(next(iter(DAYS.values())) if name == office.ANSWER_DAYS else name, message)


for _kind in ROOM_KINDS:
    _field = TextField(
        f"{_kind.label}: business days until an answer",
        [whole_days],
        max_length=3,
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    setattr(SettingsForm, DAYS[str(_kind.word)], _field)


class PutBackForm(DeskForm):
    """One button: the version that it is pressed beside holds again."""
