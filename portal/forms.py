"""The form every form grows from, and the fields that several rooms share.

Every form carries three things a person never sees: a `csrf_token`; `form_token`, one for each view of
the page, so that pressing twice makes one row; and a field that only a robot fills. A form answers one question,
"is this well-formed?": it asks no database, sends nothing, and drops nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any, Self

from flask import current_app, g, request
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import (
    DateField,
    Field,
    HiddenField,
    MultipleFileField,
    RadioField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    TimeField,
)
from wtforms import EmailField as _EmailField
from wtforms.csrf.core import CSRF
from wtforms.validators import ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from portal import blank, text, tokens
from portal.blank import Holes
from portal.clock import now
from portal.settings import settings

FORM_LIFETIME = 24 * 60 * 60  # seconds; long, because a clinic's day is interrupted
QUICKEST_PERSON = 2.0  # seconds between seeing a form and sending it
EMAIL_MAX = 254  # RFC 5321, 4.5.3.1.3, less the brackets

STALE = _("This page was open a long time. Your answers are still here. Check them and send again.")
TOKENS = ("csrf_token", "form_token", "without_cookie")
NO_DAY = "Enter a day that is one, like 2026-12-24"
NO_TIME = "Enter a time that is one, like 14:30"
GIVE_ONE = _("Give one answer only")
ENTER_EMAIL = _("Enter your email address")
EMAIL_FORMAT = _("Enter an email address in the correct format, like name@example.com")


class CookieCSRF(CSRF):
    """The token of a public form: an HMAC of the form's own cookie (OWASP: signed double submit).

    The public face keeps no session; Flask-WTF's token would make one, and signing and reading it cost more than
    all else a form does (docs/performance.md). Staff forms keep Flask-WTF's, bound to the signed-in session.
    """

    def generate_csrf_token(self, csrf_token_field: Field) -> str:
        """The token for this visitor's cookie, which is set with the answer when there is none."""
        return blank.csrf_token(settings(), form_cookie())

    def validate_csrf_token(self, form: Any, field: Field) -> None:
        """Refuse what was not made for the cookie that came with it."""
        cookie = request.cookies.get(settings().form_cookie, "")
        if not csrf_holds(settings().keys, cookie, field.data or ""):
            raise ValidationError(STALE)


def csrf_holds(keys: tuple[str, ...], cookie: str, token: str) -> bool:
    """Whether this token was made for this cookie."""
    return bool(cookie) and any(
        hmac.compare_digest(
            tokens.derive(key, blank.CSRF_PURPOSE, cookie).encode(), token.encode("utf-8", "replace")
        )
        for key in keys
    )


def form_cookie() -> str:
    """What the visitor's form cookie holds; a new one is made, and set by `web.py`, when there is none of ours."""
    found = request.cookies.get(settings().form_cookie, "")
    if blank.is_cookie(found):
        return found
    if "new_form_cookie" not in g:
        g.new_form_cookie = tokens.new_token()
    return str(g.new_form_cookie)


class BaseForm(FlaskForm):
    """A form with its two tokens and its honeypot; strips every text."""

    class Meta(FlaskForm.Meta):
        """Which face a form stands on decides what its token is bound to."""

        def bind_field(self, form: Any, unbound_field: Any, options: dict[str, Any]) -> Any:
            """A copy of the field as it was bound first: to bind one takes longer than to read and judge it.

            The first belongs to no form, and nothing changes what a field says of itself in place.
            """
            if "csrf_impl" in unbound_field.kwargs:
                return super().bind_field(form, unbound_field, options)
            bound = vars(unbound_field).setdefault("bound", {})
            first = bound.get(options["prefix"])
            if first is None:
                first = bound[options["prefix"]] = unbound_field.bind(form=None, _meta=self, **options)
            field = object.__new__(type(first))
            vars(field).update(vars(first), meta=self)
            return field

        def build_csrf(self, form: Any) -> CSRF:
            """The public face's own token, or Flask-WTF's."""
            if "csrf" not in current_app.extensions:
                return CookieCSRF()
            made: CSRF = super().build_csrf(form)
            return made

    form_token = HiddenField()
    without_cookie = HiddenField()  # that the form came without its cookie once already; printed only then
    honeypot = StringField(_("Leave this field empty"), name="office_code")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._age: float | None = None
        self.has_trap = True
        self.keeps_no_cookies = False
        if self.is_submitted():
            self._age = tokens.stamp_age(
                settings().keys, self.token_purpose, self._sent_token(), at=now().timestamp()
            )
        if self.has_expired:
            self.renew()

    def empty(self) -> Self:
        """A form of the same kind that nobody filled in."""
        return type(self)(formdata=None)

    def renew(self) -> None:
        """Let the page be a form of its own; one that is shown again was seen long enough to be sent at once."""
        seen = QUICKEST_PERSON if self.is_submitted() else 0.0
        self.form_token.data = blank.form_token(settings(), self.token_purpose, age=seen)

    def ask_again(self) -> None:
        """Show what was typed once more, with neither trap nor clock: for whom haste or a trap made doubtful."""
        self.has_trap = False
        self.renew()

    @property
    def token_purpose(self) -> str:
        """What its form tokens are for: one form's token does not open another's."""
        return type(self).__name__

    @property
    def holes(self) -> Holes:
        """What the form's page holds of the visitor who asked for it."""
        return Holes(
            settings(), self.token_purpose, str(self.csrf_token.current_token), str(self.form_token.data)
        )

    @property
    def has_expired(self) -> bool:
        """Whether the form token is missing, foreign or too old; one from later is new: a clock was set back."""
        return self._age is None or self._age > FORM_LIFETIME

    @property
    def is_stale(self) -> bool:
        """Whether what failed is the page's tokens, not the person's answers."""
        return self.is_submitted() and (self.has_expired or "csrf_token" in self.errors)

    @property
    def is_trapped(self) -> bool:
        """Whether the field that people do not see was filled; browser extensions do that too."""
        return bool(self.honeypot.data)

    @property
    def is_hasty(self) -> bool:
        """Whether it was sent sooner than a person types; one who lets the browser fill it in does that too."""
        return self._age is not None and self._age < QUICKEST_PERSON

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether every answer is well-formed and the page's tokens are ours."""
        good = super().validate(extra_validators)
        for field in self.answers():
            if not _takes_many(field) and len(field.raw_data or ()) > 1:
                field.errors = [GIVE_ONE]
                good = False
        good = good and not self.has_expired
        if self.is_stale and not request.cookies.get(settings().form_cookie):
            self.keeps_no_cookies = bool(self.without_cookie.data)
            self.without_cookie.data = "1"
        if not good and self.is_hasty:
            self.renew()
        return good

    def answers(self) -> Iterator[Field]:
        """The fields that hold the person's answers, in the page's order."""
        for field in self:
            if field.short_name not in TOKENS and field is not self.honeypot:
                yield field

    def values(self) -> dict[str, Any]:
        """The answers, by name: what the service verb takes."""
        return {field.short_name: field.data for field in self.answers()}

    def refuse(self, field: str, message: str) -> None:
        """Put a service's refusal beside the field it belongs to."""
        self[field].errors = [*self[field].errors, message]

    def _sent_token(self) -> str:
        sent = self.form_token.raw_data or [""]
        return sent[0] if len(sent) == 1 else ""


class TextField(StringField):
    """One line of text: checked at the edge, kept as typed when it is refused."""

    multiline = False

    def __init__(self, label: Any = None, validators: Any = None, *, max_length: int, **kwargs: Any) -> None:
        super().__init__(label, validators, **kwargs)
        self.max_length = max_length

    def process_formdata(self, valuelist: list[str]) -> None:
        """Clean the text; a fault becomes this field's error."""
        if not valuelist:
            return
        self.data = valuelist[0]
        try:
            self.data = text.check(valuelist[0], max_length=self.max_length, multiline=self.multiline)
        except text.TextFault as fault:
            raise ValueError(f"{self.label.text} {fault}") from fault


class LongTextField(TextField, TextAreaField):
    """Several lines of text."""

    multiline = True


class EmailField(TextField, _EmailField):
    """An address that a mail server takes: ASCII, with a real-looking domain, no look-up (RFC 5321, 5322)."""

    def __init__(self, label: Any = None, validators: Any = None, **kwargs: Any) -> None:
        kwargs["render_kw"] = {
            "autocomplete": "email",
            "spellcheck": "false",
            "autocapitalize": "off",
            **kwargs.get("render_kw", {}),
        }
        super().__init__(label, validators, max_length=EMAIL_MAX, **kwargs)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Whatever is wrong with the characters, the advice is the same."""
        try:
            super().process_formdata(valuelist)
        except ValueError as fault:
            raise ValueError(EMAIL_FORMAT) from fault

    def pre_validate(self, form: Any) -> None:
        """Normalise once: the domain in lower case and IDNA, the local part as it was typed."""
        if not self.data or self.errors:
            return
        try:
            self.data = text.email_address(self.data)
        except text.TextFault as fault:
            raise ValidationError(EMAIL_FORMAT) from fault


class DayField(DateField):
    """A day; what is none says what one is."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """As browsers send it, 2026-12-24."""
        try:
            super().process_formdata([value for value in valuelist if value])
        except ValueError as fault:
            raise ValueError(NO_DAY) from fault


class ClockField(TimeField):
    """A time of the day; what is none says what one is."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """As browsers send it, 14:30."""
        try:
            super().process_formdata([value for value in valuelist if value])
        except ValueError as fault:
            raise ValueError(NO_TIME) from fault


class ChoiceField(RadioField):
    """One of a few: radio buttons."""


class ChoicesField(SelectMultipleField):
    """Some of a few: check boxes."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


def _takes_many(field: Field) -> bool:
    return isinstance(field, (SelectMultipleField, MultipleFileField))
