"""The acts of whoever asked: more about it, the same again, and not any more. Staff do none of them.

They did not see the request as staff do, so nothing they do rests on a version: the state it is in decides, in the
UPDATE itself.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select

from portal.db import db
from portal.desk import telling
from portal.desk.acts import NOBODY, SELECT_REASON, Act, Given, Staff
from portal.desk.endings import go_on, is_recent, over_for_joined
from portal.desk.models import Addition, AdditionKind
from portal.intake import submissions, words
from portal.intake.models import CLOSE_REASON_LABELS, OPEN, CloseReason, Request, Status
from portal.people.models import User
from portal.settings import settings

WRITE_MORE = "Write what you want to tell us"


def kin_of(request: Request) -> list[tuple[str, Request]]:
    """What it follows, and what follows it: each was asked long after the other was closed."""
    both = (("It follows", Request.id == request.follows), ("Asked again", Request.follows == request.id))
    return [
        (words, one)
        for words, which in both
        for one in db.session.scalars(select(Request).where(which).order_by(Request.id))
    ]


def keep(kind: AdditionKind, request: Request, at: datetime, given: Given) -> None:
    """Keep what somebody wrote; what in it may say who a patient is is marked on the request."""
    db.session.add(
        Addition(
            request_id=request.id,
            kind=kind,
            by_mail=bool(given.get("by_mail")),
            text=given["text"],
            written_at=at,
            form_token=given["form_token"],
        )
    )
    words.index(request.id, request.kind, given["text"])
    signs: Collection[str] = given.get("patient_data", ())
    request.patient_data = list(dict.fromkeys([*request.patient_data, *(str(sign) for sign in signs)]))


def _hear(kind: AdditionKind, request: Request, at: datetime, given: Given) -> None:
    """What was written is work, and whoever has it is told."""
    keep(kind, request, at, given)
    if request.heard_at is None:
        over_for_joined(request, Request.heard_at)
    request.heard_at = at
    if kind == AdditionKind.AGAIN or not given.get("by_mail"):
        request.snoozed_until = None  # a note of thanks by mail wakes nothing
    telling.of_request(kind.value, request, at=at)


def _added(request: Request, _by: Staff, at: datetime, given: Given) -> None:
    _hear(AdditionKind.ADDED, request, at, given)


def _replied(request: Request, by: Staff, at: datetime, given: Given) -> None:
    go_on(request, by, at, given)
    _hear(AdditionKind.ADDED, request, at, given)


def _asked_again(request: Request, _by: Staff, at: datetime, given: Given) -> None:
    """A new promise; whoever answered goes on with it, and if they work here no more it goes back to the queue."""
    if _owner(request) is None:
        request.status, request.owner_id, request.claimed_at = Status.NEW, None, None
    submissions.promise_anew(request, org=settings().ORG, at=at)
    _hear(AdditionKind.AGAIN, request, at, given)


def _withdrawn(request: Request, _by: Staff, at: datetime, _given: Given) -> None:
    if _owner(request) is not None:  # else it was nobody's work, and is none
        telling.of_request("withdrawn", request, at=at)


def _owner(request: Request) -> User | None:
    owner = db.session.get(User, request.owner_id) if request.owner_id else None
    return owner if owner is not None and owner.active else None


ADD = Act(
    word="add-details",
    label="Add this",
    done="We have what you added.",
    audit="request.added",
    told="Details added by whoever asked",
    roles=NOBODY,
    asker_may=True,
    starts=frozenset({Status.NEW, Status.IN_PROGRESS}),
    asks="text",
    missing=WRITE_MORE,
    then=_added,
    is_versioned=False,
)
REPLY = Act(
    word="reply",
    label="Send my reply",
    done="We have your reply, and go on with your request.",
    audit="request.replied",
    told="Reply from whoever asked",
    roles=NOBODY,
    asker_may=True,
    starts=frozenset({Status.WAITING}),
    ends=Status.IN_PROGRESS,
    asks="text",
    missing=WRITE_MORE,
    then=_replied,
    is_versioned=False,
)
ASK_AGAIN = Act(
    word="ask-again",
    label="Ask again",
    done="We have your question, and your request is open again.",
    audit="request.asked_again",
    told="Asked again by whoever asked",
    roles=NOBODY,
    asker_may=True,
    starts=frozenset({Status.ANSWERED, Status.CLOSED}),
    ends=Status.IN_PROGRESS,
    asks="text",
    missing=WRITE_MORE,
    fits=is_recent,
    change=lambda _by, _at: {"closed_at": None},
    then=_asked_again,
    is_versioned=False,
)
WITHDRAW = Act(
    word="withdraw",
    label="Withdraw my request",
    done="Your request is withdrawn. We do nothing more about it.",
    audit="request.withdrawn",
    told="Withdrawn by whoever asked",
    roles=NOBODY,
    asker_may=True,
    starts=frozenset(OPEN),
    ends=Status.CLOSED,
    asks="reason",
    missing=SELECT_REASON,
    reasons={CloseReason.WITHDRAWN: CLOSE_REASON_LABELS[CloseReason.WITHDRAWN]},
    change=lambda _by, at: {"closed_at": at},
    then=_withdrawn,
    is_versioned=False,
)
ASKING_ACTS = (ADD, REPLY, ASK_AGAIN, WITHDRAW)
