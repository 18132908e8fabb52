"""The NPI field: what it stores, what it says, what it shows again."""

import pytest
from werkzeug.datastructures import MultiDict
from wtforms import Form
from wtforms.validators import DataRequired, Optional

from portal.npi.fields import NpiField


class Needed(Form):
    npi = NpiField("NPI", validators=[DataRequired(NpiField.REQUIRED)])


class Offered(Form):
    npi = NpiField("NPI", validators=[Optional()])


def test_a_good_number_is_stored_bare_and_shown_bare() -> None:
    form = Needed(MultiDict({"npi": " NPI: 1234-567-893 "}))

    assert form.validate()
    assert form.npi.data == "1234567893"
    assert 'value="1234567893"' in form.npi()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "Enter your 10-digit NPI"),
        ("  ", "Enter your 10-digit NPI"),
        ("NPI:", "Enter your 10-digit NPI"),
        ("12345", "NPI must be 10 digits"),
        ("3234567899", "NPI must start with 1 or 2. Check it for a typing error"),
        ("1234567890", "This NPI does not match its check digit. Check it for a typing error"),
    ],
)
def test_a_needed_number_at_fault_says_what_to_do_once(typed: str, message: str) -> None:
    form = Needed(MultiDict({"npi": typed}))

    assert not form.validate()
    assert list(form.npi.errors) == [message]


def test_a_missing_field_is_asked_for() -> None:
    form = Needed(MultiDict())

    assert not form.validate()
    assert list(form.npi.errors) == ["Enter your 10-digit NPI"]


@pytest.mark.parametrize("typed", ["", "   ", "-"])
def test_an_optional_number_may_be_left_out(typed: str) -> None:
    form = Offered(MultiDict({"npi": typed}))

    assert form.validate()
    assert form.npi.data is None


def test_an_optional_number_at_fault_may_also_be_left_out() -> None:
    form = Offered(MultiDict({"npi": "1234567890"}))

    assert not form.validate()
    assert list(form.npi.errors) == [
        "This NPI does not match its check digit. Check it, or leave it empty",
    ]


def test_a_number_at_fault_is_shown_again_as_typed() -> None:
    form = Needed(MultiDict({"npi": "NPI 1234-567-8<"}))

    form.validate()

    assert 'value="NPI 1234-567-8&lt;"' in form.npi()


def test_a_stored_number_fills_the_field() -> None:
    form = Needed(data={"npi": "1234567893"})

    assert 'value="1234567893"' in form.npi()
