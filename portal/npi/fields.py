"""The form field for an NPI: kind to spaces and hyphens, exact about digits."""

from collections.abc import Sequence
from typing import Any

from wtforms import StringField, ValidationError
from wtforms.form import BaseForm

from portal.npi import number


class NpiField(StringField):
    """A text field whose data is the bare number (None when nothing was given), checked by `number.fault`.

    Give it DataRequired(NpiField.REQUIRED) where the number is needed and Optional() where it is not. A
    number at fault is shown again exactly as typed, so that its writer can compare it with the real one.
    """

    REQUIRED = number.MESSAGES[number.Fault.EMPTY]

    typed: str | None = None

    def process_formdata(self, valuelist: Sequence[Any]) -> None:
        """Keep what was typed, and the bare number as data."""
        if valuelist:
            self.typed = str(valuelist[0])
            self.data = number.normalise(self.typed) or None

    def pre_validate(self, form: BaseForm) -> None:
        """Refuse a number at fault; raises ValidationError with what to do about it."""
        fault = number.fault(self.data or "")
        # Nothing typed is for DataRequired or Optional to judge.
        if fault is None or fault is number.Fault.EMPTY:
            return
        may_be_empty = getattr(self.flags, "optional", False)
        messages = number.MESSAGES_WHEN_OPTIONAL if may_be_empty else number.MESSAGES
        raise ValidationError(messages[fault])

    def _value(self) -> str:
        if self.typed is not None and not number.is_valid(self.typed):
            return self.typed
        return self.data or ""
