"""A reply by mail joins its request: by an address that we sealed and a sender that it knows, never by a subject.

Whatever else comes is left for people, as it came. A message counts once, by its Message-ID.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from portal import text
from portal.asker import anew, reading
from portal.asker.reading import Reply
from portal.db import db
from portal.desk import asking, perform, reply_address
from portal.desk.actors import ASKER
from portal.desk.asking import ADD, ASK_AGAIN, REPLY
from portal.desk.models import Addition, AdditionKind
from portal.intake import patient_data, submissions
from portal.intake.models import Request, Status

WITHOUT_WORDS = "(The mail had no text.)"
REST = "(Not all of this mail stands here: what is missing is in the mailbox.)"
_NOT_PRINTABLE = re.compile(r"[\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f]")
_ACTS = {
    Status.NEW: ADD,
    Status.IN_PROGRESS: ADD,
    Status.WAITING: REPLY,
    Status.ANSWERED: ASK_AGAIN,
    Status.CLOSED: ASK_AGAIN,
}


class Became(StrEnum):
    """What became of a message."""

    JOINED = "joined"
    NEW_REQUEST = "new_request"  # its request was closed too long ago
    AWAY = "away"  # an out-of-office reply: shown, and nothing else
    REPEATED = "repeated"
    UNMATCHED = "unmatched"


@dataclass(frozen=True)
class Heard:
    """What a message was, and of which request; `is_whole` when nothing of it need be kept."""

    became: Became
    reference: str | None = None
    is_whole: bool = True


UNMATCHED = Heard(Became.UNMATCHED, is_whole=False)


def hear(raw: bytes, *, digest: str, at: datetime) -> Heard:
    """Judge one message and let it count, in the caller's transaction. Raises Conflict when somebody was faster."""
    reply = reading.read(raw)
    named = reply_address.request_in(reply.to) if reply else None
    if reply is None or named is None or not _knows(named, reply.sender):
        return UNMATCHED
    request = submissions.answered_for(named) if named.status == Status.DUPLICATE else named
    if request is None or request.status not in _ACTS:
        return UNMATCHED  # spam, or of a newer version: for people to judge
    token = f"mail:{sha256((reply.message_id or digest).encode('utf-8', 'replace')).hexdigest()}"
    if _was_heard(token):
        return Heard(Became.REPEATED, named.reference)
    given: dict[str, Any] = {
        "text": _words(reply),
        "form_token": token,
        "by_mail": True,
        "patient_data": patient_data.find(reply.own_words[: reading.TEXT_MAX]),
    }
    if reply.is_automatic:
        asking.keep(AdditionKind.AWAY, request, at, given | {"patient_data": ()})
        return Heard(Became.AWAY, request.reference, reply.is_whole)
    if anew.is_past(request):
        return Heard(Became.NEW_REQUEST, _anew(named, request, reply, given, at), reply.is_whole)
    perform.perform(_ACTS[Status(request.status)], request, by=ASKER, at=at, **given)
    return Heard(Became.JOINED, request.reference, reply.is_whole)


def _knows(request: Request, sender: str) -> bool:
    return sender.casefold() in submissions.addresses_of(request)


def _was_heard(token: str) -> bool:
    heard = select(Addition.id).where(Addition.form_token == token).limit(1)
    return db.session.scalar(heard) is not None


def _words(reply: Reply) -> str:
    """What stands in the mail, with what it quotes, as a text that can be stored."""
    typed = text.clean(_NOT_PRINTABLE.sub("", reply.text), multiline=True)
    return typed or WITHOUT_WORDS if reply.is_whole else f"{typed}\n\n{REST}".strip()


def _anew(named: Request, follows: Request, reply: Reply, given: dict[str, Any], at: datetime) -> str:
    """A new request of whoever wrote; the whole mail stands in its thread."""
    of = follows if submissions.is_of_the_same(named, follows) else named
    words = text.clean(_NOT_PRINTABLE.sub("", reply.own_words), multiline=True) or WITHOUT_WORDS
    facts = {name: given[name] for name in ("patient_data", "form_token")}
    return anew.ask(of, follows, words, whole=given["text"], at=at, **facts).reference
