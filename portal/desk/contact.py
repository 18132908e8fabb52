"""The acts by which somebody is reached other than by an answer: a call, a fax, the post, a question; and waiting."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from portal import tokens
from portal.db import db
from portal.desk import calling
from portal.desk.acts import (
    EVERYBODY,
    NOT_YOURS,
    SELECT_REASON,
    WRITE_ANSWER,
    Act,
    Given,
    Staff,
    answered,
    written,
)
from portal.desk.endings import go_on, over_for_joined
from portal.desk.holes import no_holes
from portal.desk.letters import joined_to, letter_of, send_words
from portal.desk.models import (
    CALL_OUTCOME_LABELS,
    CallOutcome,
    Contact,
    ContactKind,
)
from portal.errors import Conflict, Refused
from portal.intake import terms, words
from portal.intake.models import OPEN, Delivery, Kind, MessageKind, Request, Status
from portal.intake.submissions import latest
from portal.mail import promise as mail

NO_ANSWER_BY_CALL = "A call answers them when you spoke, or left the answer as a message"
SELECT_OUTCOME = "Select what came of the call"
GIVE_ADDRESS = "Enter the address to send it to"
SELECT_WHOSE = "Select whose answer it is"
NOTHING_TO_RESEND = "No answer was written here by mail."
WRITE_FAX = "Write what you faxed"
WAIT_REASON_LABELS = {
    "asked": "We asked them something by phone or fax",
    "they_send": "They will send us more",
    "they_call": "They will call us",
}


def _answers(by: Staff, at: datetime) -> dict[str, Any]:
    return {"owner_id": by.id, "claimed_at": at, **answered(at)}


def _log(kind: ContactKind, request: Request, by: Staff, at: datetime, given: Given) -> None:
    db.session.add(
        Contact(
            request_id=request.id,
            kind=kind,
            outcome=given.get("reason") or "",
            number=given.get("number") or "",
            again_at=calling.again_at(given, at) if kind == ContactKind.CALL else None,
            text=given.get("text") or "",
            author_id=by.id,
            author_name=by.name,
            written_at=at,
            form_token=given.get("form_token") or tokens.new_token(),
        )
    )
    words.index(request.id, request.kind, given.get("number") or "", given.get("text") or "")


def _called(request: Request, by: Staff, at: datetime, given: Given) -> None:
    """A call that reached them ends what was agreed before; another moment takes its place."""
    _log(ContactKind.CALL, request, by, at, given)
    again = calling.again_at(given, at)
    if again or given.get("reason") == CallOutcome.REACHED:
        _agree(request, again)


def _called_and_answered(request: Request, by: Staff, at: datetime, given: Given) -> None:
    """The same of a call that answered them, whether or not somebody picked up."""
    _log(ContactKind.CALL, request, by, at, given)
    _agree(request, calling.again_at(given, at))


def _agree(request: Request, again: datetime | None) -> None:
    """What was agreed last holds, also for those that are joined to it."""
    request.call_at = again
    over_for_joined(request, Request.call_at)


def _faxed(request: Request, by: Staff, at: datetime, given: Given) -> None:
    _log(ContactKind.FAX, request, by, at, given)


def _posted(request: Request, by: Staff, at: datetime, given: Given) -> None:
    _log(ContactKind.POST, request, by, at, given)


def _asked(request: Request, by: Staff, at: datetime, given: Given) -> None:
    message = written(request, MessageKind.ANSWER, by, at, given)
    send_words("desk/question", request, message, at)


def _has_answer(request: Request, _at: datetime, given: Given) -> None:
    _whose(request, given)
    if latest(request) is None:
        raise Conflict(NOTHING_TO_RESEND)


def _whose(request: Request, given: Given) -> Request:
    """For whom it is sent again: whoever asked this one, or one that is joined to it; raises Refused."""
    whole = [request, *joined_to(request)]
    named = given.get("whose") or ("" if len(whole) > 1 else request.reference)
    found = next((one for one in whole if one.reference == named), None)
    if found is None:
        raise Refused(SELECT_WHOSE, field="whose")
    return found


def _went_to(request: Request, given: Given) -> bool:
    return _whose(request, given).reply_email.casefold() == str(given["address"]).casefold()


def _resend(request: Request, _by: Staff, at: datetime, given: Given) -> None:
    """The latest words once more; what was given up on the way is not tried there any more.

    Another address is where whoever asked is reached from then on: what follows goes there, and is heard from there.
    Of those that are joined to it, each has their own.
    """
    if message := latest(request):
        asked, address = _whose(request, given), str(given["address"])
        mail.withdraw_dead(request.subject, to=asked.reply_email, at=at)
        if address.casefold() != asked.reply_email.casefold():
            asked.answer_email = address
            terms.index_anew(asked)
        facts = {"answer": message.id} | ({"asked": asked.id} if asked is not request else {})
        mail.promise(letter_of(request, message), to=address, facts=facts, cause=request.subject, at=at)


def _rests(_by: Staff, at: datetime) -> dict[str, Any]:
    return {"waiting_since": at}


def _by_post(request: Request) -> bool:
    return request.kind == Kind.RESOURCE and request.delivery == Delivery.POST


CALL = Act(
    word="call",
    label="Log the call",
    done="The call is noted.",
    audit="request.called",
    told="Called",
    roles=EVERYBODY,
    starts=frozenset({*OPEN, Status.ANSWERED}),
    asks="reason",
    writes=True,
    reasons=CALL_OUTCOME_LABELS,
    missing=SELECT_OUTCOME,
    limit=calling.has_time,
    then=_called,
    is_versioned=False,
)
CALL_ANSWERED = Act(
    word="call-answered",
    label="Log the call: it answered them",
    done="The call is noted, and the request is answered.",
    audit="request.answered_by_call",
    told="Answered by phone",
    roles=None,
    starts=frozenset(OPEN),
    ends=Status.ANSWERED,
    owner="free",
    not_mine=NOT_YOURS,
    shares="call",
    asks="reason",
    writes=True,
    reasons={word: CALL_OUTCOME_LABELS[word] for word in (CallOutcome.REACHED, CallOutcome.LEFT_MESSAGE)},
    missing=NO_ANSWER_BY_CALL,
    change=_answers,
    limit=calling.has_time,
    then=_called_and_answered,
)
FAX_ANSWERED = Act(
    word="fax-answered",
    label="Log the fax: it answered them",
    done="The fax is noted, and the request is answered.",
    audit="request.answered_by_fax",
    told="Answered by fax",
    roles=None,
    starts=frozenset(OPEN),
    ends=Status.ANSWERED,
    owner="free",
    not_mine=NOT_YOURS,
    asks="text",
    writes=True,
    missing=WRITE_FAX,
    change=_answers,
    then=_faxed,
)
POSTED = Act(
    word="posted",
    label="Mark as posted",
    done="The request is answered: it went by post.",
    audit="request.posted",
    told="Posted",
    roles=None,
    starts=frozenset(OPEN),
    ends=Status.ANSWERED,
    owner="free",
    not_mine=NOT_YOURS,
    fits=_by_post,
    change=_answers,
    then=_posted,
    button="",
)
ASK = Act(
    word="ask",
    label="Send as a question and wait",
    done="Your question is on its way. The promise rests until they reply.",
    audit="request.asked_back",
    told="Asked back",
    roles=None,
    starts=frozenset({Status.IN_PROGRESS}),
    ends=Status.WAITING,
    owner="mine",
    not_mine=NOT_YOURS,
    shares="answer",
    asks="text",
    writes=True,
    missing=WRITE_ANSWER,
    change=_rests,
    limit=no_holes,
    then=_asked,
    is_undone=True,
)
WAIT = Act(
    word="wait",
    label="Wait for the prescriber",
    done="The request waits for the prescriber. The promise rests meanwhile.",
    audit="request.waits",
    told="Waits for the prescriber",
    roles=EVERYBODY,
    starts=frozenset({Status.IN_PROGRESS}),
    ends=Status.WAITING,
    owner="mine",
    not_mine=NOT_YOURS,
    asks="reason",
    missing=SELECT_REASON,
    reasons=WAIT_REASON_LABELS,
    change=_rests,
)
RESUME = Act(
    word="resume",
    label="Go on with it",
    done="The request is in progress again, and its promise runs.",
    audit="request.resumed",
    told="Taken up again",
    roles=EVERYBODY,
    starts=frozenset({Status.WAITING}),
    ends=Status.IN_PROGRESS,
    then=go_on,
)
RESEND = Act(
    word="resend",
    label="Send it again",
    done="The answer is on its way to that address.",
    audit="request.resent",
    told="Sent again, to another address or the same",
    roles=None,
    starts=frozenset({Status.WAITING, Status.ANSWERED, Status.CLOSED}),
    asks="address",
    missing=GIVE_ADDRESS,
    limit=_has_answer,
    holds=_went_to,
    then=_resend,
)
CONTACT_ACTS = (CALL, CALL_ANSWERED, FAX_ANSWERED, POSTED, ASK, WAIT, RESUME, RESEND)
