"""Our own drawing of a field's control says what WTForms' widget says, to the letter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time
from typing import Any

import pytest
from flask import Flask
from wtforms import Field, Form

from portal import controls
from portal.intake.forms import ConsultationForm, ResourceForm
from portal.newsletter.forms import EraseForm
from portal.signin.forms import SignInForm
from portal.staff.bulk_forms import BulkForm
from portal.staff.edition_forms import EditionForm
from portal.staff.forms import FilterForm
from portal.staff.gallery import SampleForm

FORMS: tuple[type[Form], ...] = (
    *(ConsultationForm, ResourceForm, EraseForm, SignInForm),
    *(BulkForm, EditionForm, FilterForm, SampleForm),
)
TYPED = "<b>\"&'é"


def fields(form: Form) -> Iterator[Field]:
    """Each field empty, then with an answer in it."""
    yield from form
    for field in form:
        many = list(field.iter_choices()) if getattr(field, "choices", None) else []
        if isinstance(field.data, list):
            field.data = [choice.value for choice in many[:2]]
        else:
            field.data = many[-1].value if many else ANSWERS.get(type(field.widget).__name__, TYPED)
        yield field


ANSWERS: dict[str, Any] = {
    "CheckboxInput": True,
    "DateInput": date(2026, 1, 15),
    "TimeInput": time(9, 30),
    "FileInput": None,
    "HiddenInput": "1",
}


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize(
    "attrs", [{}, controls.UNSAID, {"id": False, "class": "w-m", "aria-invalid": "true"}]
)
def test_a_control_is_what_its_widget_says(app: Flask, kind: type[Form], attrs: dict[str, Any]) -> None:
    with app.extensions["staff"].test_request_context("/staff/login"):
        for field in fields(kind()):
            assert controls.control(field, **attrs) == str(field(**attrs)), field.name


def test_what_somebody_typed_is_escaped(app: Flask) -> None:
    with app.test_request_context("/requests/consultation"):
        form = ConsultationForm()
        form.name.data, form.name.errors = TYPED, [TYPED]

        drawn = controls.field(form.name, hint=TYPED, label=TYPED)

    assert "<b>" not in drawn and drawn.count("&lt;b&gt;&#34;&amp;&#39;é") == 4
    assert (
        controls.hidden("name", TYPED)
        == '<input name="name" type="hidden" value="&lt;b&gt;&#34;&amp;&#39;é">'
    )
