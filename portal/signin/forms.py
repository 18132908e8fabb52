"""The forms of signing in. They say whether what was typed is well-formed; whether it is right, the views ask."""

from __future__ import annotations

from collections.abc import Iterable

from flask_wtf import FlaskForm
from wtforms import EmailField as PlainEmailField
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import DataRequired, Regexp, ValidationError

from portal import text
from portal.forms import BaseForm, EmailField, TextField
from portal.people.models import NAME_MAX, PASSKEY_NAME_MAX
from portal.settings import settings
from portal.signin import passwords

ENTER_EMAIL = "Enter your email address"
ENTER_NAME = "Enter your name"
ENTER_PASSWORD = "Enter your password"  # noqa: S105 - a sentence, not a password
ENTER_NEW_PASSWORD = "Choose a new password"  # noqa: S105
ENTER_CODE = "Enter the code"
ENTER_SIX_DIGITS = "Enter the 6 digits that your authenticator app shows"
ENTER_RECOVERY_CODE = "Enter one of your recovery codes"
ENTER_PASSKEY_NAME = "Enter a name for the passkey"
NO_ANSWER = "The passkey did not answer"
NO_MATCH = "The email or password does not match"
WRONG_CODE = "The code does not match. Wait for the next code and try again"
WRONG_RECOVERY_CODE = "This is not one of your unused recovery codes"
WRONG_PASSWORD = "The password does not match"  # noqa: S105
SAME_PASSWORD = "Choose a password that is not the one you have now"  # noqa: S105

NEW_PASSWORD_HINT = f"At least {passwords.LENGTH_MIN} characters. Four or five words in a row work well"
CODE_KEYBOARD = {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}


def password_field(label: str, missing: str, *, new: bool = False, hint: str = "") -> PasswordField:
    """A password, which is never shown again."""
    autocomplete = "new-password" if new else "current-password"
    return PasswordField(
        label, [DataRequired(missing)], description=hint, render_kw={"autocomplete": autocomplete}
    )


class SignInForm(FlaskForm):
    """Address and password."""

    email = PlainEmailField(
        "Email",
        [DataRequired(ENTER_EMAIL)],
        render_kw={"autocomplete": "username", "spellcheck": "false", "autocapitalize": "off"},
    )
    password = password_field("Password", ENTER_PASSWORD)


class CodeForm(FlaskForm):
    """The six digits of the authenticator app."""

    code = StringField(
        "Code",
        filters=[lambda typed: text.bare(typed or "")],
        validators=[DataRequired(ENTER_CODE), Regexp(r"(?a:[\d -]{6,12})\Z", message=ENTER_SIX_DIGITS)],
        description="The code changes every 30 seconds",
        render_kw=CODE_KEYBOARD,
    )


class RecoveryForm(FlaskForm):
    """One of the codes that were shown once."""

    code = StringField(
        "Recovery code",
        [DataRequired(ENTER_RECOVERY_CODE)],
        render_kw={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"},
    )


class ButtonForm(FlaskForm):
    """One button, nothing to fill in."""


class PasskeyForm(FlaskForm):
    """What somebody calls a passkey of theirs."""

    name = TextField(
        "Name",
        [DataRequired(ENTER_PASSKEY_NAME)],
        max_length=PASSKEY_NAME_MAX,
        description="By which you will know it again, like “Work laptop” or “Key on my ring”",
        render_kw={"autocomplete": "off"},
    )


class CredentialForm(FlaskForm):
    """What an authenticator answered; the page's script fills it in."""

    credential = HiddenField(validators=[DataRequired(NO_ANSWER)])


class PasswordAgainForm(FlaskForm):
    """The password of whoever is signed in, before something that needs it."""

    password = password_field("Password", ENTER_PASSWORD)


class NewPasswordForm(FlaskForm):
    """A new password for whoever is signed in."""

    about: Iterable[str] = ()  # what others know of the person

    password = password_field("Your password now", ENTER_PASSWORD)
    new_password = password_field("New password", ENTER_NEW_PASSWORD, new=True, hint=NEW_PASSWORD_HINT)

    def validate_new_password(self, field: PasswordField) -> None:
        """Another one than now, by the rules of `passwords`."""
        if field.data == self.password.data:
            raise ValidationError(SAME_PASSWORD)
        _check_new(field, self.about)


class InviteForm(BaseForm):
    """What a person adds to a one-use link: the name and a password; the first manager an address too."""

    address = ""  # that of the link, when it names one

    email = EmailField("Email", [DataRequired(ENTER_EMAIL)])
    name = TextField(
        "Your name",
        [DataRequired(ENTER_NAME)],
        max_length=NAME_MAX,
        render_kw={"autocomplete": "name", "spellcheck": "false"},
    )
    password = password_field("Password", ENTER_NEW_PASSWORD, new=True, hint=NEW_PASSWORD_HINT)

    def validate_password(self, field: PasswordField) -> None:
        """The rules of `passwords`, with what is known of the person."""
        address = self.address or (self.email.data if self.email else "") or ""
        _check_new(field, (address, self.name.data or ""))


def _check_new(field: PasswordField, about: Iterable[str]) -> None:
    if found := passwords.fault(field.data or "", about=(*about, settings().ORG.name)):
        raise ValidationError(found)
