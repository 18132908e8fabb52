"""Every component that pages are made of, in every state, on one page: for whoever builds or judges one.

Only this page shows them apart from their use; the tests look at it in each light and photograph it. It keeps
nothing.
"""

from __future__ import annotations

from datetime import timedelta

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, PasswordField, SearchField, SelectField, TelField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired

from portal import web
from portal.clock import now
from portal.forms import BaseForm, ChoiceField, ChoicesField, EmailField, LongTextField, TextField
from portal.people.rights import Right
from portal.signin.gate import guarded, keeps_text

bp = guarded("gallery", Right.WORK)

ANSWERS = [
    SelectChoice("one", "The first"),
    SelectChoice("two", "The second"),
    SelectChoice("three", "A third, with words enough to fill a line"),
]


class SampleForm(BaseForm):
    """A field of every kind, each of which needs an answer but one."""

    line = TextField(
        "One line", [DataRequired("Enter one line")], max_length=80, description="A hint, if any"
    )
    left_out = TextField("One line that may be left out", max_length=80)
    email = EmailField("Work email", [DataRequired("Enter your work email")])
    phone = TelField("Phone", [DataRequired("Enter a phone number, like 925-555-0100")])
    password = PasswordField("Password", [DataRequired("Enter your password")])
    search = SearchField("Search", [DataRequired("Enter what to look for")])
    several = LongTextField("Several lines", [DataRequired("Enter several lines")], max_length=2_000)
    pick = SelectField(
        "Pick one", [DataRequired("Pick one")], choices=[SelectChoice("", "Nothing yet"), *ANSWERS]
    )
    choose = ChoiceField("Choose one", [DataRequired("Choose one")], choices=ANSWERS)
    tick = ChoicesField("Tick what applies", [DataRequired("Tick what applies")], choices=ANSWERS)
    agree = BooleanField("A box that stands alone", [DataRequired("Tick the box")])


@bp.route("/staff/components", methods=["GET", "POST"])
@keeps_text
def components() -> ResponseReturnValue:
    """Every component; a press of the sample form's button shows its errors, or that there are none."""
    form = SampleForm()
    if form.validate_on_submit():
        return redirect(url_for(".components"), 303)
    faulty = SampleForm(MultiDict({"faulty-email": "ana@clinic"}), prefix="faulty", meta={"csrf": False})
    faulty.validate()
    alert = {
        "level": "danger",
        "heading": "There is a problem",
        "text": "What a page says first after a failure.",
    }
    return web.page(
        "staff/components.html",
        form=form,
        faulty=faulty,
        alert=alert if request.args.get("alert") else None,
        at=now(),
        late=now() - timedelta(hours=3),
    )
