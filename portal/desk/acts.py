"""What staff do with a request: who may do what, and each act as one verb.

A write that races carries its guard in the UPDATE itself: a claim asks for a request without an owner, everything
else for the version its reader saw. Whoever comes second gets a Conflict and nothing is changed. Every act writes
one audit row, without a word that anybody typed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.exc import IntegrityError

from portal import audit
from portal.db import db
from portal.errors import Conflict, NotFound, PortalError, Refused
from portal.intake import receipts
from portal.intake.models import (
    ALLOWED,
    STATUS_LABELS,
    CloseReason,
    Kind,
    Message,
    MessageKind,
    ReopenReason,
    Request,
    SpamReason,
    Status,
)
from portal.intake.reference import normalise
from portal.mail import service as mail
from portal.people.models import User

REOPEN_WITHIN = timedelta(days=90)

NO_SUCH_REQUEST = "There is no request with this reference."
NOT_ALLOWED = "Your role does not allow this."
STALE = "This request changed while you were looking at it. Look at what is new, then try again."
NOT_YOURS = "Claim this request before you answer it."
NOT_YOURS_TO_RELEASE = "Only the person who has this request can give it back."
TOO_OLD_TO_REOPEN = "This request was closed more than 90 days ago. Ask the prescriber to send a new one."
WRITE_NOTE = "Write the note"
WRITE_ANSWER = "Write the answer"
SELECT_REASON = "Select a reason"

_Reason = TypeVar("_Reason", bound=StrEnum)


class Staff(Protocol):
    """Whoever works at the desk: an account, seen from here."""

    id: int
    name: str
    role: Any  # desk, pharmacist or manager


class Act(StrEnum):
    """What can be done with a request, as `may` knows it."""

    READ = "read"
    CLAIM = "claim"
    TAKE_OVER = "take_over"
    RELEASE = "release"
    NOTE = "note"
    ANSWER = "answer"
    CLOSE = "close"
    REOPEN = "reopen"
    SPAM = "spam"
    NOT_SPAM = "not_spam"


def get(reference: str, *, by: Staff, at: datetime) -> Request:
    """The request with this reference, however it is spelled; raises NotFound."""
    known = normalise(reference)
    found = db.session.scalar(select(Request).where(Request.reference == known)) if known else None
    if found is None:
        raise NotFound(NO_SUCH_REQUEST)
    return found


def opened(request: Request, *, by: Staff, at: datetime) -> None:
    """Put into the audit trail that somebody looked at this request."""
    audit.record(by, "request.opened", request.subject, at=at)


def claim(reference: str, *, by: Staff, at: datetime) -> Request:
    """Give a new request to one member of staff: of many at once, exactly one gets it.

    Claiming what is already one's own changes nothing. Raises NotFound, Refused, and Conflict naming who has it.
    """
    request = get(reference, by=by, at=at)
    _permit(by, Act.CLAIM, request)
    if not _update(
        request,
        Request.owner_id.is_(None),
        Request.status == Status.NEW,
        owner_id=by.id,
        claimed_at=at,
        **_moved(Status.IN_PROGRESS, at),
    ):
        if request.owner_id == by.id:
            return request
        raise Conflict(_who_has_it(request))
    audit.record(by, "request.claimed", request.subject, at=at)
    return request


def take_over(request: Request, *, by: Staff, at: datetime, version: int) -> Request:
    """Take an open request from whoever has it. Raises Refused and Conflict."""
    _permit(by, Act.TAKE_OVER, request)
    _need(by, Act.TAKE_OVER, request, version)
    _write(request, version, owner_id=by.id, claimed_at=at)
    audit.record(by, "request.taken_over", request.subject, at=at)
    return request


def release(request: Request, *, by: Staff, at: datetime, version: int) -> Request:
    """Give one's request back to the queue. Raises Refused and Conflict."""
    _permit(by, Act.RELEASE, request)
    _need(by, Act.RELEASE, request, version)
    _move(request, version, Status.NEW, at=at, owner_id=None, claimed_at=None)
    audit.record(by, "request.released", request.subject, at=at)
    return request


def hand_back(user: Staff, *, by: Staff | None, at: datetime) -> int:
    """Give back to the queue all that somebody works on, who can no longer do so; returns how many."""
    held = select(Request).where(Request.owner_id == user.id, Request.status == Status.IN_PROGRESS)
    # Locked (PostgreSQL): what its owner does at the same moment comes before this or after it, and fails neither.
    held = held.with_for_update().execution_options(populate_existing=True)
    given_back = 0
    for request in db.session.scalars(held).all():
        _move(request, request.version, Status.NEW, at=at, owner_id=None, claimed_at=None)
        audit.record(by, "request.released", request.subject, at=at)
        given_back += 1
    return given_back


def add_note(request: Request, *, text: str, form_token: str, by: Staff, at: datetime) -> Message:
    """Keep a note that only staff see; the same form token twice is the same note. Raises Refused."""
    if earlier := _earlier(form_token):
        return earlier
    _permit(by, Act.NOTE, request)
    if not text:
        raise Refused(WRITE_NOTE, field="text")
    message = _message(request, MessageKind.NOTE, text, form_token, by, at)
    try:
        with db.session.begin_nested():
            db.session.add(message)
    except IntegrityError:
        return _the_earlier(form_token)
    # Whoever writes an answer at this moment should see the note first.
    _update(request)
    audit.record(by, "request.noted", request.subject, at=at)
    return message


def answer(
    request: Request,
    *,
    text: str,
    form_token: str,
    close: bool,
    by: Staff,
    at: datetime,
    version: int,
    keys: Sequence[str],
) -> Message:
    """Answer by mail, promised in this transaction, and close the request too if asked.

    `keys` are SECRET_KEY and its fallbacks, for the link to the prescriber's own page. The same form token twice is
    the same answer and one mail. Raises Refused (role, owner, empty text) and Conflict (stale, not in progress).
    """
    if earlier := _earlier(form_token):
        return earlier
    _permit(by, Act.ANSWER, request)
    if not text:
        raise Refused(WRITE_ANSWER, field="text")
    if request.owner_id != by.id and request.version == version:
        raise Refused(NOT_YOURS)
    try:
        _move(request, version, Status.ANSWERED, at=at, answered_at=at)
    except Conflict:
        # The other half of a double press may have been first.
        if earlier := _earlier(form_token):
            return earlier
        raise
    message = _message(request, MessageKind.ANSWER, text, form_token, by, at)
    db.session.add(message)
    mail.queue(
        "intake/answer",
        to=request.reply_email,
        context={
            "asked": request,
            "answer": text,
            "author": by.name,
            "status_path": receipts.path_of(receipts.token_of(request, keys)),
        },
        cause=request.subject,
        at=at,
    )
    audit.record(by, "request.answered", request.subject, at=at)
    if close:
        _move(request, request.version, Status.CLOSED, at=at, closed_at=at)
        audit.record(by, "request.closed", request.subject, at=at, detail=CloseReason.ANSWERED)
    return message


def close(request: Request, *, reason: str, by: Staff, at: datetime, version: int) -> Request:
    """End a request; `reason` is a word of CloseReason. Raises Refused and Conflict."""
    _permit(by, Act.CLOSE, request)
    word = _reason(CloseReason, reason)
    _need(by, Act.CLOSE, request, version)
    _move(request, version, Status.CLOSED, at=at, closed_at=at)
    audit.record(by, "request.closed", request.subject, at=at, detail=word)
    return request


def reopen(request: Request, *, reason: str, by: Staff, at: datetime, version: int) -> Request:
    """Take up an answered or closed request again, as its owner; `reason` is a word of ReopenReason.

    Raises Refused (role, reason, closed more than 90 days ago) and Conflict.
    """
    _permit(by, Act.REOPEN, request)
    word = _reason(ReopenReason, reason)
    _need(by, Act.REOPEN, request, version)
    if request.closed_at is not None and at > request.closed_at + REOPEN_WITHIN:
        raise Refused(TOO_OLD_TO_REOPEN)
    _move(request, version, Status.IN_PROGRESS, at=at, owner_id=by.id, claimed_at=at, closed_at=None)
    audit.record(by, "request.reopened", request.subject, at=at, detail=word)
    return request


def mark_spam(request: Request, *, reason: str, by: Staff, at: datetime, version: int) -> Request:
    """Put a request among the spam, from where it can come back; `reason` is a word of SpamReason."""
    _permit(by, Act.SPAM, request)
    word = _reason(SpamReason, reason)
    _need(by, Act.SPAM, request, version)
    _move(request, version, Status.SPAM, at=at, owner_id=None, claimed_at=None, closed_at=at)
    audit.record(by, "request.marked_spam", request.subject, at=at, detail=word)
    return request


def not_spam(request: Request, *, by: Staff, at: datetime, version: int) -> Request:
    """Bring a request back from the spam into the queue, its promise as it was."""
    _permit(by, Act.NOT_SPAM, request)
    _need(by, Act.NOT_SPAM, request, version)
    _move(request, version, Status.NEW, at=at, closed_at=None)
    audit.record(by, "request.marked_not_spam", request.subject, at=at)
    return request


def messages(request: Request) -> Sequence[Message]:
    """Notes and answers about one request, oldest first."""
    return db.session.scalars(
        select(Message).where(Message.request_id == request.id).order_by(Message.id)
    ).all()


def may(by: Staff, act: str, request: Request) -> bool:
    """Whether this member of staff may do that with this request as it stands; what templates ask.

    The role alone is judged by PERMITTED, where the request may go from here by `models.ALLOWED`.
    """
    return PERMITTED[Act(act)](by, request) and _STANDS[Act(act)](by, request)


def _desk_limited(rule: Callable[[Staff, Request], bool]) -> Callable[[Staff, Request], bool]:
    """The rule for the desk; pharmacists and managers always may."""
    return lambda by, request: (
        by.role in ("pharmacist", "manager") or (by.role == "desk" and rule(by, request))
    )


def _is_owner(by: Staff, request: Request) -> bool:
    return request.owner_id == by.id


# Who may do what: the one table. It asks for role and ownership, never for the status.
PERMITTED: dict[Act, Callable[[Staff, Request], bool]] = {
    Act.READ: _desk_limited(lambda by, request: request.kind == Kind.RESOURCE or _is_owner(by, request)),
    Act.CLAIM: _desk_limited(lambda by, request: True),
    Act.TAKE_OVER: _desk_limited(lambda by, request: False),
    Act.RELEASE: _is_owner,
    Act.NOTE: _desk_limited(lambda by, request: True),
    # A consultation is answered by a pharmacist, and by nobody else.
    Act.ANSWER: lambda by, request: (
        by.role == "pharmacist" or (request.kind == Kind.RESOURCE and by.role in ("desk", "manager"))
    ),
    Act.CLOSE: _desk_limited(lambda by, request: request.status == Status.ANSWERED),
    Act.REOPEN: _desk_limited(lambda by, request: False),
    Act.SPAM: _desk_limited(lambda by, request: True),
    Act.NOT_SPAM: _desk_limited(lambda by, request: True),
}

# Where a request must stand for the act to be offered.
_STANDS: dict[Act, Callable[[Staff, Request], bool]] = {
    Act.READ: lambda by, request: True,
    Act.CLAIM: lambda by, request: request.status == Status.NEW and request.owner_id is None,
    Act.TAKE_OVER: lambda by, request: (
        request.is_open and request.owner_id is not None and not _is_owner(by, request)
    ),
    Act.RELEASE: lambda by, request: request.status == Status.IN_PROGRESS,
    Act.NOTE: lambda by, request: True,
    Act.ANSWER: lambda by, request: request.status == Status.IN_PROGRESS and _is_owner(by, request),
    Act.CLOSE: lambda by, request: Status.CLOSED in ALLOWED[Status(request.status)],
    Act.REOPEN: lambda by, request: request.status in (Status.ANSWERED, Status.CLOSED),
    Act.SPAM: lambda by, request: Status.SPAM in ALLOWED[Status(request.status)],
    Act.NOT_SPAM: lambda by, request: request.is_spam,
}


def _permit(by: Staff, act: Act, request: Request) -> None:
    if not PERMITTED[act](by, request):
        raise Refused(NOT_YOURS_TO_RELEASE if act is Act.RELEASE else NOT_ALLOWED)


def _need(by: Staff, act: Act, request: Request, version: int) -> None:
    """Stale first: what a person did not see yet explains why the act no longer fits."""
    _same(request, version)
    if not _STANDS[act](by, request):
        raise Conflict(_stands_at(request))


def _same(request: Request, version: int) -> None:
    if request.version != version:
        raise Conflict(STALE)


def _move(request: Request, version: int, to: Status, *, at: datetime, **values: Any) -> None:
    """Move a request along `models.ALLOWED` and nowhere else: the only place where a status changes."""
    _same(request, version)
    if to not in ALLOWED[Status(request.status)]:
        raise Conflict(_stands_at(request))
    _write(request, version, **_moved(to, at), **values)


def _moved(to: Status, at: datetime) -> dict[str, Any]:
    return {"status": to, "changed_at": at}


def _write(request: Request, version: int, **values: Any) -> None:
    if not _update(request, Request.version == version, **values):
        raise Conflict(STALE)


def _update(request: Request, *guards: Any, **values: Any) -> bool:
    """One conditional UPDATE; whether it found the request as the guards ask. `request` is then as stored."""
    statement = update(Request).where(Request.id == request.id, *guards)
    result = db.session.execute(
        statement.values(version=Request.version + 1, **values),
        execution_options={"synchronize_session": False},
    )
    db.session.refresh(request)
    return bool(cast(CursorResult[Any], result).rowcount)


def _message(
    request: Request, kind: MessageKind, text: str, form_token: str, by: Staff, at: datetime
) -> Message:
    return Message(
        request_id=request.id,
        kind=kind,
        author_id=by.id,
        author_name=by.name,
        written_at=at,
        text=text,
        form_token=form_token,
    )


def _earlier(form_token: str) -> Message | None:
    return db.session.scalar(select(Message).where(Message.form_token == form_token))


def _the_earlier(form_token: str) -> Message:
    earlier = _earlier(form_token)
    if earlier is None:
        raise PortalError("The note could not be kept.")
    return earlier


def _reason(kind: type[_Reason], word: str) -> _Reason:
    try:
        return kind(word)
    except ValueError as error:
        raise Refused(SELECT_REASON, field="reason") from error


def _who_has_it(request: Request) -> str:
    if request.owner_id is None:
        return _stands_at(request)
    owner = db.session.get(User, request.owner_id)
    return f"{owner.name if owner else 'Somebody else'} has this request."


def _stands_at(request: Request) -> str:
    return f"This request is now: {STATUS_LABELS[Status(request.status)]}."
