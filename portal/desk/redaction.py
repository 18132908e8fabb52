"""Patient data in a request: reporting it, and taking it out of all that we keep; ▇ then stands for each sign.

What lies outside the database, and the log beside it, is for `retention/traces.py`, once this is committed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import ColumnElement, select

from portal.db import db
from portal.desk import finding, passages, prescribers, telling
from portal.desk.acts import SENIOR, Act, Given, Staff
from portal.desk.models import Addition, Contact, Draft, Redaction, SavedView
from portal.errors import Conflict, Refused
from portal.intake import patient_data, submissions, terms
from portal.intake.checks import NpiCheck
from portal.intake.models import Message, Request, Status
from portal.mail import promise as mail
from portal.people.rights import Right, Role

LEAST = 2  # signs: of one letter every one in the text would go
SELECT_KIND = "Select what the words are"
WRITE_WORDS = "Copy the words from the page into this field"
TOO_SHORT = "Give at least two letters or digits"
NOT_HERE = "These words do not stand in this request. Copy them from the page, as whole words"
TAKEN_OUT_MEANWHILE = (
    "Patient data was taken out of this request since you opened this page. Nothing was saved. What you wrote stands "
    "here: take it out of that too, then press again."
)
MAIL_IS_LEAVING = "A mail about this request is on its way at this moment. Try again in a minute."

KINDS = {sign.value: words[0].upper() + words[1:] for sign, words in patient_data.LABELS.items()} | {
    "other_patient_data": "Something else about a patient"
}
# What is typed about a request, by table: the column of its request, and those of the words. An address of email and
# an NPI are read by machines alone; they go with the person.
TYPED: Mapping[Any, tuple[str, ...]] = {
    Request: ("name", "credential", "practice", "phone", "delegate_name", "question", "address", "note"),
    Message: ("text",),
    Addition: ("text",),
    Contact: ("text", "number"),
    Draft: ("text",),
    NpiCheck: ("typed",),
}


@dataclass(frozen=True)
class Place:
    """One text about a request: its row and column; in a column that holds several, which."""

    row: Any
    column: str
    part: str = ""

    @property
    def key(self) -> str:
        """What it is called where something is kept about it."""
        of_row = "" if isinstance(self.row, Request) else f":{self.row.id}"
        return f"{self.row.__tablename__}.{self.column}{of_row}"

    @property
    def text(self) -> str:
        """What stands there."""
        value = getattr(self.row, self.column)
        return str(value[self.part] if self.part else value)

    def put(self, text: str) -> None:
        """Put other words there."""
        value = {**getattr(self.row, self.column), self.part: text} if self.part else text
        setattr(self.row, self.column, value)


def places(request: Request) -> Iterator[Place]:
    """Each text that was typed about it, or about whoever asked it."""
    for kind, names in TYPED.items():
        its = kind.id if kind is Request else kind.request_id
        for row in db.session.scalars(select(kind).where(its == request.id).order_by(kind.id)):
            for name in names:
                value = getattr(row, name)
                yield from (
                    [Place(row, name, p) for p in value] if isinstance(value, dict) else [Place(row, name)]
                )
    yield from (Place(note, "text") for note in prescribers.notes_of(request))


def is_older(request: Request, version: int) -> bool:
    """Whether words were taken out since that version: what was typed on its page may hold them."""
    later = select(Redaction.id).where(Redaction.request_id == request.id, Redaction.version > version)
    return db.session.scalar(later.limit(1)) is not None


def marks(request_id: int) -> dict[str, list[Redaction]]:
    """Who took words out of this request, by place, oldest first."""
    found: dict[str, list[Redaction]] = {}
    mine = select(Redaction).where(Redaction.request_id == request_id).order_by(Redaction.id)
    for one in db.session.scalars(mine):
        for place in one.places:
            found.setdefault(place, []).append(one)
    return found


def views_with(wanted: re.Pattern[str]) -> Sequence[SavedView]:
    """Whoever's views that look for these words, or are called by them."""
    return [
        view
        for view in db.session.scalars(select(SavedView))
        if any(map(wanted.search, (view.name, *(words for _, words in parse_qsl(view.query)))))
    ]


def mails_of(request: Request) -> ColumnElement[bool]:
    """The mails that may hold its words: its own, and the answer of another request that it was joined to."""
    return mail.about(request.subject, submissions.addresses_of(request), "asked", request.id)


def _is_there(request: Request, at: datetime, given: Given) -> None:
    words = " ".join((given.get("words") or "").split())
    if not words:
        raise Refused(WRITE_WORDS, field="words")
    if sum(sign.isalnum() for sign in words) < LEAST:
        raise Refused(TOO_SHORT, field="words")
    wanted = passages.pattern_of(words)
    if not any(wanted.search(place.text) for place in places(request)):
        raise Refused(NOT_HERE, field="words")
    if mail.is_in_hand(mails_of(request), at=at):
        raise Conflict(MAIL_IS_LEAVING)


def _is_out(request: Request, given: Given) -> bool:
    wanted = passages.pattern_of(given["words"])
    return bool(given.get("sure")) and not any(wanted.search(place.text) for place in places(request))


def _take_out(request: Request, by: Staff, at: datetime, given: Given) -> None:
    wanted = passages.pattern_of(given["words"])
    before, changed = _signs(request), []
    for place in places(request):
        if (rest := passages.masked(wanted, text := place.text)) != text:
            place.put(rest)
            changed.append(place.key)
    after = _signs(request)
    request.patient_data = [
        sign for sign in request.patient_data if sign in after or sign not in before | {given["reason"]}
    ]
    terms.index_anew(request)
    finding.index_anew(request)
    for view in views_with(wanted):
        db.session.delete(view)
    mail.write_anew(mails_of(request), at=at)
    db.session.add(
        Redaction(
            request_id=request.id,
            version=request.version,
            at=at,
            by_name=by.name,
            kind=given["reason"],
            places=list(dict.fromkeys(changed)),
        )
    )


def _report(request: Request, by: Staff, at: datetime, given: Given) -> None:
    request.patient_data = list(dict.fromkeys([*request.patient_data, given["reason"]]))
    telling.of_request("patient_data", request, at=at, who_may=Right.LEAD)


def _signs(request: Request) -> set[str]:
    """What the guard finds in what was written freely."""
    free = [place.text for place in places(request) if place.column in ("question", "note", "text")]
    return {str(sign) for text in free for sign in patient_data.find(text)}


REPORT = Act(
    word="report-patient-data",
    label="Report patient data",
    done="It is marked, and those who may take it out are told.",
    audit="request.patient_data_reported",
    told="Patient data reported",
    roles=frozenset({Role.DESK}),
    starts=frozenset(Status),
    asks="reason",
    missing=SELECT_KIND,
    reasons=KINDS,
    then=_report,
)
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
    holds=_is_out,
    then=_take_out,
    button="danger",
)
NO_PATIENT_DATA = Act(
    word="no-patient-data",
    label="It names no patient",
    done="The warning is gone. A new report, or more that they write, brings it back.",
    audit="request.patient_data_denied",
    told="Marked as naming no patient",
    roles=SENIOR,
    starts=frozenset(Status),
    fits=lambda request: bool(request.patient_data),
    change=lambda _by, _at: {"patient_data": []},
)
