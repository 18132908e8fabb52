"""What the national registry says of the NPI of a request: judged after the request is stored, and kept with it.

Each check adds a row and none is changed: what staff saw when they answered stays, whatever the registry says later.
`Request.verdict` is the latest one's, for the list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UTCDateTime, db, transaction
from portal.errors import Unavailable
from portal.intake.models import OPEN, Request
from portal.npi.names import Likeness, Registered
from portal.npi.verdicts import NOBODY_ASKED, Answer, Finding, Provider, Typed, Verdict, judge

BATCH = 20
SOURCE_MAX = 120

STEP = 20.0  # seconds: no more is begun after them
Ask = Callable[[str, bool], Answer]
"""Asks a registry about a number, and whether it must be a new answer; may raise Unavailable."""


class NpiCheck(Base):
    """One verdict, with all it rests on."""

    __tablename__ = "npi_check"
    __table_args__ = (
        CheckConstraint(f"verdict IN ({', '.join(repr(word.value) for word in Verdict)})", name="verdict"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    npi: Mapped[str] = mapped_column(String(10), index=True)
    typed: Mapped[dict[str, str]] = mapped_column(JSON)
    verdict: Mapped[str] = mapped_column(String(20))
    reasons: Mapped[list[str]] = mapped_column(JSON)
    close: Mapped[str] = mapped_column(String(20))
    as_of: Mapped[str] = mapped_column(String(10))  # ISO 8601; empty: nobody could be asked
    source: Mapped[str] = mapped_column(
        String(SOURCE_MAX), default=""
    )  # the file, or the host that was asked
    provider: Mapped[dict[str, Any]] = mapped_column(JSON)  # as the registry had it; empty: not there

    @property
    def known(self) -> Provider | None:
        """What the registry said."""
        if not self.provider:
            return None
        names = Registered(**self.provider["names"])
        lists = {name: tuple(self.provider[name]) for name in ("taxonomies", "states")}
        return Provider(**{**self.provider, **lists, "names": names})

    @property
    def finding(self) -> Finding:
        """The verdict in full."""
        return Finding(
            Verdict(self.verdict),
            tuple(Verdict(reason) for reason in self.reasons),
            Likeness(self.close) if self.close else None,
            date.fromisoformat(self.as_of) if self.as_of else None,
            self.provider.get("replacement", ""),
        )


def check_new(ask: Ask, at: datetime, *which: Any) -> bool:
    """Judge some of the requests that have no verdict; whether there may be more. Opens its own transactions."""
    new, until = _some(Request.verdict == "", Request.npi != "", *which), time.monotonic() + STEP
    for asked in new:
        if time.monotonic() > until:
            return True
        _check(asked, ask, at)
    return len(new) == BATCH


def check_unchecked(ask: Ask, at: datetime) -> None:
    """Try those open requests again for which nobody could be asked; adds nothing where that is still so."""
    until = time.monotonic() + STEP
    for asked in _some(Request.verdict == Verdict.UNCHECKED, Request.npi != "", Request.status.in_(OPEN)):
        if not _check(asked, ask, at, only_if_asked=True) or time.monotonic() > until:
            return  # the next one would wait as long


def latest(request: Request) -> NpiCheck | None:
    """The last verdict on a request's NPI, if there is one."""
    mine = select(NpiCheck).where(NpiCheck.request_id == request.id)
    return db.session.scalars(mine.order_by(NpiCheck.id.desc()).limit(1)).one_or_none()


def remembered(npi: str, source: str, since: datetime) -> Answer | None:
    """What that source said of a number lately, about whichever request."""
    same = select(NpiCheck).where(NpiCheck.npi == npi, NpiCheck.source == source, NpiCheck.at > since)
    found = db.session.scalars(same.order_by(NpiCheck.id.desc()).limit(1)).one_or_none()
    answer = Answer(found.known, found.finding.as_of, source) if found else None
    db.session.rollback()
    return answer


def numbers(request: Request) -> list[str]:
    """The telephone numbers that the registry had for it, the latest first."""
    mine = select(NpiCheck).where(NpiCheck.request_id == request.id).order_by(NpiCheck.id.desc())
    found = (check.provider.get("phone") for check in db.session.scalars(mine))
    return list(dict.fromkeys(number for number in found if number))


def _some(*which: Any) -> Sequence[Any]:
    columns = (Request.id, Request.npi, Request.name, Request.credential, Request.state)
    found = db.session.execute(select(*columns).where(*which).order_by(Request.id).limit(BATCH)).all()
    db.session.rollback()
    return found


def _check(asked: Any, ask: Ask, at: datetime, *, only_if_asked: bool = False) -> bool:
    """Ask, outside of any transaction, and keep the verdict; whether anybody could be asked."""
    earlier = select(NpiCheck.id).where(NpiCheck.request_id == asked.id).limit(1)
    again = db.session.scalar(earlier) is not None
    db.session.rollback()
    try:
        answer = ask(asked.npi, again)
    except Unavailable:
        answer = NOBODY_ASKED
    if answer.as_of is None and only_if_asked:
        return False
    typed = Typed(asked.name, asked.credential, asked.state)
    finding = judge(typed, answer.known, answer.as_of)
    with transaction():
        # Who was erased meanwhile stays so, and what was taken out stays out.
        known = (Request.npi == asked.npi, Request.name == asked.name, Request.credential == asked.credential)
        same = (Request.id == asked.id, *known)
        if db.session.scalar(select(Request.id).where(*same).with_for_update()) is None:
            return True
        db.session.add(
            NpiCheck(
                request_id=asked.id,
                at=at,
                npi=asked.npi,
                typed=asdict(typed),
                verdict=finding.headline,
                reasons=list(finding.reasons),
                close=finding.close or "",
                as_of=answer.as_of.isoformat() if answer.as_of else "",
                source=answer.source[:SOURCE_MAX],
                provider=asdict(answer.known) if answer.known else {},
            )
        )
        db.session.execute(update(Request).where(*same).values(verdict=finding.headline))
    return answer.as_of is not None
