"""What was said about a request, and what became of each mail, as one member of staff may see it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from portal import web
from portal.desk import perform
from portal.desk.acts import Staff
from portal.desk.models import (
    CALL_OUTCOME_LABELS,
    Addition,
    AdditionKind,
    CallOutcome,
    Contact,
    ContactKind,
)
from portal.desk.redaction import Place
from portal.desk.undoing import MAILED
from portal.intake.models import Message, MessageKind, Request
from portal.mail import lanes, returns
from portal.mail.models import State

ADDITION_LABELS = {
    AdditionKind.ADDED: "Added",
    AdditionKind.AGAIN: "Asked again",
    AdditionKind.AWAY: "Out-of-office reply, sent by a machine",
}
CONTACT_LABELS = {ContactKind.CALL: "Phone call", ContactKind.FAX: "Fax", ContactKind.POST: "Posted"}

UNSENT = {
    "answer": "Your answer was not sent",
    "call": "Your call was not logged",
    "fax-answered": "Your fax was not logged",
}
UNSAVED = "What you wrote was not saved"


@dataclass(frozen=True)
class Fate:
    """What became of one mail: words, their tone, and the moment."""

    words: str
    tone: str
    at: datetime
    to: str
    why: str


def _fate(mail: Any) -> Fate:
    error = "" if mail.state == State.SENT else mail.last_error
    came_back, _, why = error.partition(f"{returns.CAME_BACK}: ")
    if why and not came_back:
        return Fate("Came back", "danger", mail.over_at or mail.due_at, mail.recipient, why)
    words, tone, at = {
        State.SENT: ("Sent", "ok", mail.over_at),
        State.DEAD: ("Refused", "danger", mail.over_at),
        State.WITHDRAWN: ("Refused, sent again" if error else "Taken back", "", mail.over_at),
    }.get(mail.state, ("Tried, and waits" if mail.attempts else "Waiting to go", "warn", mail.due_at))
    return Fate(words, tone, at or mail.due_at, mail.recipient, error)


@dataclass(frozen=True)
class Said:
    """One piece of a thread."""

    kind: str  # how it looks: note, in or out
    who: str
    at: datetime
    tag: str  # how it was said, where that was not by mail
    text: str
    hidden: bool
    mails: Sequence[Fate]
    place: str  # as what was taken out of it is kept


def _heard(request: Request, words: Addition, may_read: bool) -> Said:
    tag = ADDITION_LABELS[words.kind] + (
        " by email" if words.by_mail and words.kind != AdditionKind.AWAY else ""
    )
    text = words.text if may_read else ""
    return Said("in", request.reply_name, words.written_at, tag, text, not may_read, (), _place(words))


def _said(words: Message | Contact, may_read: bool, mails: Sequence[Fate]) -> Said:
    kind, tag = "note" if words.kind == MessageKind.NOTE else "out", ""
    if isinstance(words, Contact):
        outcome = CALL_OUTCOME_LABELS[CallOutcome(words.outcome)] if words.outcome else ""
        again = Markup("call again {}").format(web.when(words.again_at)) if words.again_at else ""
        parts = (CONTACT_LABELS[words.kind], words.number, outcome, again)
        tag = Markup(" · ").join(part for part in parts if part)
    text = words.text if may_read else ""
    return Said(kind, words.author_name, words.written_at, tag, text, not may_read, mails, _place(words))


def _place(words: Message | Contact | Addition) -> str:
    return Place(words, "text").key


def of(request: Request, by: Staff, *, may_read: bool, is_recorded: bool) -> list[Said]:
    """Notes, answers, calls and the rest, oldest first; one's own words one may always read."""
    mails: dict[int, list[Fate]] = {}
    for mail in lanes.fates(request.subject, MAILED):
        mails.setdefault((mail.facts or {}).get("answer", 0), []).append(_fate(mail))
    return [
        _heard(request, words, may_read)
        if isinstance(words, Addition)
        else _said(
            words,
            may_read or (is_recorded and words.author_id == by.id),
            mails.get(words.id, []) if isinstance(words, Message) else [],
        )
        for words in perform.thread(request)
    ]


def left_over(forms: Mapping[str, Any], offered: Collection[str]) -> list[tuple[str, str, str]]:
    """What stands in boxes that the page does not show: the box, what became of it, the words."""
    typed = [(box, form["text"].data) for box, form in forms.items() if "text" in form and box not in offered]
    return [(box, UNSENT.get(box, UNSAVED), words) for box, words in typed if words]
