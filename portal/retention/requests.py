"""A request without the person: its kind, status and times stay, so that counts do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, cast, delete, func, literal, select, update

from portal.db import db
from portal.desk.models import Addition, CardNote, Contact, Draft, Redaction
from portal.intake.checks import NpiCheck
from portal.intake.models import OPEN, Message, Request, RequestTerm
from portal.intake.terms import GONE
from portal.intake.words import RequestWord
from portal.mail import promise as mail
from portal.npi.verdicts import Verdict

KEPT = timedelta(days=730)  # after closing
BATCH = 200


def over(at: datetime, limit: int = BATCH) -> Sequence[int]:
    """Which were closed so long ago that who asked, and what, has to go."""
    return db.session.scalars(select(Request.id).where(*_over(at)).order_by(Request.id).limit(limit)).all()


def count_over(at: datetime) -> int:
    """How many these are."""
    return db.session.scalar(select(func.count()).where(*_over(at))) or 0


def blank(ids: Collection[int]) -> list[int]:
    """Take who asked, what was asked, what staff wrote and its mails away, in the caller's transaction.

    Returns the numbers of the mails that were deleted. What is empty already stays so: it can be done twice.
    """
    causes = [
        f"request:{reference}"
        for reference in db.session.scalars(select(Request.reference).where(Request.id.in_(ids)))
    ]
    gone = mail.forget_causes(causes)
    db.session.execute(delete(RequestTerm).where(RequestTerm.request_id.in_(ids)))
    db.session.execute(delete(RequestWord).where(RequestWord.request_id.in_(ids)))
    db.session.execute(delete(NpiCheck).where(NpiCheck.request_id.in_(ids)))
    db.session.execute(delete(Addition).where(Addition.request_id.in_(ids)))
    db.session.execute(delete(Contact).where(Contact.request_id.in_(ids)))
    db.session.execute(delete(CardNote).where(CardNote.request_id.in_(ids)))
    db.session.execute(delete(Draft).where(Draft.request_id.in_(ids)))
    db.session.execute(delete(Redaction).where(Redaction.request_id.in_(ids)))
    db.session.execute(delete(Message).where(Message.request_id.in_(ids)))
    words = (
        "credential",
        "practice",
        "state",
        "email",
        "phone",
        "delegate_name",
        "delegate_email",
        "answer_email",
        "address",
    )
    empty = dict.fromkeys((*words, "contact_method", "contact_window", "note"), "")
    key = literal("gone:") + cast(Request.id, String)
    lists: dict[str, list[str]] = {name: [] for name in ("topics", "items", "patient_data", "signals")}
    # NPI and question: the table's own check wants some words there for a consultation.
    db.session.execute(
        update(Request)
        .where(Request.id.in_(ids))
        .values(
            **empty,
            **lists,
            name=GONE,
            npi=GONE,
            question=GONE,
            verdict=func.coalesce(func.nullif(Request.verdict, ""), Verdict.UNCHECKED.value),
            form_token=key,
            receipt_hash=key,
            owner_id=None,
            possible_duplicate_of=None,
            duplicate_of=None,
            follows=None,
            version=Request.version + 1,
        )
        .execution_options(synchronize_session=False)
    )
    return gone


def _over(at: datetime) -> tuple[ColumnElement[bool], ...]:
    ended = func.coalesce(Request.closed_at, Request.changed_at)
    return Request.status.not_in(OPEN), Request.email != "", ended <= at - KEPT
