"""The forms of signing in. Those that Flask-Security drives keep its checks and take our words and fields."""

from __future__ import annotations

from typing import Any

from flask import current_app
from flask_security import (
    ChangePasswordForm,
    MfRecoveryForm,
    TwoFactorSetupForm,
    TwoFactorVerifyCodeForm,
    VerifyForm,
)
from flask_wtf import FlaskForm
from wtforms import EmailField as PlainEmailField
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import DataRequired, Regexp, ValidationError

from portal import audit, tokens, web
from portal.clock import now
from portal.db import transaction
from portal.forms import BaseForm, EmailField, TextField
from portal.people import service
from portal.people.models import NAME_MAX
from portal.settings import settings
from portal.signin import browsers, passwords

ENTER_EMAIL = "Enter your email address"
ENTER_NAME = "Enter your name"
ENTER_PASSWORD = "Enter your password"  # noqa: S105 - a sentence, not a password
ENTER_NEW_PASSWORD = "Choose a new password"  # noqa: S105
ENTER_CODE = "Enter the code"
ENTER_SIX_DIGITS = "Enter the 6 digits that your authenticator app shows"
ENTER_RECOVERY_CODE = "Enter one of your recovery codes"
NO_MATCH = "The email or password does not match"
WRONG_CODE = "The code does not match. Wait for the next code and try again"
WRONG_RECOVERY_CODE = "This is not one of your unused recovery codes"
WRONG_PASSWORD = "The password does not match"  # noqa: S105

NEW_PASSWORD_HINT = f"At least {passwords.LENGTH_MIN} characters. Four or five words in a row work well"
CODE_KEYBOARD = {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}


def password_field(label: str, missing: str, *, new: bool = False, hint: str = "") -> PasswordField:
    """A password, which is never shown again."""
    autocomplete = "new-password" if new else "current-password"
    return PasswordField(
        label, [DataRequired(missing)], description=hint, render_kw={"autocomplete": autocomplete}
    )


class SignInForm(FlaskForm):
    """Address and password. Each try is counted before the password is hashed, whoever's it is.

    An unknown address, a wrong password and a disabled account get the same answer after the same work.
    """

    email = PlainEmailField(
        "Email",
        [DataRequired(ENTER_EMAIL)],
        render_kw={"autocomplete": "username", "spellcheck": "false", "autocapitalize": "off"},
    )
    password = password_field("Password", ENTER_PASSWORD)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user: Any = None  # Flask-Security's view takes the member from here
        self.requires_confirmation = False
        self._said: dict[str, list[str]] = {}

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether this is somebody's address and password. Raises TooMany."""
        web.keep("security/login_user.html", self)
        if not super().validate(extra_validators):
            self._said = {name: list(errors) for name, errors in self.errors.items() if name}
            return False
        email = service.normal_email(self.email.data or "")
        if mark := browsers.known(email):
            web.throttle("sign-in-account", mark)
        else:
            web.throttle("sign-in")
            web.throttle("sign-in-account", tokens.digest(email))
        self.user = current_app.extensions["security"].datastore.find_user(email=email)
        password = self.password.data or ""
        kept = self.user.password if self.user else None
        if len(password) <= passwords.LENGTH_MAX and passwords.matches(kept, password) and self.user.active:
            if passwords.is_outdated(self.user.password):
                renewed = passwords.hashed(password)
                with transaction():
                    service.keep_password_hash(self.user.id, renewed)
            return True
        subject = f"user:{self.user.id}" if self.user else "user:unknown"
        with transaction():
            audit.record(None, "staff.sign_in_failed", subject, at=now(), detail="password")
        self.form_errors.append(NO_MATCH)
        return False

    def say_again(self) -> None:
        """Put back what is said of an empty field, which the library's view replaces by one general sentence."""
        if self._said:
            self.form_errors.clear()
            for name, errors in self._said.items():
                self[name].errors = errors


class CodeForm(TwoFactorVerifyCodeForm):
    """The six digits of the authenticator app."""

    code = StringField(
        "Code",
        [DataRequired(ENTER_CODE), Regexp(r"(?a:[\d -]{6,12})\Z", message=ENTER_SIX_DIGITS)],
        description="The code changes every 30 seconds",
        render_kw=CODE_KEYBOARD,
    )


class RecoveryForm(MfRecoveryForm):
    """One of the codes that were shown once."""

    code = StringField(
        "Recovery code",
        [DataRequired(ENTER_RECOVERY_CODE)],
        render_kw={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"},
    )


class SetUpForm(TwoFactorSetupForm):
    """Begin to set up the authenticator app, the one second factor there is."""

    setup = HiddenField(default="authenticator")  # type: ignore[assignment]

    def validate(self, **kwargs: Any) -> bool:
        """Whether it is the authenticator that is asked for."""
        return FlaskForm.validate(self, **kwargs) and self.setup.data == "authenticator"


class PasswordAgainForm(VerifyForm):
    """The password of whoever is signed in, before something that needs it."""

    password = password_field("Password", ENTER_PASSWORD)
    next = HiddenField()


class NewPasswordForm(ChangePasswordForm):
    """A new password for whoever is signed in."""

    password = password_field("Your password now", ENTER_PASSWORD)
    new_password = password_field("New password", ENTER_NEW_PASSWORD, new=True, hint=NEW_PASSWORD_HINT)
    new_password_confirm = None  # type: ignore[assignment]


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
        """The rules of `passwords`, with what is known of the person and the place."""
        address = self.address or (self.email.data if self.email else "") or ""
        about = (address, self.name.data or "", settings().ORG.name)
        if found := passwords.fault(field.data or "", about=about):
            raise ValidationError(found)
