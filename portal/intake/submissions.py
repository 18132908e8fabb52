"""A request comes in: one row for one form token, with its mails, however often and from how many sides it is sent.

The same token with the same answers gives the first receipt again; with other answers it is refused, because only
the person can say whether that is a correction or a second request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, select

from portal import addresses, audit, hours, text, tokens
from portal.db import db, insert_new
from portal.errors import Conflict, NotFound
from portal.intake import catalogue, receipts, terms, words
from portal.intake.kinds import Kind, of
from portal.intake.models import Delivery, Message, MessageKind, Request, Status
from portal.intake.reference import new_reference
from portal.mail import promise as mail
from portal.mail.models import Lane
from portal.organisation import Organisation
from portal.people import accounts, wishes

DUPLICATE_WITHIN = timedelta(hours=24)
MANY_LINKS = 3
SENT_BEFORE = "You have sent this form already, with other answers."

_TRIES = 5
_TOKEN_MAX = 100
_REQUESTS = cast(Table, Request.__table__)
_earlier = _REQUESTS.alias()
_SIMILAR = (
    select(_earlier.c.id)
    .where(
        bindparam("like_npi") != "",
        _earlier.c.npi == bindparam("like_npi"),
        _earlier.c.kind == bindparam("like_kind"),
        _earlier.c.received_at >= bindparam("like_since"),
        _earlier.c.status != Status.SPAM,
    )
    .order_by(_earlier.c.received_at.desc(), _earlier.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_MADE_WITH = select(_REQUESTS.c.id).where(_REQUESTS.c.form_token == bindparam("form_token"))
_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)


@dataclass(frozen=True)
class Submitted:
    """What became of a form that was sent: its request, which another press may have made."""

    reference: str
    receipt: str  # the secret token of its page
    is_new: bool


def submit(
    kind: Kind,
    answers: Mapping[str, Any],
    *,
    patient_data: Sequence[str] = (),
    form_token: str,
    keys: Sequence[str],
    org: Organisation,
    at: datetime,
    follows: int | None = None,
    answer_email: str = "",
) -> Submitted:
    """Keep a request and promise its mails.

    `answers` are the kind's facts by field; what is left out is blank. `patient_data` are the kinds that the guard
    found and the person sent all the same, `keys` SECRET_KEY and its fallbacks; `follows` the request that it
    asks again, `answer_email` where that one was answered, if elsewhere.
    Raises Conflict when this form token came with other answers, KeyError for an answer that is no fact.
    """
    if not _is_token(form_token):
        raise ValueError("a request needs the token of its form")
    given = kind.blank()
    if unknown := set(answers) - set(given):
        raise KeyError(*unknown)
    given |= answers
    receipt = receipts.new_token(keys, form_token)
    found = _signals(given)
    row = {
        "kind": kind.word,
        "status": Status.NEW,
        "form_token": form_token,
        "receipt_hash": tokens.digest(receipt),
        "version": 1,
        "received_at": at,
        "changed_at": at,
        "answer_by": promise(kind, org=org, at=at),
        "patient_data": [str(word) for word in patient_data],
        "signals": found,
        "follows": follows,
        "answer_email": answer_email,
        **given,
    }
    request_id = _insert(row)
    if request_id is None:
        first = _first(form_token, kind, given)
        return Submitted(first.reference, receipts.token_of(first, keys), is_new=False)
    terms.index(request_id, row)
    words.index(request_id, kind.word, *(row[fact.field] for fact in kind.facts if fact.private))
    audit.record(None, "request.received", f"request:{row['reference']}", at=at, detail=", ".join(found))
    _promise_mails(row, kind, receipt, at=at)
    return Submitted(row["reference"], receipt, is_new=True)


def find(form_token: str) -> Request | None:
    """The request that was made with this form token, if any."""
    if not _is_token(form_token):
        return None
    made = db.session.execute(
        _MADE_WITH, {"form_token": form_token}
    ).scalar()  # most are new: no entity is asked for
    return None if made is None else db.session.get(Request, made)


def get(receipt_token: str, *, at: datetime) -> Request:
    """The request behind a receipt's address; raises the same NotFound for an unknown and an expired one, and says
    of one that cannot be ours that it is not whole."""
    if not tokens.is_whole(receipt_token):
        raise NotFound("Part of this link is missing. Open it from the email, or copy all of it.")
    found = db.session.scalar(select(Request).where(Request.receipt_hash == tokens.digest(receipt_token)))
    if found is None or receipts.has_expired(found, at):
        raise NotFound
    return found


def answered_for(request: Request) -> Request | None:
    """The request that is answered for this one too."""
    return db.session.get(Request, request.duplicate_of) if request.duplicate_of else None


def addresses_of(request: Request) -> set[str]:
    """Every address of whoever asked, case folded."""
    return {one.casefold() for one in (request.email, request.delegate_email, request.answer_email) if one}


def is_of_the_same(request: Request, other: Request) -> bool:
    """Whether the answers to both go to one address."""
    return request.reply_email.casefold() == other.reply_email.casefold()


def latest(request: Request) -> Message | None:
    """The latest words to whoever asked: an answer, or a question back."""
    mine = select(Message).where(Message.request_id == request.id, Message.kind == MessageKind.ANSWER)
    return db.session.scalar(mine.order_by(Message.id.desc()).limit(1))


def is_untold(request: Request, other: Request) -> bool:
    """Whether the answer to `other`, to which it is joined, told whoever asked this one nothing: it went to somebody
    else, by phone, fax or post."""
    if other.answered_at is None or is_of_the_same(request, other):
        return False
    words = latest(other)
    return words is None or words.written_at < other.answered_at


def is_same(request: Request, answers: Mapping[str, Any]) -> bool:
    """Whether these are the answers it was made with."""
    return all(getattr(request, name) == value for name, value in answers.items())


def promise(kind: Kind, *, org: Organisation, at: datetime) -> datetime:
    """By when a request of this kind, sent at that moment, is answered."""
    return hours.answer_by(at, org.days_to_answer(kind.word, kind.business_days), org)


def promise_anew(request: Request, *, org: Organisation, at: datetime) -> None:
    """What was answered is asked again: a promise as for a new one. That of the first answer stays known."""
    if request.first_answered_at is not None:
        request.first_answer_by = request.first_answer_by or request.answer_by
    request.answer_by = promise(of(request), org=org, at=at)
    request.more_time_at = request.waiting_since = request.own_answer_by = None


def _insert(row: dict[str, Any]) -> int | None:
    """The id of the new row, or None where this form has one; it gets its reference here. Rests on the unique
    indexes, so it is right when raced.

    With it goes the id of the latest request like it within a day, to show to staff; nothing is joined by itself.
    """
    statement = insert_new(_REQUESTS).values(possible_duplicate_of=_SIMILAR)
    alike = {
        "like_npi": row["npi"],
        "like_kind": row["kind"],
        "like_since": row["received_at"] - DUPLICATE_WITHIN,
    }
    for _ in range(_TRIES):
        row["reference"] = new_reference()
        if (made := db.session.execute(statement, row | alike).scalar()) is not None:
            return int(made)
        # Another post of this form was first, or the reference is taken. Most forms are new: who looks first
        # of all would look in vain, and under the lock.
        if find(row["form_token"]):
            return None
    raise RuntimeError("no free reference was found")


def _first(form_token: str, kind: Kind, answers: Mapping[str, Any]) -> Request:
    """The request that this form made before; raises Conflict when it said something else."""
    first = find(form_token)
    if first is None or first.kind != kind.word or not is_same(first, answers):
        raise Conflict(SENT_BEFORE)
    return first


def _promise_mails(row: Mapping[str, Any], kind: Kind, receipt: str, *, at: datetime) -> None:
    """The acknowledgement, and to staff the reference and a link; no free text, no name, no NPI in either."""
    told = wishes.told_now(str(row["kind"]), at)
    shown = {
        "reference": row["reference"],
        "kind": row["kind"],
        "kind_label": kind.label,
        "answer_by": row["answer_by"] if told or accounts.is_staffed() else None,
    }
    cause = f"request:{row['reference']}"
    where = {"by_post": row["delivery"] == Delivery.POST} if row.get("delivery") else {}
    mail.promise(
        "intake/received",
        to=row["answer_email"] or (row["delegate_email"] if row.get("on_behalf") else row["email"]),
        facts={
            **shown,
            "status_path": receipts.path_of(receipt),
            "links": catalogue.links(row.get("items") or ()),
            **where,
        },
        cause=cause,
        at=at,
    )
    if row.get("on_behalf"):
        mail.promise(
            "intake/asked_for_you",
            to=row["email"],
            facts={**shown, "asked_by": text.masked(row["delegate_email"])},
            cause=cause,
            at=at,
            lane=Lane.SOON,
        )
    for start, to in told.items():
        mail.promise(
            "intake/notice",
            to=to,
            facts={**shown, "desk_path": addresses.STAFF_REQUEST.of(reference=row["reference"])},
            cause=cause,
            at=at,
            lane=Lane.SOON,
            not_before=start,
        )


def _signals(answers: Mapping[str, Any]) -> list[str]:
    typed = " ".join(value for value in answers.values() if isinstance(value, str))
    return ["links"] if len(_LINK.findall(typed)) >= MANY_LINKS else []


def _is_token(form_token: str) -> bool:
    """Whether this could be one of ours: what is not never reaches the database."""
    return 0 < len(form_token) <= _TOKEN_MAX and form_token.isascii() and form_token.isprintable()
