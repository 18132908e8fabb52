"""The forms by which an edition is written and scheduled."""

from __future__ import annotations

from datetime import UTC, datetime

from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, IntegerField
from wtforms.fields import DateField, TimeField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs
from wtforms.validators import DataRequired, Optional
from wtforms.widgets import HiddenInput

from portal.editions.archive import NOTE_MAX
from portal.forms import BaseForm, ChoiceField, ChoicesField, LongTextField, TextField
from portal.newsletter.models import Topic
from portal.settings import settings

TOPICS = {Topic.NEWS: "News", Topic.RESEARCH: "Research", Topic.PHARMACY: "Our pharmacy"}
SUBJECT_MAX, SOURCE_MAX = 150, 60_000
MARKDOWN = "Markdown: ## for a heading, * for a list, [words](https://…) for a link; pictures by their line"
PREVIEW = "The first line; many mail programs show it beside the subject"


def _subject(language: str) -> TextField:
    return TextField(f"Subject in {language}", max_length=SUBJECT_MAX)


def _preview(language: str) -> TextField:
    return TextField(f"Preview text in {language}", max_length=SUBJECT_MAX, description=PREVIEW)


def _source(language: str) -> LongTextField:
    return LongTextField(f"Text in {language}", max_length=SOURCE_MAX, description=MARKDOWN)


class EditionForm(BaseForm):
    """An edition in both languages. A draft may be unfinished: what is missing stops the sending, not the saving."""

    version = IntegerField(widget=HiddenInput(), default=0)
    slug = TextField(
        "Address",
        [DataRequired("Enter an address for this edition")],
        max_length=60,
        description="The edition's own name, such as march-2027",
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    topics = ChoicesField(
        "Topics", choices=[SelectChoice(topic.value, label) for topic, label in TOPICS.items()]
    )
    only_english = BooleanField("In English only: whoever reads Spanish does not get it")
    is_public = BooleanField("Let everybody read it on our site, from when it is sent", default=True)
    paid = ChoiceField(
        "Does a third party pay for this edition?",
        [Optional()],
        choices=[SelectChoice("no", "No"), SelectChoice("yes", "Yes")],
    )
    paid_by = TextField("Who pays", max_length=100, description="The edition tells its readers")
    subject_en = _subject("English")
    preview_en = _preview("English")
    source_en = _source("English")
    subject_es = _subject("Spanish")
    preview_es = _preview("Spanish")
    source_es = _source("Spanish")


class PictureForm(BaseForm):
    """A picture for editions."""

    file = FileField(
        "Picture",
        [FileRequired("Choose a picture")],
        description="JPEG, PNG or WebP. What the camera wrote into it, such as the place, is left out",
    )


class NoteForm(BaseForm):
    """A correction of what was sent."""

    words_en = LongTextField("The correction in English", max_length=NOTE_MAX)
    words_es = LongTextField("The correction in Spanish", max_length=NOTE_MAX)


class ScheduleForm(BaseForm):
    """When to send it: in the pharmacy's own time, or in ten minutes when nothing is given."""

    version = IntegerField(widget=HiddenInput(), default=0)
    day = DateField("Day", [Optional()], description="Leave day and time empty to send in 10 minutes")
    time = TimeField("Time", [Optional()], description="The pharmacy's local time")

    @property
    def due_at(self) -> datetime | None:
        """The moment, or None for ten minutes from now; of an hour that the change of clocks brings twice, in the
        first. Raises ValueError for half a time, and for one that the change of clocks leaves out."""
        if self.day.data is None and self.time.data is None:
            return None
        if self.day.data is None or self.time.data is None:
            raise ValueError("Give both the day and the time, or neither")
        local = datetime.combine(self.day.data, self.time.data, tzinfo=settings().ORG.timezone)
        try:
            at = local.astimezone(UTC)
            is_there = at.astimezone(local.tzinfo).time() == self.time.data
        except OverflowError as fault:
            raise ValueError("Choose a time within a year from now") from fault
        if not is_there:
            raise ValueError("There is no such time on that day: the clocks change")
        return at
