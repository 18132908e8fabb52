"""The one verb that performs the acts, and who is offered which.

A write that races carries its guard in the UPDATE itself: a claim asks for a request without an owner, everything
else for the version its reader saw. Whoever comes second gets a Conflict and nothing is changed. Every act writes
one audit row, without a word that anybody typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.exc import IntegrityError

from portal import audit
from portal.audit import Actor
from portal.db import db
from portal.desk import away, telling, undoing
from portal.desk.actors import Asker, Portal
from portal.desk.acts import ACTS, CLOSE, RELEASE, Act, Given, Staff
from portal.desk.models import Addition, Contact
from portal.errors import Conflict, Forbidden, NotFound, Refused
from portal.intake import kinds
from portal.intake.models import OPEN, STATUS_LABELS, Message, Request, Status
from portal.intake.reference import normalise
from portal.people.models import User, holding, holding_still
from portal.people.rights import Role

NO_SUCH_REQUEST = "There is no request with this reference."
NO_SUCH_ACT = "There is no such act."
NOT_ALLOWED = "Your role does not allow this."
SENT_BEFORE = "You have sent this form already, with other words. Press the button again to send these too."
NOT_A_COLLEAGUE = "Select a colleague"
STALE = "This request changed while you were looking at it. Look at what is new, then try again."


def get(reference: str) -> Request:
    """The request with this reference, however it is spelled; raises NotFound."""
    known = normalise(reference)
    found = db.session.scalar(select(Request).where(Request.reference == known)) if known else None
    if found is None:
        raise NotFound(NO_SUCH_REQUEST)
    return found


def act_of(word: str) -> Act:
    """The act with this word; raises NotFound."""
    found = ACTS.get(word)
    if found is None:
        raise NotFound(NO_SUCH_ACT)
    return found


def opened(request: Request, *, by: Staff, at: datetime) -> None:
    """Put into the audit trail that somebody looked at this request."""
    audit.record(by, "request.opened", request.subject, at=at)


def perform(
    act: Act, request: Request, *, by: Staff, at: datetime, version: int = 0, **given: Any
) -> Request:
    """Do one act, by a person or by PORTAL; the request is then as stored.

    Asks for the right first (Forbidden), then for what was given (Refused, with its field), then whether the request
    stands as its reader saw it (Conflict). The same `form_token` twice is
    the same act once; with other words it is a Conflict.
    """
    if _was_done(request, given):
        return request
    _permit(act, request, by)
    if act.owner == "nobody" and request.owner_id == by.id and request.is_open:
        return request
    detail = would(act, request, by=by, at=at, version=version, **given)
    before = undoing.standing(request)
    try:
        with db.session.begin_nested():
            _change(act, request, by, at, version)
            if act.then is not None:
                act.then(request, by, at, given)
                db.session.flush()
            if act.is_undone:
                undoing.remember(request, before)
    except (Conflict, IntegrityError):
        # The other half of a double press may have been first.
        if _was_done(request, given):
            return request
        raise
    audit.record(None if isinstance(by, Portal) else by, act.audit, request.subject, at=at, detail=detail)
    if given.get("close"):
        return perform(CLOSE, request, by=by, at=at, version=request.version, reason="answered")
    return request


def was_last(act: Act, request: Request, *, by: Staff, version: int = 0, **given: Any) -> bool:
    """Whether this is what was done last, by the same person from the same page: a button that was pressed twice.

    Never of words: their form's token tells one press from another.
    """
    if act.writes or not act.is_versioned:
        return False
    detail = _check(act, given)
    last = audit.last(request.subject, but="request.opened")
    done = (last.actor_id, last.action, last.detail) if last else None
    is_last = request.version == version + 1 and done == (by.id, act.audit, detail)
    return is_last and act.holds(request, given)


def would(act: Act, request: Request, *, by: Staff, at: datetime, version: int = 0, **given: Any) -> str:
    """Raise what `perform` would, and change nothing; returns what the trail would say."""
    _permit(act, request, by)
    detail = _check(act, given)
    _need(act, request, by, version)
    if act.limit is not None:
        act.limit(request, at, given)
    return detail


def may(by: Staff, act: Act, request: Request) -> bool:
    """Whether this act is offered to this member of staff, as the request stands; what templates ask."""
    return is_permitted(by, act, request) and _stands(act, request, by)


def is_permitted(by: Staff, act: Act, request: Request) -> bool:
    """Whether any of their roles allows it, the desk's within its limits; the status and the owner do not count."""
    if isinstance(by, Portal):
        return act.portal_may
    if isinstance(by, Asker):
        return act.asker_may
    roles = kinds.of(request).answered_by if act.roles is None else act.roles
    if not act.desk_may(request) or (act.desk_own and request.owner_id != by.id):
        roles = roles - {Role.DESK}
    return not by.roles.isdisjoint(roles)


def hand_back(user: User, lost: frozenset[str], *, by: Actor | None, at: datetime) -> int:
    """Give back to the queue what somebody works on and may no longer do, and tell those who may; returns how many.

    For whoever left that is all; for whoever `lost` roles, what one of those may answer and none that is left. It
    loses no race: a request that somebody else took meanwhile is theirs.
    """
    held = select(Request).where(Request.owner_id == user.id, Request.status.in_(OPEN)).order_by(Request.id)
    # Locked (PostgreSQL): what its owner does at the same moment comes before this or after it, and fails neither.
    held = held.with_for_update().execution_options(populate_existing=True)
    back = []
    for request in db.session.scalars(held).all():
        answerers = kinds.of(request).answered_by
        if user.active and (lost.isdisjoint(answerers) or not user.roles.isdisjoint(answerers)):
            continue
        status = Status.NEW if request.status == Status.IN_PROGRESS else request.status
        freed = {"status": status, "changed_at": at, "owner_id": None, "claimed_at": None}
        if _update(request, Request.owner_id == user.id, Request.status.in_(OPEN), **freed):
            audit.record(by, RELEASE.audit, request.subject, at=at)
            back.append(request)
    if back:
        _tell_the_desk(back, user, at)
    return len(back)


def hand_over(owner: User, to: User | None, *, at: datetime, by: User | None = None) -> int:
    """Give all that somebody has to a colleague, or back to the queue; returns how many. What waits stays waiting.

    `by` is who does it, where that is not the owner.
    """
    to = db.session.scalar(holding_still(to.id)) if to else None
    if to is not None and (to.id == owner.id or not away.is_here(to, at)):
        raise Refused(NOT_A_COLLEAGUE, field="to")
    held = select(Request).where(Request.owner_id == owner.id, Request.status.in_(OPEN)).order_by(Request.id)
    held = held.with_for_update().execution_options(populate_existing=True)
    moved = []
    for request in db.session.scalars(held).all():
        new: dict[str, Any] = (
            {"owner_id": to.id, "claimed_at": at} if to else {"owner_id": None, "claimed_at": None}
        )
        if to is None and request.status == Status.IN_PROGRESS:
            new |= {"status": Status.NEW}
        if _update(request, Request.owner_id == owner.id, Request.status.in_(OPEN), changed_at=at, **new):
            detail = f"user:{to.id}" if to else ""
            audit.record(by or owner, "request.handed_over", request.subject, at=at, detail=detail)
            moved.append(request.reference)
    if to is not None and moved and (by or owner).id != to.id:
        telling.given(moved, to, at=at)
    return len(moved)


def thread(request: Request) -> list[Message | Contact | Addition]:
    """Notes, answers, calls and the rest about one request, oldest first."""
    found: list[Message | Contact | Addition] = []
    for kind in (Message, Contact, Addition):
        found += db.session.scalars(select(kind).where(kind.request_id == request.id).order_by(kind.id))
    return sorted(found, key=lambda one: one.written_at)


def _tell_the_desk(back: Sequence[Request], user: User, at: datetime) -> None:
    roles = frozenset[str]().union(*(kinds.of(request).answered_by for request in back))
    named = [request.reference for request in back]
    telling.of_many(named, user.subject, at, holding(*roles), User.id != user.id)


def _permit(act: Act, request: Request, by: Staff) -> None:
    if not is_permitted(by, act, request):
        raise Forbidden(NOT_ALLOWED)


def _check(act: Act, given: Given) -> str:
    """What was given, judged; returns the word that the audit trail keeps."""
    value = given.get(act.asks) if act.asks else None
    if (act.asks and not value) or (act.reasons and value not in {str(word) for word in act.reasons}):
        raise Refused(act.missing, field=act.asks)
    if act.measures:
        return f"{value}:{len(given.get(act.measures) or '')}"
    return str(value) if act.reasons else f"user:{value}" if act.asks == "to" else ""


def _need(act: Act, request: Request, by: Staff, version: int) -> None:
    """Stale first: what a person did not see yet explains why the act no longer fits."""
    if act.is_versioned and request.version != version:
        raise Conflict(STALE)
    is_theirs = act.owner == "mine" or (act.owner == "free" and request.owner_id is not None)
    if is_theirs and request.owner_id != by.id:
        raise Forbidden(act.not_mine)
    if not _stands(act, request, by):
        raise Conflict(_who_has_it(request) if act.owner == "nobody" else _stands_at(request))


def _stands(act: Act, request: Request, by: Staff) -> bool:
    owner = request.owner_id
    is_owners = {
        "": True,
        "nobody": owner is None,
        "mine": owner == by.id,
        "another": owner is not None and owner != by.id,
        "free": owner in (None, by.id),
    }
    return request.status in act.starts and act.fits(request) and is_owners[act.owner]


def _change(act: Act, request: Request, by: Staff, at: datetime, version: int) -> None:
    guards = [Request.version == version] if act.is_versioned else [Request.status.in_(act.starts)]
    if act.owner == "nobody":
        guards += [Request.owner_id.is_(None)]
    moved: dict[str, Any] = {"status": act.ends, "changed_at": at} if act.ends else {}
    if act.ends and act.ends not in OPEN:
        moved["snoozed_until"] = None  # what is over comes back to nobody
    if act.ends in (Status.CLOSED, Status.SPAM):
        moved["call_at"] = None
    if act.ends not in (None, Status.NEW, Status.IN_PROGRESS, Status.DUPLICATE):
        moved["heard_at"] = None  # what they wrote was answered, or is nobody's work any more
    changed = act.change(by, at)
    if changed.get("owner_id") and not away.is_employed(by.id):
        raise Forbidden(
            NOT_ALLOWED
        )  # disabled at this moment: what was theirs went back to the queue already
    if not _update(request, *guards, **changed, **moved):
        raise Conflict(_who_has_it(request) if act.owner == "nobody" else STALE)


def _update(request: Request, *guards: Any, **values: Any) -> bool:
    """One conditional UPDATE; whether it found the request as the guards ask. `request` is then as stored."""
    statement = update(Request).where(Request.id == request.id, *guards)
    result = db.session.execute(
        statement.values(version=Request.version + 1, **values),
        execution_options={"synchronize_session": False},
    )
    db.session.refresh(request)
    return bool(cast("CursorResult[Any]", result).rowcount)


def _was_done(request: Request, given: Given) -> bool:
    """Whether these words were kept before; raises Conflict where others were sent by the same form."""
    token = given.get("form_token")
    first: Message | Contact | Addition | None = None
    if token:
        first = db.session.scalar(select(Message).where(Message.form_token == token))
        first = first or db.session.scalar(select(Contact).where(Contact.form_token == token))
        first = first or db.session.scalar(select(Addition).where(Addition.form_token == token))
    if first is not None and (first.request_id, first.text) != (request.id, given.get("text") or ""):
        raise Conflict(SENT_BEFORE)
    return first is not None


def _who_has_it(request: Request) -> str:
    if request.owner_id is None or not request.is_open:
        return _stands_at(request)
    owner = db.session.get(User, request.owner_id)
    return f"{owner.name if owner else 'Somebody else'} has this request."


def _stands_at(request: Request) -> str:
    label = STATUS_LABELS.get(request.status, request.status)
    return f"This request is now: {label}."
