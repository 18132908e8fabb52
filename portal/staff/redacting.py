"""What staff are shown of words that are taken out of a request: before it is done, and after."""

from __future__ import annotations

from collections.abc import Sequence

from portal.backup import files, generations
from portal.desk import passages, redaction
from portal.errors import Unavailable
from portal.intake import submissions
from portal.intake.models import Request
from portal.retention import traces
from portal.settings import settings

LATER, LEFT = "later", "left"
LOG_LATER = (
    "Somebody reads the database just now, so its log is not cut yet; the portal tries again within a day."
)
FILES_LEFT = (
    "{files} could not be deleted and may still hold them; the log of the portal names each. Of mails that we sent "
    "the portal tries again within the hour; tell whoever runs it of the rest."
)


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
        traces.fold_log()
    except Unavailable:
        how.append(LATER)
    return "-".join(how)


def said(how: str) -> str:
    """The same in words, with what is still there."""
    parts = how.split("-")
    words = [redaction.REDACT.done] + [LOG_LATER] * (LATER in parts)
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
