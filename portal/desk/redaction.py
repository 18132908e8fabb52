"""Taking patient data out of a request: the words go from all that we keep of it, and ▇ stands for each sign.

What lies outside the database, and the log beside it, is for `retention/traces.py`, once this is committed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from portal.db import db
from portal.desk.acts import SENIOR, Act, Given, Staff
from portal.desk.models import Addition, CardNote, Contact, Draft
from portal.errors import Conflict, Refused
from portal.intake import patient_data, terms
from portal.intake.models import Message, Request, RequestTerm, Status
from portal.mail import promise as mail

MARK = "▇"
LEAST = 2  # signs: of one letter every one in the text would go
SELECT_KIND = "Select what the words are"
WRITE_WORDS = "Copy the words from the page into this field"
TOO_SHORT = "Give at least two letters or digits"
NOT_HERE = "These words do not stand in this request. Copy them from the page, as whole words"
MAIL_IS_LEAVING = "A mail about this request is on its way at this moment. Try again in a minute."

KINDS = {sign.value: words[0].upper() + words[1:] for sign, words in patient_data.LABELS.items()} | {
    "other_patient_data": "Something else about a patient"
}
TYPED = ("name", "credential", "practice", "delegate_name", "question", "address", "note")
BESIDE: dict[Any, tuple[str, ...]] = {
    Message: ("text",),
    Addition: ("text",),
    Contact: ("text", "number"),
    CardNote: ("text",),
    Draft: ("text",),
}


def pattern_of(words: str) -> re.Pattern[str]:
    """These words, whole, in any case and however they are wrapped."""
    pieces = r"\s+".join(map(re.escape, words.split()))
    return re.compile(rf"(?<!\w){pieces}(?!\w)", re.IGNORECASE)


def _texts(request: Request) -> Iterator[tuple[Any, str]]:
    """Each text that was typed about it: its row, and the column."""
    yield from ((request, name) for name in TYPED)
    for kind, names in BESIDE.items():
        for row in db.session.scalars(select(kind).where(kind.request_id == request.id)):
            yield from ((row, name) for name in names)


def _is_there(request: Request, at: datetime, given: Given) -> None:
    words = " ".join((given.get("words") or "").split())
    if not words:
        raise Refused(WRITE_WORDS, field="words")
    if sum(sign.isalnum() for sign in words) < LEAST:
        raise Refused(TOO_SHORT, field="words")
    wanted = pattern_of(words)
    if not any(wanted.search(getattr(row, name)) for row, name in _texts(request)):
        raise Refused(NOT_HERE, field="words")
    if mail.is_in_hand(request.subject, at=at):
        raise Conflict(MAIL_IS_LEAVING)


def _take_out(request: Request, _by: Staff, at: datetime, given: Given) -> None:
    wanted = pattern_of(given["words"])
    for row, name in _texts(request):
        text = getattr(row, name)
        if (rest := _without(wanted, text)) != text:
            setattr(row, name, rest)
    found = {str(sign) for row, name in _texts(request) for sign in patient_data.find(getattr(row, name))}
    request.patient_data = [sign for sign in request.patient_data if sign in found]
    db.session.execute(delete(RequestTerm).where(RequestTerm.request_id == request.id))
    terms.index(request.id, {name: getattr(request, name) for name in terms.SEARCHED})
    mail.write_anew(request.subject, at=at)


def _without(wanted: re.Pattern[str], text: str) -> str:
    return wanted.sub(lambda found: MARK * len(found[0]), text)


REDACT = Act(
    word="redact",
    label="Take patient data out",
    done="The words are gone from this request, from the search and from its mails.",
    audit="request.redacted",
    told="Patient data taken out",
    roles=SENIOR,
    starts=frozenset(Status),
    asks="reason",
    missing=SELECT_KIND,
    reasons=KINDS,
    measures="words",
    limit=_is_there,
    then=_take_out,
    button="danger",
)
