"""A request comes in: one row for one form token, with its mails, however often and from how many sides it is sent.

The same token with the same answers gives the first receipt again; with other answers it is refused, because only
the person can say whether that is a correction or a second request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal import addresses, audit, hours, tokens
from portal.db import db
from portal.errors import Conflict, NotFound
from portal.intake import receipts
from portal.intake.kinds import Kind
from portal.intake.models import Request, Status
from portal.intake.reference import new_reference
from portal.mail import promise as mail
from portal.mail.models import Lane
from portal.organisation import Organisation
from portal.people import accounts

DUPLICATE_WITHIN = timedelta(hours=24)
MANY_LINKS = 3
SENT_BEFORE = "You have sent this form already, with other answers."

_TRIES = 5
_TOKEN_MAX = 100
_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)


def submit(
    kind: Kind,
    answers: Mapping[str, Any],
    *,
    patient_data: Sequence[str] = (),
    form_token: str,
    signals: Sequence[str] = (),
    keys: Sequence[str],
    org: Organisation,
    at: datetime,
) -> tuple[Request, str]:
    """Keep a request and promise its mails; returns it and the token of its receipt.

    `answers` are the kind's facts by field; what is left out is blank. `patient_data` are the kinds that the guard
    found and the person sent all the same, `signals` what speaks for a robot, `keys` SECRET_KEY and its fallbacks.
    Raises Conflict when this form token came with other answers, KeyError for an answer that is no fact.
    """
    if not _is_token(form_token):
        raise ValueError("a request needs the token of its form")
    given = kind.blank()
    if unknown := set(answers) - set(given):
        raise KeyError(*unknown)
    given |= answers
    receipt = receipts.new_token(keys, form_token)
    found = [*signals, *_signals(given)]
    is_spam = "honeypot" in found
    request, is_new = _insert(
        form_token,
        given,
        kind=kind.word,
        status=Status.SPAM if is_spam else Status.NEW,
        receipt_hash=tokens.digest(receipt),
        received_at=at,
        changed_at=at,
        # Spam is over as it comes in, so that its page expires too.
        closed_at=at if is_spam else None,
        answer_by=promise(kind, org=org, at=at),
        patient_data=[str(word) for word in patient_data],
        signals=found,
        **given,
    )
    if not is_new:
        return request, receipts.token_of(request, keys)
    request.possible_duplicate_of = _similar(request)
    audit.record(None, "request.received", request.subject, at=at, detail=", ".join(found))
    _promise_mails(request, kind, receipt, at=at)
    return request, receipt


def find(form_token: str) -> Request | None:
    """The request that was made with this form token, if any."""
    if not _is_token(form_token):
        return None
    return db.session.scalar(select(Request).where(Request.form_token == form_token))


def get(receipt_token: str, *, at: datetime) -> Request:
    """The request behind a receipt's address; raises the same NotFound for an unknown and an expired one."""
    found = db.session.scalar(select(Request).where(Request.receipt_hash == tokens.digest(receipt_token)))
    if found is None or receipts.has_expired(found, at):
        raise NotFound
    return found


def is_same(request: Request, answers: Mapping[str, Any]) -> bool:
    """Whether these are the answers it was made with."""
    return all(getattr(request, name) == value for name, value in answers.items())


def promise(kind: Kind, *, org: Organisation, at: datetime) -> datetime:
    """By when a request of this kind, sent at that moment, is answered."""
    return hours.answer_by(at, kind.business_days, org)


def _insert(form_token: str, answers: Mapping[str, Any], **values: Any) -> tuple[Request, bool]:
    """The row of this form token, and whether it is new. Rests on the unique indexes, so it is right when raced."""
    for left in reversed(range(_TRIES)):
        request = Request(reference=new_reference(), form_token=form_token, **values)
        try:
            with db.session.begin_nested():
                db.session.add(request)
        except IntegrityError:
            # Another post of this form was first, or the reference is taken. Most forms are new: who looks first
            # of all would look in vain, and under the lock.
            if first := find(form_token):
                if first.kind != values["kind"] or not is_same(first, answers):
                    raise Conflict(SENT_BEFORE) from None
                return first, False
            if not left:
                raise
            continue
        return request, True
    raise AssertionError("unreachable")


def _similar(request: Request) -> int | None:
    """The latest request like this one within a day, to show to staff; nothing is joined by itself."""
    if not request.npi:
        return None
    query = (
        select(Request.id)
        .where(
            Request.npi == request.npi,
            Request.kind == request.kind,
            Request.received_at >= request.received_at - DUPLICATE_WITHIN,
            Request.id != request.id,
            Request.status != Status.SPAM,
        )
        .order_by(Request.received_at.desc(), Request.id.desc())
        .limit(1)
    )
    return db.session.scalar(query)


def _promise_mails(request: Request, kind: Kind, receipt: str, *, at: datetime) -> None:
    """The acknowledgement, and to staff the reference and a link; no free text, no name, no NPI in either."""
    shown = {
        "reference": request.reference,
        "kind": request.kind,
        "kind_label": kind.label,
        "answer_by": request.answer_by,
    }
    mail.promise(
        "intake/received",
        to=request.reply_email,
        facts={**shown, "status_path": receipts.path_of(receipt)},
        cause=request.subject,
        at=at,
    )
    if request.is_spam:
        return  # a robot must not be able to fill the mailboxes of staff
    mail.promise(
        "intake/notice",
        to=accounts.notice_addresses(),
        facts={**shown, "desk_path": addresses.STAFF_REQUEST.of(reference=request.reference)},
        cause=request.subject,
        at=at,
        lane=Lane.SOON,
    )


def _signals(answers: Mapping[str, Any]) -> list[str]:
    typed = " ".join(value for value in answers.values() if isinstance(value, str))
    return ["links"] if len(_LINK.findall(typed)) >= MANY_LINKS else []


def _is_token(form_token: str) -> bool:
    """Whether this could be one of ours: what is not never reaches the database."""
    return 0 < len(form_token) <= _TOKEN_MAX and form_token.isascii() and form_token.isprintable()
