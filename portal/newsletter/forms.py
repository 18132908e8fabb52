"""What the newsletter's pages ask: an address, topics, a language. No name, no condition, no free text."""

from __future__ import annotations

from typing import Any, Self

from flask import request
from flask_babel import lazy_gettext as _
from wtforms import Field, Form, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired, ValidationError

from portal import addresses, blank
from portal.forms import ENTER_EMAIL, QUICKEST_PERSON, BaseForm, ChoiceField, ChoicesField, EmailField
from portal.newsletter.consent import Words
from portal.newsletter.models import Language, Topic
from portal.settings import settings

SELECT_TOPIC = _("Select at least one topic")
SELECT_LANGUAGE = _("Select a language")
KNOWN_TOPICS = _("Select topics from the list")
KNOWN_LANGUAGE = _("Select English or Spanish")
PRESS_A_BUTTON = _("Press one of the buttons on this page")

# Neutral words: a topic in somebody's mail must not tell of an illness or a medicine.
TOPIC_LABELS = {
    Topic.NEWS: _("General news"),
    Topic.RESEARCH: _("New research"),
    Topic.PHARMACY: _("Our pharmacy: hours, services and events"),
}
LANGUAGE_LABELS = {code: addresses.LANGUAGES[code] for code in Language}  # each in its own language

SAVE, PAUSE_SHORT, PAUSE_LONG, RESUME, LEAVE, ERASE = (
    "save",
    "pause-30",
    "pause-90",
    "resume",
    "leave",
    "erase",
)
PAUSE_DAYS = {PAUSE_SHORT: 30, PAUSE_LONG: 90}
ACTS = (SAVE, PAUSE_SHORT, PAUSE_LONG, RESUME, LEAVE, ERASE)


def known_topics(form: Form, field: Field) -> None:
    """At least one, and none that we do not have."""
    if not field.data:
        raise ValidationError(SELECT_TOPIC)
    if any(value not in set(Topic) for value in field.data):
        raise ValidationError(KNOWN_TOPICS)


def known_language(form: Form, field: Field) -> None:
    """One of ours, and really sent: the preset one is only a suggestion."""
    if not field.raw_data or not field.data:
        raise ValidationError(SELECT_LANGUAGE)
    if field.data not in set(Language):
        raise ValidationError(KNOWN_LANGUAGE)


def topics_field(validators: Any = ()) -> ChoicesField:
    """The list of topics."""
    choices = [SelectChoice(topic.value, label) for topic, label in TOPIC_LABELS.items()]
    return ChoicesField(_("Topics"), validators, choices=choices, validate_choice=False)


def language_field(validators: Any = ()) -> ChoiceField:
    """The two languages."""
    choices = [SelectChoice(language.value, label) for language, label in LANGUAGE_LABELS.items()]
    return ChoiceField(_("Language of the emails"), validators, choices=choices, validate_choice=False)


class SignupForm(BaseForm):
    """The sign-up, whichever way it comes in."""

    TRAP = "office_code"  # BaseForm's honeypot, which another site's form may show as well

    email = EmailField(
        _("Your email address"),
        [DataRequired(ENTER_EMAIL)],
        description=_("About once a month. You can stop at any time."),
    )
    topics = topics_field([known_topics])
    language = language_field([known_language])

    def __init__(self, *args: Any, words: Words, **kwargs: Any) -> None:
        self.words = words
        super().__init__(*args, **kwargs)

    def empty(self) -> Self:
        """With the same words."""
        return type(self)(formdata=None, words=self.words)

    @property
    def token_purpose(self) -> str:
        """Tied to the consent words on the page, so that none are recorded that were not shown."""
        return f"signup/{self.words.name}"

    def values(self) -> dict[str, Any]:
        """Each topic once, in our order."""
        values = super().values()
        return {**values, "topics": [topic.value for topic in Topic if topic in values["topics"]]}


class EmbeddedForm(SignupForm):
    """The sign-up as it is shown to whoever filled one in on another site: not sent yet, and seen long enough."""

    def is_submitted(self) -> bool:
        """What was posted is no form of ours."""
        return False

    def renew(self) -> None:
        """With a token that may be sent at once."""
        self.form_token.data = blank.form_token(settings(), self.token_purpose, age=QUICKEST_PERSON)


class ConfirmForm(BaseForm):
    """One button, and another for who did not ask."""

    not_me = StringField()


class LeaveForm(BaseForm):
    """One button."""


class LeaveByMailForm(BaseForm):
    """Where to mail the link that leaves."""

    email = EmailField(_("Your email address"), [DataRequired(ENTER_EMAIL)])

    def is_submitted(self) -> bool:
        """Whether it was sent itself: a post to a link that is not whole shows it too."""
        return super().is_submitted() and request.path == addresses.LEAVE


class EraseForm(BaseForm):
    """One button."""


class PreferencesForm(BaseForm):
    """Topics and language, and the button that was pressed; only saving asks for good choices."""

    topics = topics_field()
    language = language_field()
    do = StringField()

    def validate_topics(self, field: Field) -> None:
        """Nothing chosen is what "Stop all emails" is for."""
        if self.do.data == SAVE:
            known_topics(self, field)

    def validate_language(self, field: Field) -> None:
        """One of ours."""
        if self.do.data == SAVE:
            known_language(self, field)

    def validate_do(self, field: Field) -> None:
        """One of the page's buttons."""
        if field.data not in ACTS:
            raise ValidationError(PRESS_A_BUTTON)
