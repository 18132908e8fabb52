"""What staff are told by mail about work that came back or cannot wait: references and links, as each one wishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from portal import addresses
from portal.db import db
from portal.desk import away
from portal.intake import kinds
from portal.intake.models import Request
from portal.mail import lanes
from portal.mail import promise as mail
from portal.mail.models import Lane
from portal.people import wishes
from portal.people.models import User, holding
from portal.people.rights import RIGHTS, Right

HEARD, BACK, REFUSED = "desk/heard", "desk/handed_back", "desk/refused"
NAMED_AT_MOST = 20  # requests in one mail
LOOKS_BACK = timedelta(days=1)  # at what was refused while no worker ran
BATCH = 50


def of_request(what: str, request: Request, *, at: datetime, who_may: Right | None = None) -> None:
    """Tell whoever has this request; those who may answer it where nobody has, or who has it is not there.

    `what` is one of the words of the letter; `who_may`, where it is for others than those who may answer.
    """
    kind = {"due": "due", "patient_data": None}.get(what, "heard")  # that one is nobody's to put off
    _to_whoever_has_it(HEARD, kind, request, at, who_may, what=what)


def refused(request: Request, *, at: datetime) -> None:
    """Tell the same that a mail of this request was refused: by a letter of its own, for it says who was told."""
    _to_whoever_has_it(REFUSED, "refused", request, at)


def _to_whoever_has_it(
    letter: str, kind: str | None, request: Request, at: datetime, who_may: Right | None = None, **more: str
) -> None:
    owner = db.session.get(User, request.owner_id) if request.owner_id else None
    is_told = owner is not None and away.is_here(owner, at) and (who_may is None or owner.may(who_may))
    others = RIGHTS[who_may] if who_may else kinds.of(request).answered_by
    who = User.id == request.owner_id if is_told else holding(*others)
    path = addresses.STAFF_REQUEST.of(reference=request.reference)
    facts = {**more, "reference": request.reference, "desk_path": path}
    _to_all(letter, kind, facts, request.subject, at, who)


def of_many(references: Sequence[str], cause: str, at: datetime, *who: Any, is_given: bool = False) -> None:
    """One mail that names them all: that they are back in the queue, or given to whoever gets it."""
    named = references[:NAMED_AT_MOST]
    facts = {"references": named, "more": len(references) - len(named), "is_given": is_given}
    _to_all(BACK, "given" if is_given else "handed_back", facts, cause, at, *who)


def given(references: Sequence[str], to: User, *, at: datetime) -> None:
    """Tell somebody that a colleague gave them these."""
    of_many(references, to.subject, at, User.id == to.id, is_given=True)


def was_given(references: Sequence[str], to: User) -> bool:
    """Whether a mail that gives somebody just these was promised."""
    named, mails = list(references[:NAMED_AT_MOST]), lanes.fates(to.subject, [BACK])
    return any(one.facts["is_given"] and one.facts["references"] == named for one in mails if one.facts)


def _to_all(
    letter: str, kind: str | None, facts: Mapping[str, object], cause: str, at: datetime, *who: Any
) -> None:
    """Promise it to those of them who wish it at once (all of them where `kind` is None), by the end of their quiet
    hours."""
    for start, to in wishes.told_now(kind, at, *who).items():
        mail.promise(letter, to=to, facts=facts, cause=cause, at=at, lane=Lane.SOON, not_before=start)


def to_tell_of(at: datetime, after: int) -> list[int]:
    """The next requests after this one whose mail to whoever asked was refused lately, nobody being told since."""
    refused = lanes.refused_since("request", at - LOOKS_BACK, untold=REFUSED)
    found = select(Request.id).where(Request.reference.in_(refused), Request.id > after).order_by(Request.id)
    return list(db.session.scalars(found.limit(BATCH)))
