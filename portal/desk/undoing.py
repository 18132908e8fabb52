"""Taking back words that have not gone yet: the request stands then as it did before they were written.

With the words is kept what their act changed. What somebody else changed since stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from portal.clock import now
from portal.db import UTCDateTime, db
from portal.desk import drafts, finding
from portal.desk.acts import NOT_YOURS, Act, Given, Staff
from portal.errors import Conflict
from portal.intake.models import Message, Request, Status
from portal.intake.submissions import latest
from portal.mail import promise as mail
from portal.settings import settings

MAILED = ("intake/answer", "desk/question")
ON_ITS_WAY = "It is on its way already. Write again if something is wrong."
BOX = "answer"
_COLUMNS = (
    "status",
    *(column.key for column in Request.__table__.columns if isinstance(column.type, UTCDateTime)),
)


def standing(request: Request) -> Mapping[str, str | None]:
    """How it stands: its status and all its times."""
    return {name: _packed(getattr(request, name)) for name in _COLUMNS}


def remember(request: Request, before: Mapping[str, str | None]) -> None:
    """Keep with its latest words, if they can still be taken back, what was changed by writing them, or since by
    closing it."""
    message = latest(request)
    if message is None or not _waits(message):
        return
    changed = message.changed or {}
    for name, after in standing(request).items():
        if after != before[name]:
            changed = changed | {name: [changed.get(name, [before[name]])[0], after]}
    message.changed = changed


def _waits(message: Message) -> bool:
    return now() < message.written_at + timedelta(seconds=settings().UNDO_SECONDS)


def _is_fresh(request: Request) -> bool:
    """Whether the latest words have not gone yet."""
    message = latest(request)
    return message is not None and message.changed is not None and _waits(message)


def _take_back(request: Request, by: Staff, at: datetime, _given: Given) -> None:
    """The words are a draft again, before what was begun since, and no mail of them is left."""
    message = latest(request)
    if message is None or not mail.take_back(request.subject, message.written_at, MAILED, at=at):
        raise Conflict(ON_ITS_WAY)
    for name, (was, became) in (message.changed or {}).items():
        if _packed(getattr(request, name)) == became:
            setattr(request, name, was if was is None or name == "status" else datetime.fromisoformat(was))
    begun = drafts.of(request, by.id).get(BOX)
    words = [message.text, *([begun.text] if begun else [])]
    drafts.keep(request, by.id, {BOX: "\n\n".join(words)}, at=at)
    db.session.delete(message)
    db.session.flush()
    finding.index_anew(request)


def _packed(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else value


UNDO = Act(
    word="undo",
    label="Undo: do not send it",
    done="Nothing was sent. Your words are in the box again.",
    audit="request.taken_back",
    told="Answer taken back before it went",
    roles=None,
    starts=frozenset({Status.WAITING, Status.ANSWERED, Status.CLOSED}),
    owner="mine",
    not_mine=NOT_YOURS,
    fits=_is_fresh,
    then=_take_back,
    button="",
)
