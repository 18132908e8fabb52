"""The two forms of prescribers. Each answers one question, "is this well-formed?", and says what to do if not.

Field names are those of the contract. Lengths are said twice on purpose: here as a sentence, in `models.py` as a
column.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from markupsafe import Markup
from wtforms import BooleanField, Field, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.fields.core import UnboundField
from wtforms.validators import DataRequired, ValidationError

from portal import controls
from portal.forms import TOKENS, BaseForm, ChoiceField, ChoicesField, EmailField, LongTextField, TextField
from portal.intake.catalogue import CATALOGUE
from portal.intake.fields import CheckField, MayBeEmpty, OneOf, PhoneField, RequiredIf, is_phone
from portal.intake.models import (
    CONTACT_METHOD_LABELS,
    CONTACT_WINDOW_LABELS,
    DELIVERY_LABELS,
    TOPIC_LABELS,
    ContactMethod,
    ContactWindow,
    Delivery,
)
from portal.npi.fields import NpiField
from portal.places import STATES
from portal.settings import settings

NAME_MAX = 128
CREDENTIAL_MAX = 40
PRACTICE_MAX = 160
PHONE_MAX = 40
QUESTION_MAX = 2000
ADDRESS_MAX = 400
NOTE_MAX = 500

ENTER_NAME = "Enter your name"
ENTER_EMAIL = "Enter your work email"
ENTER_QUESTION = "Enter your question"
ENTER_PHONE = "Enter the phone number we should call"
ENTER_DELEGATE_NAME = "Enter the name of the person who asks"
ENTER_DELEGATE_EMAIL = "Enter the work email of the person who asks"
ENTER_ADDRESS = "Enter the address we should mail to"
SELECT_TOPIC = "Select what you need help with"
SELECT_METHOD = "Select how we should answer you"
SELECT_WINDOW = "Select when we may call"
SELECT_STATE = "Select your state from the list, or leave it empty"
SELECT_ITEM = "Select what we should send you"
TOPIC_GONE = "We no longer list one of the topics you selected. Select again"
ITEM_GONE = "We no longer send one of the things you selected. Select again"
SELECT_DELIVERY = "Select how we should send it"


class IntakeForm(BaseForm):
    """What both forms can do."""

    @classmethod
    def answer_names(cls) -> list[str]:
        """The names of the fields that hold answers."""
        named = [name for name in dir(cls) if isinstance(getattr(cls, name), UnboundField)]
        return [name for name in named if name not in (*TOKENS, "honeypot")]

    def values(self) -> dict[str, Any]:
        """The answers, by name; what was not given is empty, never None."""
        return {name: _plain(value) for name, value in super().values().items()}

    def carried(self, **more: str) -> Markup:
        """Every answer as hidden fields, to stand on the page between writing and sending."""
        pairs = (*self._pairs(), *more.items())
        return Markup("\n".join(controls.hidden(*pair) for pair in pairs))  # noqa: S704 - escaped there

    def _pairs(self) -> Iterable[tuple[str, str]]:
        for field in self.answers():
            if isinstance(field.data, list):
                yield from ((field.name, value) for value in field.data)
            elif isinstance(field, BooleanField):
                if field.data:
                    yield field.name, "y"
            elif field.data:
                yield field.name, str(field.data)


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    return "" if value is None else value


def _choices(labels: Iterable[tuple[str, str]]) -> list[SelectChoice]:
    return [SelectChoice(value=str(value), label=label) for value, label in labels]


def _name() -> Any:
    return TextField(
        "Your name",
        [DataRequired(ENTER_NAME)],
        max_length=NAME_MAX,
        render_kw={"autocomplete": "name", "spellcheck": "false"},
    )


def _credential() -> Any:
    return TextField(
        "Credentials",
        [MayBeEmpty()],
        max_length=CREDENTIAL_MAX,
        description="For example, MD, NP or PA",
        render_kw={"autocomplete": "honorific-suffix", "spellcheck": "false"},
    )


def _practice() -> Any:
    return TextField(
        "Practice", [MayBeEmpty()], max_length=PRACTICE_MAX, render_kw={"autocomplete": "organization"}
    )


def _state() -> Any:
    return SelectField(
        "State you are licensed in",
        [MayBeEmpty(), OneOf((code for code, _ in STATES), SELECT_STATE)],
        choices=_choices([("", "Select a state"), *STATES]),
        coerce=_upper,
        validate_choice=False,
        render_kw={"autocomplete": "address-level1"},
    )


def _email() -> Any:
    return EmailField("Work email", [DataRequired(ENTER_EMAIL)])


def _phone(*validators: Any, description: str) -> Any:
    return PhoneField(
        "Phone",
        [*validators, is_phone],
        max_length=PHONE_MAX,
        description=description,
        render_kw={"autocomplete": "tel"},
    )


def _upper(value: str) -> str:
    return value.strip().upper()


def _asks_for_call(form: Any) -> bool:
    return bool(form.contact_method.data == ContactMethod.PHONE)


def _is_on_behalf(form: Any) -> bool:
    return bool(form.on_behalf.data)


def _wants_post(form: Any) -> bool:
    return bool(form.delivery.data == Delivery.POST)


def _offer(field: Any) -> None:
    """Leave out of the list what a manager took off it (Staff, Settings)."""
    withheld = settings().ORG.withheld
    if withheld:
        field.choices = [choice for choice in field.choices if choice.value not in withheld]


def _still_offered(field: Field, message: str) -> None:
    if settings().ORG.withheld.intersection(field.data or ()):
        raise ValidationError(message)


class ConsultationForm(IntakeForm):
    """Ask a pharmacist. Fields stand in the page's order."""

    topics = ChoicesField(
        "What do you need help with?",
        [DataRequired(SELECT_TOPIC), OneOf(TOPIC_LABELS, SELECT_TOPIC)],
        choices=_choices(TOPIC_LABELS.items()),
        validate_choice=False,
    )
    question = LongTextField(
        "Your question",
        [DataRequired(ENTER_QUESTION)],
        max_length=QUESTION_MAX,
        description="Age range, other drugs and dose so far help us. Nothing that says who the patient is",
        render_kw={"data-count": QUESTION_MAX},
    )

    name = _name()
    credential = _credential()
    npi = NpiField(
        "NPI",
        [DataRequired(NpiField.REQUIRED)],
        description="The 10-digit number of the prescriber",
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    practice = _practice()
    state = _state()

    on_behalf = CheckField(
        "I am asking on behalf of a prescriber",
        description="Then the name, NPI and work email on this page are the prescriber’s. Add yours here",
    )
    delegate_name = TextField(
        "Name of the person who asks",
        [RequiredIf(_is_on_behalf, ENTER_DELEGATE_NAME)],
        max_length=NAME_MAX,
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    delegate_email = EmailField(
        "Work email of the person who asks",
        [RequiredIf(_is_on_behalf, ENTER_DELEGATE_EMAIL)],
        description="We answer to this address",
        render_kw={"autocomplete": "off"},
    )

    email = _email()
    contact_method = ChoiceField(
        "How should we answer you?",
        [DataRequired(SELECT_METHOD), OneOf(CONTACT_METHOD_LABELS, SELECT_METHOD)],
        choices=_choices(CONTACT_METHOD_LABELS.items()),
        validate_choice=False,
    )
    phone = _phone(
        RequiredIf(_asks_for_call, ENTER_PHONE),
        description="Needed if you want a call. We use it for this question only",
    )
    contact_window = ChoiceField(
        "Best time to call",
        [MayBeEmpty(), OneOf(CONTACT_WINDOW_LABELS, SELECT_WINDOW)],
        choices=_choices(CONTACT_WINDOW_LABELS.items()),
        default=ContactWindow.ANY.value,
        validate_choice=False,
    )
    leave_message = CheckField("You may leave a message at this number")

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        _offer(self.topics)

    def validate_topics(self, field: Field) -> None:
        """None that was taken off while the page was open."""
        _still_offered(field, TOPIC_GONE)

    def validate(self, extra_validators: Any = None) -> bool:
        """Whoever gives their own name or address asks on behalf, ticked or not: the check page says so."""
        if self.delegate_name.data or self.delegate_email.data:
            self.on_behalf.data = True
        return super().validate(extra_validators)

    def values(self) -> dict[str, Any]:
        """Any time, unless one was chosen."""
        values = super().values()
        return {**values, "contact_window": values["contact_window"] or ContactWindow.ANY.value}


class ResourceForm(IntakeForm):
    """Ask for materials. Fields stand in the page's order."""

    items = ChoicesField(
        "What should we send you?",
        [DataRequired(SELECT_ITEM), OneOf((item.slug for item in CATALOGUE), SELECT_ITEM)],
        choices=_choices((item.slug, item.label) for item in CATALOGUE),
        validate_choice=False,
    )
    delivery = ChoiceField(
        "How should we send it?",
        [DataRequired(SELECT_DELIVERY), OneOf(DELIVERY_LABELS, SELECT_DELIVERY)],
        choices=_choices(DELIVERY_LABELS.items()),
        validate_choice=False,
    )
    address = LongTextField(
        "Mailing address of the practice",
        [RequiredIf(_wants_post, ENTER_ADDRESS)],
        max_length=ADDRESS_MAX,
        description="Needed if we should send it by mail",
        render_kw={"autocomplete": "street-address"},
    )

    name = _name()
    credential = _credential()
    npi = NpiField(
        "NPI",
        [MayBeEmpty()],
        description="10 digits",
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    practice = _practice()
    state = _state()
    email = _email()
    phone = _phone(MayBeEmpty(), description="In case we have a question about your order")
    note = LongTextField(
        "Anything we should know",
        [MayBeEmpty()],
        max_length=NOTE_MAX,
        description="For example, how many copies. No patient names or dates",
        render_kw={"data-count": NOTE_MAX},
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        _offer(self.items)

    def validate_items(self, field: Field) -> None:
        """None that was taken off while the page was open."""
        _still_offered(field, ITEM_GONE)
