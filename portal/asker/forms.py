"""What whoever asked types: a code, and more words."""

from __future__ import annotations

from wtforms.validators import DataRequired

from portal.desk.asking import WRITE_MORE
from portal.forms import BaseForm, LongTextField, TextField
from portal.intake.fields import CheckField
from portal.intake.forms import QUESTION_MAX

ENTER_CODE = "Enter the code from our email"
WRONG_CODE = "This code is wrong or no longer works. Check our latest email, or have another code sent"


class SendForm(BaseForm):
    """A button: send a code."""

    honeypot = None  # type: ignore[assignment]


class CodeForm(BaseForm):
    """The code."""

    honeypot = None  # type: ignore[assignment]
    code = TextField(
        "Code",
        [DataRequired(ENTER_CODE)],
        max_length=40,
        description="8 digits, with or without the space",
        render_kw={"inputmode": "numeric", "autocomplete": "one-time-code", "spellcheck": "false"},
    )


class WordsForm(BaseForm):
    """What is added or asked again. The box is only shown where the words may say who a patient is."""

    honeypot = None  # type: ignore[assignment]
    text = LongTextField(
        "What you want to tell us",
        [DataRequired(WRITE_MORE)],
        max_length=QUESTION_MAX,
        render_kw={"data-count": QUESTION_MAX},
    )
    seen = CheckField("It does not say who a patient is: send it")


class WithdrawForm(BaseForm):
    """A button: not any more."""

    honeypot = None  # type: ignore[assignment]
