"""Fields and rules that the requests' forms are made of; each rule is pure: a value in, a sentence or nothing out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import phonenumbers
from wtforms import BooleanField, Field, Form, TelField
from wtforms.validators import StopValidation, ValidationError

from portal import text
from portal.forms import TextField

_WORD = re.compile(r"\(?\b(?!ext\b|extension\b)[a-z]{3,}", re.IGNORECASE)
PHONE_FORMAT = "Enter a phone number, like 925-555-0100"
SELECT_ONCE = "Select each option once only"
TICK_OR_LEAVE = "Tick the box, or leave it empty"


class CheckField(BooleanField):
    """One check box. What no browser sends for it is refused, because "no" must never be read as a tick."""

    _TICKED = ("y", "yes", "on", "1", "true")
    _EMPTY = ("", "n", "no", "off", "0", "false")

    def process_formdata(self, valuelist: list[str]) -> None:
        """Ticked or not; anything else becomes this field's error."""
        sent = valuelist[0].strip().lower() if valuelist else ""
        self.data = sent in self._TICKED
        if sent not in self._TICKED + self._EMPTY:
            raise ValueError(TICK_OR_LEAVE)

    def _value(self) -> str:
        return "y"


class PhoneField(TextField, TelField):
    """A phone number, as it is typed, without what nobody can see."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """As of any text."""
        super().process_formdata([text.bare(typed) for typed in valuelist])


class MayBeEmpty:
    """An answer that is not needed. Unlike WTForms' Optional it forgives no control character (str.strip does)."""

    def __init__(self) -> None:
        self.field_flags = {"optional": True}

    def __call__(self, form: Form, field: Field) -> None:
        """Stop the chain at an empty field."""
        if not field.data:
            raise StopValidation


class RequiredIf:
    """An answer is needed when another one asks for it; otherwise it may stay empty."""

    def __init__(self, asks: Callable[[Any], bool], message: str) -> None:
        self.asks, self.message = asks, message

    def __call__(self, form: Form, field: Field) -> None:
        """Stop the chain at an empty field, with or without the message."""
        if field.data:
            return
        if self.asks(form):
            raise StopValidation(self.message)
        raise StopValidation


class OneOf:
    """The answer is on the list; so is every one of several, each once."""

    def __init__(self, words: Iterable[str], message: str) -> None:
        self.words, self.message = frozenset(words), message

    def __call__(self, form: Form, field: Field) -> None:
        """Refuse what is not on the list."""
        sent = field.data if isinstance(field.data, list) else [field.data]
        if not self.words.issuperset(sent):
            raise ValidationError(self.message)
        if len(set(sent)) < len(sent):
            raise ValidationError(SELECT_ONCE)


def is_phone(form: Form, field: Field) -> None:
    """A number one could dial from the United States, with its area code; kept as it was typed."""
    if field.errors:
        return
    # The library takes three letters or more for keys to press: a word after the number is not part of it.
    number = _WORD.split(field.data, maxsplit=1)[0]
    try:
        found = phonenumbers.parse(number if sum(map(str.isdigit, number)) >= 7 else field.data, "US")
    except phonenumbers.NumberParseException as error:
        raise ValidationError(PHONE_FORMAT) from error
    if phonenumbers.is_possible_number_with_reason(found) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise ValidationError(PHONE_FORMAT)
