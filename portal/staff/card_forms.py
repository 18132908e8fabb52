"""The forms of a prescriber's card."""

from __future__ import annotations

from collections.abc import Callable

from wtforms.validators import DataRequired

from portal.desk.models import CardKind
from portal.desk.prescribers import WRITE_NOTE, WRITE_WHY
from portal.forms import LongTextField
from portal.staff.forms import NOTE_MAX, DeskForm


class CardNoteForm(DeskForm):
    """What only staff read, about a person rather than a request."""

    text = LongTextField(
        "Note", [DataRequired(WRITE_NOTE)], max_length=NOTE_MAX, render_kw={"data-count": NOTE_MAX}
    )


class NoContactForm(DeskForm):
    """Why somebody hears nothing from us but answers."""

    text = LongTextField(
        "What they asked for, and when",
        [DataRequired(WRITE_WHY)],
        max_length=NOTE_MAX,
        render_kw={"data-count": NOTE_MAX},
    )


class ContactForm(DeskForm):
    """One button."""


FORMS: dict[CardKind, Callable[..., DeskForm]] = {
    CardKind.NOTE: CardNoteForm,
    CardKind.NO_CONTACT: NoContactForm,
    CardKind.CONTACT: ContactForm,
}
