"""Who works in the demo world, and what their desk has besides requests, so that every list shows something."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import select

from portal import audit, demo, hours
from portal.db import db
from portal.desk import away, contact, joining, perform, planning, prescribers, replies, saved, telling
from portal.desk.acts import Act
from portal.desk.filters import Filters
from portal.desk.models import CardKind
from portal.intake.models import Request, Status
from portal.mail import promise as mail
from portal.people.models import User
from portal.people.rights import spelled
from portal.settings import settings

ASIDE = timedelta(days=2)


def furnish(at: datetime, pharmacist: User, clerk: User) -> None:
    """A joined pair, one set aside, a call to make again, a refused answer, replies, a card with a note, a view."""
    repeated, again = _of(demo.DIEGO)[-2:]
    _do(joining.DUPLICATE, again, clerk, at, {"target": repeated.reference})
    aside = next(one for one in _of(demo.HANA) if one.status == Status.IN_PROGRESS)
    _do(planning.SNOOZE, aside, pharmacist, at, {"until": away.today(at) + ASIDE})
    org = hours.working(settings().ORG)
    ahead = (away.today(at) + timedelta(days=number) for number in range(1, 15))
    then = {
        "day": next(day for day in ahead if org.opening(day)),
        "time": time(10),
        "form_token": "seed-later",
    }
    to_call = next(one for one in _of(demo.LEE) if one.status == Status.NEW)
    _do(contact.CALL, to_call, pharmacist, at, demo.LATER | then)
    answered = select(Request).where(Request.status == Status.ANSWERED, Request.kind == "consultation")
    by_mail = answered.where(Request.contact_method == "email").order_by(Request.answered_at.desc())
    if refused := db.session.scalars(by_mail.limit(1)).first():
        mail.refuse(refused.subject, "intake/answer", demo.REFUSED, at=at)
        telling.refused(refused, at=at)
    for title, text, is_clinical in demo.REPLIES:
        replies.save(None, title=title, text=text, is_clinical=is_clinical, version=0, by=pharmacist, at=at)
    card = prescribers.get(prescribers.key_of(_of(demo.ANA)[0]))
    token = f"seed-card-{card.key}"
    note: dict[str, Any] = {"form_token": token, "version": card.version, "by": pharmacist, "at": at}
    prescribers.write(card, CardKind.NOTE, demo.CARD_NOTE, **note)
    saved.save(pharmacist.id, "New materials", Filters(status=Status.NEW, kind="resource"))


def employ(email: str, name: str, roles: str, at: datetime) -> User:
    """An account without a password: nobody can sign in before using a link."""
    user = User(
        email=email,
        name=name,
        roles=frozenset(roles.split()),
        active=True,
        password=None,
        session_key=hashlib.sha256(email.encode()).hexdigest(),
        created_at=at - timedelta(days=120),
    )
    db.session.add(user)
    db.session.flush()
    audit.record(user, "staff.joined", user.subject, at=user.created_at, detail=spelled(user.roles, ", "))
    return user


def _of(who: tuple[str, ...]) -> list[Request]:
    """What somebody asked, the earliest first."""
    theirs = select(Request).where(Request.name == who[0])
    return list(db.session.scalars(theirs.order_by(Request.received_at.desc(), Request.id.desc())))[::-1]


def _do(act: Act, asked: Request, by: User, at: datetime, given: Mapping[str, Any]) -> None:
    perform.perform(act, asked, by=by, at=at, version=asked.version, **given)
