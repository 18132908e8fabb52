"""The forms of one request's page, and the filters of the list.

A note and an answer are two forms that share nothing but their shape: no box to tick and no tab to change
turns the one into the other. Each carries the version of the request that its writer saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from flask_wtf import FlaskForm
from wtforms import BooleanField, Form, HiddenField, IntegerField, SearchField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired
from wtforms.widgets import HiddenInput

from portal.clock import now
from portal.db import db
from portal.desk import away, letters, replies
from portal.desk.acts import CLOSE, SELECT_REASON, WRITE_ANSWER, WRITE_NOTE, Act
from portal.desk.contact import GIVE_ADDRESS, SELECT_OUTCOME, SELECT_WHOSE, WRITE_FAX
from portal.desk.endings import close_reasons
from portal.desk.identity import WRITE_CALL, WRITE_LICENSE
from portal.desk.joining import GIVE_REFERENCE
from portal.desk.models import CALL_OUTCOME_LABELS
from portal.desk.planning import GIVE_DAY, SELECT_PERSON
from portal.desk.redaction import SELECT_KIND
from portal.forms import BaseForm, ChoiceField, ClockField, DayField, EmailField, LongTextField, TextField
from portal.intake import checks
from portal.intake.models import KIND_LABELS, CloseReason, Request, Status
from portal.npi.verdicts import WORDS, phone_in_words
from portal.people.models import User

NOTE_MAX = 4_000
ANSWER_MAX = 8_000
NUMBER_MAX = 40
WORDS_MAX = 200
LATER_TOO = "Later answers, and the codes to read them, go to this address too"


class Versioned(Protocol):
    """What a version is of."""

    @property
    def version(self) -> int:
        """Counted up with each change."""


class VersionField(IntegerField):
    """The version that the page's reader saw; shown again, it is the version of what the page now shows.

    What is no version reads as 0, which nothing has: a post without one is stale, not broken.
    """

    widget = HiddenInput()
    of: Versioned | None = None

    def process_formdata(self, valuelist: list[str]) -> None:
        """One small whole number."""
        sent = valuelist[0] if len(valuelist) == 1 else ""
        self.data = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else 0

    def _value(self) -> str:
        return str(self.of.version) if self.of else ""


class ActForm(FlaskForm):
    """One button about one request."""

    version = VersionField()

    @property
    def is_stale(self) -> bool:
        """Whether the page was open too long."""
        return "csrf_token" in self.errors


class DeskForm(BaseForm):
    """A form about one request. Only members of staff see it, so no trap for robots is in it."""

    honeypot = None  # type: ignore[assignment]
    version = VersionField()


WORK = {"form": "work"}  # the one form of the request's page: what any button sends holds all that was typed
UNFILLED = {**WORK, "autocomplete": "off"}


def choices(labels: Mapping[Any, str]) -> list[SelectChoice]:
    """Stored words and what is shown for them, as a field takes them."""
    return [SelectChoice(value=str(word), label=label) for word, label in labels.items()]


class NoteForm(DeskForm):
    """What only staff read."""

    text = LongTextField(
        "Note", [DataRequired(WRITE_NOTE)], max_length=NOTE_MAX, render_kw={"data-count": NOTE_MAX, **WORK}
    )


class CallForm(DeskForm):
    """What a call to the registry's number told; the number stands before it, as the page showed it."""

    text = LongTextField("What you learned", [DataRequired(WRITE_CALL)], max_length=NOTE_MAX, render_kw=WORK)
    number = HiddenField()

    def __init__(self, request: Request, **more: Any) -> None:
        self.known = checks.numbers(request)
        super().__init__(**more, data={"number": next(iter(self.known), "")})

    def values(self) -> dict[str, Any]:
        """The note as it is kept."""
        number = self.number.data if self.number.data in self.known else next(iter(self.known), "")
        told = f"Called {phone_in_words(number)}, the registry's number for this NPI.\n\n{self.text.data}"
        return {"text": told if self.text.data else ""}


class LicenseForm(DeskForm):
    """What the board's look-up says."""

    text = LongTextField("What you found", [DataRequired(WRITE_LICENSE)], max_length=NOTE_MAX, render_kw=WORK)

    def values(self) -> dict[str, Any]:
        """The note as it is kept."""
        return {"text": f"Looked up the license.\n\n{self.text.data}" if self.text.data else ""}


class AnswerForm(DeskForm):
    """What goes out by mail; `close` is the second of its two buttons."""

    text = LongTextField(
        "Answer",
        [DataRequired(WRITE_ANSWER)],
        max_length=ANSWER_MAX,
        render_kw={"data-count": ANSWER_MAX, **WORK},
    )
    close = BooleanField()


class ReasonForm(DeskForm):
    """Why: one of a list, because the audit trail holds no free text."""

    reason = ChoiceField("Reason", [DataRequired(SELECT_REASON)], validate_choice=False, render_kw=WORK)

    def __init__(self, act: Act, reasons: Mapping[Any, str] | None = None, **more: Any) -> None:
        super().__init__(prefix=act.word, **more)
        self.reason.choices = choices(reasons or act.reasons)


class RedactForm(ReasonForm):
    """Which words go, and what they are; the words themselves are kept nowhere."""

    reason = ChoiceField("What they are", [DataRequired(SELECT_KIND)], validate_choice=False, render_kw=WORK)
    words = TextField(
        "Words to take out",
        description="Copied from this page. Everywhere in this request, also from notes, drafts and mails.",
        max_length=WORDS_MAX,
        render_kw={**WORK, "autocomplete": "off", "spellcheck": "false"},
    )
    sure = BooleanField()  # the button of the page that shows what would go


class LoggedCallForm(DeskForm):
    """A call: what came of it, which number, and what was said."""

    reason = ChoiceField(
        "What came of it",
        [DataRequired(SELECT_OUTCOME)],
        choices=choices(CALL_OUTCOME_LABELS),
        validate_choice=False,
        render_kw=WORK,  # WTForms gives buttons the field's own, and not those of their choices
    )
    number = TextField("Number called", max_length=NUMBER_MAX, render_kw={**WORK, "inputmode": "tel"})
    day = DayField("Call again on", description="Needed if they asked us to call again", render_kw=WORK)
    time = ClockField("At", description="The pharmacy’s time", render_kw=WORK)
    text = LongTextField("What was said", max_length=NOTE_MAX, render_kw={"data-count": NOTE_MAX, **WORK})


class FaxForm(DeskForm):
    """A fax: to which number, and what it said."""

    number = TextField("Fax number", max_length=NUMBER_MAX, render_kw={**WORK, "inputmode": "tel"})
    text = LongTextField(
        "What you faxed",
        [DataRequired(WRITE_FAX)],
        max_length=ANSWER_MAX,
        render_kw={"data-count": ANSWER_MAX, **WORK},
    )


class TargetForm(DeskForm):
    """Which request this one repeats."""

    target = TextField(
        "Reference of the other request",
        [DataRequired(GIVE_REFERENCE)],
        max_length=40,
        render_kw={**WORK, "autocomplete": "off", "spellcheck": "false"},
    )


class AssignForm(DeskForm):
    """Who is to see to it: whoever is not out of office."""

    to = SelectField("To", [DataRequired(SELECT_PERSON)], validate_choice=False, render_kw=WORK)

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.to.choices = choices({"": "Select a person"} | people_here())


class SnoozeForm(DeskForm):
    """Until when it is set aside."""

    until = DayField("Comes back on", [DataRequired(GIVE_DAY)], render_kw=WORK)


def people_here(people: Iterable[User] | None = None) -> dict[str, str]:
    """Everybody to whom work can be given, with their role; `people` where they are known already."""
    here = away.colleagues(now()) if people is None else people
    return {str(user.id): f"{user.name} ({user.role_label})" for user in here}


class AddressForm(DeskForm):
    """Where to send an answer again."""

    whose = SelectField("For whom", validate_choice=False, render_kw=WORK)
    address = EmailField("Address", [DataRequired(GIVE_ADDRESS)], description=LATER_TOO, render_kw=UNFILLED)

    def __init__(self, asked: Request, **more: Any) -> None:
        joined = letters.joined_to(asked)  # then no address stands there before somebody said for whom
        super().__init__(**more, data={} if joined else {"address": asked.reply_email})
        named = {one.reference: f"{one.reference}, {one.reply_email}" for one in (asked, *joined)}
        self.whose.choices = choices({"": SELECT_WHOSE} | named if joined else {})


FORMS: Mapping[str, type[DeskForm]] = {
    "note": NoteForm,
    "answer": AnswerForm,
    "call": LoggedCallForm,
    "license": LicenseForm,
    "fax-answered": FaxForm,
    "duplicate": TargetForm,
    "assign": AssignForm,
    "snooze": SnoozeForm,
}


def form_of(act: Act, request: Request) -> ActForm | DeskForm:
    """The form that asks what an act needs; what is answered is closed because it is answered."""
    if act.word == "call-back":
        return CallForm(request, prefix=act.box)
    if act.box == "call":
        return LoggedCallForm(prefix=act.box, data={"number": request.phone})
    if act.box == "duplicate" and request.possible_duplicate_of:
        other = db.session.get(Request, request.possible_duplicate_of)
        return TargetForm(prefix=act.box, data={"target": other.reference if other else ""})
    if act.box == "resend":
        return AddressForm(request, prefix=act.box)
    if act.measures:
        return RedactForm(act)
    if form := FORMS.get(act.box):
        return form(prefix=act.box)
    if act is CLOSE:
        is_answered = request.status == Status.ANSWERED
        return ReasonForm(
            act, close_reasons(request), data={"reason": CloseReason.ANSWERED} if is_answered else {}
        )
    if act.reasons:
        return ReasonForm(act)
    return ActForm()


VERDICT_CHOICES = {"": "All"} | {verdict.value: words for verdict, words in WORDS.items()}


class HandOverForm(BaseForm):
    """To whom all of somebody's work goes."""

    honeypot = None  # type: ignore[assignment]
    to = SelectField("To", validate_choice=False)


PICK = "Select a stored reply or a link"
LINK = "link-"  # before the word of what is a link rather than a stored reply


class InsertForm(DeskForm):
    """Which stored reply, or link to a page of ours, to put into the answer."""

    reply = SelectField("Stored reply or link", [DataRequired(PICK)], validate_choice=False, render_kw=WORK)

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        on = now().date()
        self.reply.choices = choices(
            {"": PICK}
            | {
                reply.id: reply.title + (" (to be read again first)" if replies.is_overdue(reply, on) else "")
                for reply in replies.stored()
            }
            | {f"{LINK}{word}": f"Link: {label}" for word, (label, _) in replies.LINKS.items()}
        )


class FilterForm(Form):
    """What to show in the list. It changes nothing, so it carries no token."""

    q = SearchField(
        "Search",
        description="Reference, NPI, name, or words of texts that you may read",
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    status = SelectField("Status", validate_choice=False)
    kind = SelectField("Kind", choices=choices({"": "All"} | KIND_LABELS), validate_choice=False)
    verdict = SelectField("Registry", choices=choices(VERDICT_CHOICES), validate_choice=False)
    owner = SelectField("Owner", validate_choice=False)
    sort = SelectField("Order", validate_choice=False)
