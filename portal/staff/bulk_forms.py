"""The forms beside the list: several requests at once, a view of one's own, who is out of office."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from flask import request
from wtforms import HiddenField, SelectField, StringField
from wtforms.validators import DataRequired

from portal.desk.acts import CLOSE, SPAM, Act
from portal.desk.planning import ASSIGN, SNOOZE
from portal.desk.saved import GIVE_NAME
from portal.desk.search import LIMIT
from portal.forms import BaseForm, DayField, TextField
from portal.intake.models import CLOSE_REASON_LABELS, SPAM_REASON_LABELS, Request
from portal.staff.forms import choices, people_here

CHOOSE = "Choose at least one request"
NOT_AN_ACT = "Press one of the buttons below the list"


@dataclass(frozen=True)
class Outcome:
    """What became of one of the chosen requests."""

    reference: str
    is_done: bool
    words: str
    is_repeat: bool = False  # a button that was pressed twice did it before


def mark_of(asked: Request) -> str:
    """What a tick in the list says: which request, and which version of it was seen."""
    return f"{asked.reference}:{asked.version}"


class BulkForm(BaseForm):
    """The requests that were ticked, and what each act asks."""

    honeypot = None  # type: ignore[assignment]
    chosen = StringField("Requests", id="queue-caption")  # where the summary of faults leads
    view = HiddenField()  # the list that it was sent from
    to = SelectField("Assign to", validate_choice=False)
    close_reason = SelectField(
        "Reason to close",
        choices=choices({"": "Select a reason"} | CLOSE_REASON_LABELS),
        validate_choice=False,
    )
    spam_reason = SelectField(
        "Why it is spam", choices=choices({"": "Select a reason"} | SPAM_REASON_LABELS), validate_choice=False
    )
    until = DayField("Comes back on")

    def __init__(self, people: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(prefix="bulk", **more)
        here = people_here() if people is None else people
        self.to.choices = choices({"": "Select a person", **here})
        self.rows = tuple(dict.fromkeys(request.form.getlist("chosen")))[:LIMIT]

    @property
    def references(self) -> list[tuple[str, int]]:
        """Which were ticked, each with the version that was seen."""
        parts = (row.partition(":") for row in self.rows)
        return [
            (reference, int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0)
            for reference, _, version in parts
        ]

    @property
    def here(self) -> Mapping[str, str]:
        """The query string of the list that it was sent from."""
        return dict(parse_qsl((self.view.data or "")[:2_000]))

    def field_of(self, act: Act) -> str:
        """The field that an act reads."""
        return FIELDS[act.word]


FIELDS = {ASSIGN.word: "to", CLOSE.word: "close_reason", SPAM.word: "spam_reason", SNOOZE.word: "until"}
BULK_ACTS: Sequence[Act] = (ASSIGN, SNOOZE, CLOSE, SPAM)


class ViewForm(BaseForm):
    """A name for the filters that are set."""

    honeypot = None  # type: ignore[assignment]
    view = HiddenField()
    name = TextField("Name of the view", [DataRequired(GIVE_NAME)], max_length=40)

    def __init__(self, **more: Any) -> None:
        super().__init__(prefix="saved", **more)

    @property
    def here(self) -> Mapping[str, str]:
        """The query string of the list that it was sent from."""
        return dict(parse_qsl((self.view.data or "")[:2_000]))


class AwayForm(BaseForm):
    """Who is out of office, until when, and who has their work meanwhile."""

    honeypot = None  # type: ignore[assignment]
    person = SelectField("Who", validate_choice=False)
    until = DayField("Last day out of office")
    work = SelectField("Their open requests", validate_choice=False)
