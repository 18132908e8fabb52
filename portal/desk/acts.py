"""The acts: what can be done with a request, in one table that the verb, the pages, the docs and the tests read.

The state machine is this table and stands nowhere else: from where an act starts, where it ends. `perform.py` does
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import func

from portal.db import db
from portal.desk.endings import go_on, has_good_reason, is_recent, stands_alone
from portal.desk.holes import no_holes
from portal.desk.letters import send_words
from portal.intake import submissions, words
from portal.intake.models import (
    CLOSE_REASON_LABELS,
    OPEN,
    REOPEN_REASON_LABELS,
    SPAM_REASON_LABELS,
    Message,
    MessageKind,
    Request,
    Status,
)
from portal.people.rights import RIGHTS, Right
from portal.register import Register
from portal.settings import settings

NOT_YOURS = "Claim this request before you answer it."
NOT_YOURS_TO_RELEASE = "Only the person who has this request can give it back."
WRITE_NOTE = "Write the note"
WRITE_ANSWER = "Write the answer"
SELECT_REASON = "Select a reason"


class Staff(Protocol):
    """Whoever works at the desk: an account, seen from here."""

    id: int
    name: str
    roles: frozenset[str]

    def may(self, right: str) -> bool:
        """Whether they have this right."""


Given = Mapping[str, Any]
Change = Callable[[Staff, datetime], dict[str, Any]]


def _holds(_request: Request, _given: Given) -> bool:
    return True


def _nothing(_by: Staff, _at: datetime) -> dict[str, Any]:
    return {}


def take(by: Staff, at: datetime) -> dict[str, Any]:
    """Make it theirs."""
    return {"owner_id": by.id, "claimed_at": at}


def _let_go(_by: Staff, _at: datetime) -> dict[str, Any]:
    return {"owner_id": None, "claimed_at": None}


def _anything(_request: Request) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act: who may do it, from where to where, what it asks and changes, and its words.

    `owner` is whose the request must be: nobody's (the first gets it, whatever they saw), mine (else `not_mine` is
    said), another's, nobody's or mine (free), or anybody's (empty). The desk may only do it where `desk_may`. Who may
    answer says the kind of request, so `roles` is None there.
    """

    word: str  # in addresses
    label: str  # on its button
    done: str  # what the page says after it
    audit: str
    told: str  # in the history
    roles: frozenset[str] | None
    starts: frozenset[Status]
    ends: Status | None = None  # None: where it is
    owner: str = ""
    desk_may: Callable[[Request], bool] = _anything
    desk_own: bool = False  # the desk may do it with what is theirs only
    fits: Callable[[Request], bool] = _anything  # else it is offered for no such request
    not_mine: str = ""
    portal_may: bool = False
    asker_may: bool = False
    asks: str = ""  # reason or text
    missing: str = ""  # what is said when that is not given
    reasons: Mapping[Any, str] = field(default_factory=dict)
    measures: str = ""  # what was given and is kept nowhere: its length stands beside the reason in the trail
    change: Change = _nothing
    limit: Callable[[Request, datetime, Given], None] | None = None  # raises Refused
    holds: Callable[[Request, Given], bool] = (
        _holds  # of what the trail does not say: whether it is as it was given
    )
    shares: str = ""  # the act whose form it reads, where it has none of its own
    writes: bool = False  # its form has a box for text, of which drafts are kept
    is_undone: bool = False  # with the words that it sends, or that were sent just before (`undoing.py`)
    then: Callable[[Request, Staff, datetime, Given], None] | None = None
    is_versioned: bool = True
    button: str = "second"

    @property
    def box(self) -> str:
        """Before the names of its fields."""
        return self.shares or self.word


def answered(at: datetime) -> dict[str, Any]:
    """The columns of an answer: the first one's moment stays."""
    return {"answered_at": at, "first_answered_at": func.coalesce(Request.first_answered_at, at)}


def written(request: Request, kind: MessageKind, by: Staff, at: datetime, given: Given) -> Message:
    """Keep what somebody wrote, and its words, by which it is found."""
    message = Message(
        request_id=request.id,
        kind=kind,
        author_id=by.id,
        author_name=by.name,
        written_at=at,
        text=given["text"],
        form_token=given["form_token"],
    )
    db.session.add(message)
    db.session.flush()
    words.index(request.id, request.kind, message.text)
    return message


def note(request: Request, by: Staff, at: datetime, given: Given) -> None:
    """Keep what only staff read."""
    written(request, MessageKind.NOTE, by, at, given)


def _answer(request: Request, by: Staff, at: datetime, given: Given) -> None:
    """Promise the answer by mail, and close the request too if asked."""
    message = written(request, MessageKind.ANSWER, by, at, given)
    send_words("intake/answer", request, message, at)


def _taken_up(request: Request, by: Staff, at: datetime, given: Given) -> None:
    """What was answered in time is not late because it is taken up again; of what never was, the promise goes on."""
    if request.first_answered_at is not None:
        submissions.promise_anew(request, org=settings().ORG, at=at)
    else:
        go_on(request, by, at, given)


EVERYBODY, SENIOR = RIGHTS[Right.WORK], RIGHTS[Right.LEAD]
NOBODY = frozenset[str]()  # of the staff

CLAIM = Act(
    word="claim",
    label="Claim",
    done="This request is yours now.",
    audit="request.claimed",
    told="Claimed",
    roles=EVERYBODY,
    starts=frozenset({Status.NEW}),
    ends=Status.IN_PROGRESS,
    owner="nobody",
    change=take,
    is_versioned=False,
    button="",
)
TAKE_OVER = Act(
    word="take-over",
    label="Take over",
    done="You took this request over. It is yours now.",
    audit="request.taken_over",
    told="Taken over",
    roles=SENIOR,
    starts=frozenset(OPEN),
    owner="another",
    change=take,
)
RELEASE = Act(
    word="release",
    label="Release",
    done="The request is back in the queue.",
    audit="request.released",
    told="Released",
    roles=EVERYBODY,
    starts=frozenset({Status.IN_PROGRESS}),
    ends=Status.NEW,
    owner="mine",
    not_mine=NOT_YOURS_TO_RELEASE,
    change=_let_go,
)
NOTE = Act(
    word="note",
    label="Save note",
    done="The note is saved. Only staff see it.",
    audit="request.noted",
    told="Note written",
    roles=EVERYBODY,
    starts=frozenset(Status),
    asks="text",
    writes=True,
    missing=WRITE_NOTE,
    then=note,
    is_versioned=False,  # whoever writes an answer at this moment should see the note first
)
ANSWER = Act(
    word="answer",
    label="Send answer",
    done="The answer is on its way.",
    audit="request.answered",
    told="Answered",
    roles=None,
    starts=frozenset({Status.IN_PROGRESS, Status.ANSWERED}),  # one may add to an answer
    ends=Status.ANSWERED,
    owner="mine",
    not_mine=NOT_YOURS,
    writes=True,
    asks="text",
    missing=WRITE_ANSWER,
    change=lambda _by, at: answered(at),
    limit=no_holes,
    then=_answer,
    is_undone=True,
)
CLOSE = Act(
    word="close",
    label="Close request",
    done="The request is closed.",
    audit="request.closed",
    told="Closed",
    roles=EVERYBODY,
    starts=frozenset({*OPEN, Status.ANSWERED}),
    ends=Status.CLOSED,
    desk_may=lambda request: request.status == Status.ANSWERED,
    limit=has_good_reason,
    portal_may=True,
    asks="reason",
    missing=SELECT_REASON,
    reasons=CLOSE_REASON_LABELS,
    change=lambda _by, at: {"closed_at": at},
    is_undone=True,
)
REOPEN = Act(
    word="reopen",
    label="Reopen request",
    done="The request is open again, and yours.",
    audit="request.reopened",
    told="Reopened",
    roles=SENIOR,
    starts=frozenset({Status.ANSWERED, Status.CLOSED}),
    ends=Status.IN_PROGRESS,
    asks="reason",
    missing=SELECT_REASON,
    reasons=REOPEN_REASON_LABELS,
    fits=is_recent,
    change=lambda by, at: {**take(by, at), "closed_at": None},
    then=_taken_up,
)
SPAM = Act(
    word="spam",
    label="Mark as spam",
    done="The request is now among the spam. It stays there until somebody brings it back.",
    audit="request.marked_spam",
    told="Marked as spam",
    roles=EVERYBODY,
    starts=frozenset({Status.NEW, Status.IN_PROGRESS}),
    ends=Status.SPAM,
    asks="reason",
    missing=SELECT_REASON,
    reasons=SPAM_REASON_LABELS,
    limit=stands_alone,
    change=lambda by, at: {**_let_go(by, at), "closed_at": at},
    button="danger",
)
NOT_SPAM = Act(
    word="not-spam",
    label="Not spam",
    done="The request is back in the queue.",
    audit="request.marked_not_spam",
    told="Marked as not spam",
    roles=EVERYBODY,
    starts=frozenset({Status.SPAM}),
    ends=Status.NEW,
    change=lambda _by, _at: {"closed_at": None},
)
ACTS: Register[Act] = Register("acts", lambda act: act.word)
