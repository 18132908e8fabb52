"""The forms by which staff look after subscribers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, Form, SearchField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired

from portal.forms import BaseForm, ChoiceField, ChoicesField, LongTextField, TextField
from portal.newsletter.importing import REASONS as IMPORT_REASONS
from portal.newsletter.importing import Terms
from portal.newsletter.models import Language, State, Topic
from portal.staff.edition_forms import TOPICS

STATES = {
    State.PENDING: "Not confirmed",
    State.ACTIVE: "On the list",
    State.PAUSED: "Paused by choice",
    State.UNSUBSCRIBED: "Stopped",
    State.BOUNCED: "Mail came back",
    State.COMPLAINED: "Called it unwanted",
}
LANGUAGES = {Language.EN: "English", Language.ES: "Spanish"}
REASONS = {
    "asked": "They asked for it",
    "server": "Their mail server was out of order",
    "ours": "It was our fault",
}
WORDS_MAX, SOURCE_MAX = 1500, 200
TRY, DO = "try", "do"


def _choices(labels: Mapping[Any, str], every: str) -> list[SelectChoice]:
    return [SelectChoice("", every), *(SelectChoice(str(word), label) for word, label in labels.items())]


class FilterForm(Form):
    """Which people; all of it stands in the address."""

    q = SearchField("Address")
    state = SelectField("State", choices=_choices(STATES, "All"))
    topic = SelectField("Topic", choices=_choices(TOPICS, "All"))
    language = SelectField("Language", choices=_choices(LANGUAGES, "Both"))


class UndoForm(BaseForm):
    """Why mail goes to them again."""

    reason = ChoiceField(
        "Why",
        [DataRequired("Say why")],
        choices=[SelectChoice(word, label) for word, label in REASONS.items()],
    )


class EraseForm(BaseForm):
    """One button."""


class ImportForm(BaseForm):
    """A file, and what holds for all in it."""

    file = FileField(
        "File",
        [FileRequired("Choose a file")],
        description="CSV in UTF-8: our own export, or one of listmonk, Ghost or Mailchimp; 50,000 rows at most",
    )
    words = LongTextField(
        "What these people agreed to",
        max_length=WORDS_MAX,
        description="The words they saw when they signed up; a column consent_words says it for one row",
    )
    source = TextField(
        "Where and when",
        [DataRequired("Say where the file comes from")],
        max_length=SOURCE_MAX,
        description="Such as: the sign-up sheet at our counter, 2025",
    )
    reason = ChoiceField(
        "Why they are taken in",
        [DataRequired("Say why these people are taken in")],
        choices=[SelectChoice(word, label) for word, label in IMPORT_REASONS.items()],
    )
    topics = ChoicesField(
        "Topics",
        [DataRequired("Choose at least one topic")],
        choices=[SelectChoice(topic.value, label) for topic, label in TOPICS.items()],
    )
    language = ChoiceField(
        "Language of those whose row says none",
        [DataRequired("Choose a language")],
        choices=[SelectChoice(one.value, label) for one, label in LANGUAGES.items()],
        default=Language.EN.value,
    )
    has_proof = BooleanField(
        "Rows with consent_at and confirmed_at are proved: put those people on the list at once, without asking"
    )
    do = ChoiceField(
        "What to do",
        [DataRequired("Choose one")],
        choices=[
            SelectChoice(TRY, "Only show what would become of each row"),
            SelectChoice(DO, "Take them in"),
        ],
        default=TRY,
    )

    @property
    def for_good(self) -> bool:
        """Whether it is no try."""
        return bool(self.do.data == DO)

    def terms(self) -> Terms:
        """What holds for all rows that say nothing else."""
        return Terms(
            words=self.words.data or "",
            source=self.source.data or "",
            topics=[topic.value for topic in Topic if topic.value in (self.topics.data or [])],
            language=self.language.data,
            reason=self.reason.data or "",
            has_proof=bool(self.has_proof.data),
        )
