"""What staff are shown of words that are taken out of a request: before it is done, and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.backup import files, generations
from portal.desk import passages, redaction
from portal.desk.models import Addition, CardNote, Contact, Draft
from portal.errors import Unavailable
from portal.intake import kinds, submissions
from portal.intake.checks import NpiCheck
from portal.intake.models import Message, Request
from portal.retention import traces
from portal.settings import settings
from portal.signin.gate import is_fresh

LABELS: dict[Any, str] = {
    Message: "Notes and answers",
    Addition: "What they wrote later",
    Contact: "Calls and faxes",
    CardNote: "Notes on the prescriber’s card",
    NpiCheck: "What was checked with the registry",
}
LATER, LEFT, LARGE = "later", "left", "large"
LOG_LATER = (
    "Somebody reads the database just now, so its log is not cut yet; the portal tries again within a day."
)
FILE_IS_LARGE = (
    "The database is too large to be written anew while the portal works: unused parts of its file may hold them "
    "until whoever runs the portal does that (docs/keeping.md)."
)
FILES_LEFT = (
    "{files} could not be deleted and may still hold them; the log of the portal names each. Of mails that we sent "
    "the portal tries again within the hour; tell whoever runs it of the rest."
)


@dataclass(frozen=True)
class Mark:
    """That words were taken out of one text."""

    by: str
    at: datetime
    what: str


class PatientData:
    """What in a request may say who a patient is, and what was taken out, as its page shows it."""

    def __init__(self, asked: Request) -> None:
        self.signs = ", ".join(redaction.KINDS.get(sign, sign).lower() for sign in asked.patient_data)
        self.is_fresh = is_fresh()  # the password was given just now
        self.marks = {
            place: [
                Mark(one.by_name, one.at, redaction.KINDS.get(one.kind, one.kind).lower()) for one in some
            ]
            for place, some in redaction.marks(asked.id).items()
        }


@dataclass(frozen=True)
class Going:
    """What would go from one kind of place: how often, and the passages, where they may be read."""

    label: str
    count: int
    passages: list[passages.Passage]


def what_goes(asked: Request, words: str, reader: int) -> list[Going]:
    """Each place where the words stand; nobody reads a colleague's draft or views, so of those only how often."""
    wanted, found = passages.pattern_of(words), dict[tuple[str, bool], list[passages.Passage]]()
    for place in redaction.places(asked):
        is_read = not isinstance(place.row, Draft) or place.row.user_id == reader
        if some := list(passages.found(wanted, place.text)):
            found.setdefault((_label(place, reader), is_read), []).extend(some)
    going = [Going(label, len(some), some if is_read else []) for (label, is_read), some in found.items()]
    views = redaction.views_with(wanted)
    return going + (
        [Going("Saved views that look for them, which are deleted", len(views), [])] if views else []
    )


def _label(place: redaction.Place, reader: int) -> str:
    if isinstance(place.row, Request):
        facts = {fact.field: fact.label for kind in kinds.KINDS for fact in kind.facts}
        return facts[place.column]
    if isinstance(place.row, Draft):
        return "Your drafts" if place.row.user_id == reader else "Drafts of colleagues"
    return LABELS[type(place.row)]


def sweep(asked: Request, words: str, mails: Sequence[int]) -> str:
    """Take what was redacted out of the files beside the database; returns how it went, as a word of an address.

    Which mails hold its words was asked before: their facts are forgotten with what they said.
    """
    senders = submissions.addresses_of(asked)
    folder, wanted = settings().INSTANCE_DIR / "mail", passages.pattern_of(words)
    how = [redaction.REDACT.word]
    if left := traces.sweep(folder, mails, senders, holding=wanted):
        how += [LEFT, str(len(left))]
    try:
        traces.wipe()
    except Unavailable:
        how.append(LATER)
    if traces.is_large():
        how.append(LARGE)
    return "-".join(how)


def said(how: str) -> str:
    """The same in words, with what is still there."""
    parts = how.split("-")
    words = [redaction.REDACT.done] + [LOG_LATER] * (LATER in parts) + [FILE_IS_LARGE] * (LARGE in parts)
    count = next((int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 6), 0)
    if count:
        words.append(FILES_LEFT.format(files=f"{count} files" if count > 1 else "One file"))
    return " ".join([*words, *still_held()])


def still_held() -> list[str]:
    """What is said of the backups that are there, if any."""
    older = generations.listed(files.folder_of(settings()))
    if not older:
        return []
    named = f"{len(older)} backups" if len(older) > 1 else "One backup"
    ends = max(map(generations.ends_at, older))
    return [f"{named} made before may still hold them, until {ends:%B %-d, %Y} at the latest."]
