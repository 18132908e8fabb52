"""What became of a mail after a server had taken it: it came back, somebody complained, somebody wants no more.

Each message is heard once, known again by its digest, and nothing of it is kept but what it means and the server's
words without an address: it brings back our whole mail with its reader's own links. A refusal at RCPT is heard too.
The rooms whose letters come back sign their ears into a register; what no ear claims is given up like a refused mail.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ForeignKey, Index, String, func, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UTCDateTime, db
from portal.keeping import Kept
from portal.mail import dsn, verp, wire
from portal.mail.dsn import Kind
from portal.mail.models import Body, Delivery, Lane, State
from portal.register import Register
from portal.settings import settings

OVER = (Kind.HARD, Kind.SOFT, Kind.POLICY)
CAME_BACK = "came back"
REFUSED_AT_ONCE = 200
# How a server's own refusal begins in a delivery that was given up (`transport.py`).
_REFUSALS = ("refused", "put off")


class Returned(Base):
    """One message that came back, or one refusal."""

    __tablename__ = "mail_returned"
    __table_args__ = (Index("ix_mail_returned_kind", "kind", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)  # of the message: heard once
    kind: Mapped[Kind] = mapped_column(String(12))
    code: Mapped[str] = mapped_column(String(12))
    said: Mapped[str] = mapped_column(String(dsn.SAID_MAX))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    delivery_id: Mapped[int | None] = mapped_column(
        ForeignKey("mail_delivery.id", ondelete="SET NULL"), index=True
    )


@dataclass(frozen=True, kw_only=True)
class Back:
    """What a room is told of one of its letters."""

    kind: Kind
    code: str
    at: datetime
    recipient: str
    message: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class Ear:
    """Who listens: to what comes back of letters whose names begin with one of `messages`, and at a mailbox of its
    own, the letter `mailbox`; `take` says whose address there it is, if anybody's."""

    name: str
    messages: tuple[str, ...]
    hear: Callable[[Back], None]
    mailbox: str = ""
    take: Callable[[verp.Address, datetime], str | None] | None = None


@dataclass(frozen=True)
class Heard:
    """What a message was, and which mail it was about, if it was one of ours."""

    kind: Kind
    code: str = ""
    whose: str | None = None
    note: str = ""


EARS: Register[Ear] = Register("ears", lambda ear: ear.name)


def hear(raw: bytes, *, at: datetime, digest: str = "") -> Heard:
    """Judge one message, and let it count if it came to an address that we sealed; in the caller's transaction."""
    judged, digest = dsn.judge(raw), digest or sha256(raw).hexdigest()
    found = [address for one in judged.to if (address := verp.read(one)) is not None]
    back = judged.original or {}
    if (
        judged.kind == Kind.COMPLAINT
    ):  # it comes to whom the provider knows, and names our return address inside
        named = (back.get("Original-Mail-From", ""), back.get("Return-Path", ""), back.get("Return-path", ""))
        found += [address for one in named if (address := verp.read(one.strip(" <>"))) is not None]
    kind, ears = judged.kind, {ear.mailbox: ear for ear in EARS if ear.mailbox}
    mailbox = next((address for address in found if address.letter in ears), None)
    if mailbox is not None and kind in (Kind.AUTO_REPLY, Kind.UNSUBSCRIBE):
        kind = Kind.UNSUBSCRIBE
    delivery, whose = None, None
    returned = next((address for address in found if address.letter == verp.RETURNED), None)
    if returned is not None:
        there = _delivery(Delivery.id == returned.number)
        if there is not None and returned.is_sealed(settings().keys, wire.message_id(there)):
            delivery = there
    elif kind == Kind.COMPLAINT and (message_id := _message_id(back)):
        delivery = _named(message_id)
    if _is_known(digest):
        return Heard(kind, judged.code, f"delivery:{delivery.id}" if delivery else None, "heard before")
    said = _keep(kind, judged.code, judged.said, digest=digest, at=at, delivery=delivery)
    if delivery is not None:
        whose = f"delivery:{delivery.id}"
        _tell(kind, judged.code, said, delivery, at)
    elif mailbox is not None and kind == Kind.UNSUBSCRIBE and (take := ears[mailbox.letter].take):
        whose = take(mailbox, at)
    return Heard(kind, judged.code, whose, judged.said if kind == Kind.UNKNOWN else "")


def hear_refusals(at: datetime) -> int:
    """Hear what servers refused at once of the mails that were given up; returns how many."""
    heard = select(Returned.id).where(Returned.delivery_id == Delivery.id)
    dead = _DELIVERY.where(Delivery.state == State.DEAD, ~heard.exists())
    refused = [Delivery.last_error.startswith(word) for word in _REFUSALS]
    rows = db.session.execute(dead.where(or_(*refused)).limit(REFUSED_AT_ONCE))
    count = 0
    for row in rows.all():
        code = dsn.code_in(row.last_error)
        kind = dsn.kind_of(code, row.last_error)
        digest = sha256(f"refused:{row.id}:{row.over_at}".encode()).hexdigest()
        _keep(kind, code, row.last_error, digest=digest, at=row.over_at or at, delivery=row)
        _tell(kind, code, "", row, row.over_at or at)
        count += 1
    return count


def marks_of(recipient_key: str, messages: Sequence[str], since: datetime) -> Sequence[Any]:
    """What came back of mails to somebody since then, oldest first: `at`, `kind`, `code`."""
    query = select(Returned.at, Returned.kind, Returned.code).join(Delivery).join(Body)
    theirs = query.where(Delivery.recipient_key == recipient_key, Returned.at > since, _of(messages))
    return db.session.execute(theirs.order_by(Returned.at, Returned.id)).all()


def well_received(recipient_key: str, lane: Lane, since: datetime) -> Sequence[datetime]:
    """When mails to somebody were taken, and did not come back."""
    heard = select(Returned.id).where(Returned.delivery_id == Delivery.id, Returned.kind.in_(OVER))
    taken = select(Delivery.over_at).where(
        Delivery.recipient_key == recipient_key, Delivery.lane == lane, Delivery.state == State.SENT,
        Delivery.over_at > since, ~heard.exists(),
    )  # fmt: skip
    return [at for at in db.session.scalars(taken.order_by(Delivery.over_at)) if at is not None]


def hard_at(domain: str, since: datetime) -> set[str]:
    """Who at a domain has no mailbox, as its servers say since then, whether or not they were believed."""
    query = select(Delivery.recipient_key, Returned.kind, Returned.code).join(Returned)
    recent = query.where(Returned.kind.in_((Kind.HARD, Kind.POLICY)), Returned.at > since)
    theirs = recent.where(Delivery.recipient_key.endswith(f"@{domain}", autoescape=True))
    rows = db.session.execute(theirs).all()
    return {row.recipient_key for row in rows if Kind.HARD in (row.kind, dsn.kind_of(row.code))}


def call_policy(recipient_keys: set[str], since: datetime) -> None:
    """Blame the server, not its people, for what came back since then."""
    theirs = select(Delivery.id).where(Delivery.recipient_key.in_(recipient_keys))
    wrong = update(Returned).where(
        Returned.delivery_id.in_(theirs), Returned.at > since, Returned.kind == Kind.HARD
    )
    db.session.execute(wrong.values(kind=Kind.POLICY).execution_options(synchronize_session=False))


def counts(cause: str) -> Mapping[str, int]:
    """How many mails of what this promised came back, by kind."""
    query = select(Returned.kind, func.count(Returned.delivery_id.distinct())).join(Delivery)
    return dict(db.session.execute(query.where(Delivery.cause == cause).group_by(Returned.kind)).all())


def latest(cause: str, kind: Kind) -> datetime | None:
    """When a mail of what this promised came back so the last time."""
    query = select(func.max(Returned.at)).join(Delivery)
    return db.session.scalar(query.where(Returned.kind == kind, Delivery.cause == cause))


def refused(cause: str) -> int:
    """How many refusals of what this promised were heard."""
    query = select(func.count(Returned.delivery_id.distinct())).join(Delivery)
    return db.session.scalar(query.where(Delivery.cause == cause, Delivery.state == State.DEAD)) or 0


def told_of(recipient_key: str, messages: Sequence[str]) -> Sequence[Any]:
    """What came back of mails to somebody, newest first: `at`, `kind`, `code`, `said`, `cause`."""
    query = select(Returned.at, Returned.kind, Returned.code, Returned.said, Delivery.cause)
    theirs = query.join(Delivery).join(Body).where(Delivery.recipient_key == recipient_key, _of(messages))
    return db.session.execute(theirs.order_by(Returned.id.desc())).all()


_DELIVERY = select(
    Delivery.id, Delivery.message_id, Delivery.recipient, Delivery.cause, Delivery.state, Delivery.over_at,
    Delivery.last_error, Body.message, Body.names,
).join(Body)  # fmt: skip


def _delivery(which: Any) -> Any:
    return db.session.execute(_DELIVERY.where(which)).one_or_none()


def _named(message_id: str) -> Any:
    """The mail of that Message-ID, which is a secret of its own."""
    if (number := wire.number_in(message_id)) is None:
        return _delivery(Delivery.message_id == message_id)
    there = _delivery(Delivery.id == number)
    is_it = there is not None and hmac.compare_digest(wire.message_id(there).encode(), message_id.encode())
    return there if is_it else None


def _message_id(headers: Mapping[str, str]) -> str:
    return next((value.strip() for name, value in headers.items() if name.lower() == "message-id"), "")


def _is_known(digest: str) -> bool:
    return db.session.scalar(select(Returned.id).where(Returned.digest == digest)) is not None


def _keep(kind: Kind, code: str, said: str, *, digest: str, at: datetime, delivery: Any) -> str:
    for part in filter(None, delivery.recipient.rpartition("@")[::2] if delivery else ()):
        said = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "…", said, flags=re.IGNORECASE)
    db.session.add(
        Returned(
            digest=digest, kind=kind, code=code, said=said[: dsn.SAID_MAX], at=at,
            delivery_id=delivery.id if delivery else None,
        )
    )  # fmt: skip
    db.session.flush()
    return said


def _tell(kind: Kind, code: str, said: str, delivery: Any, at: datetime) -> None:
    for ear in EARS:
        if delivery.message.startswith(ear.messages):
            ear.hear(
                Back(
                    kind=kind, code=code, at=at, recipient=delivery.recipient, message=delivery.message,
                    cause=delivery.cause,
                )
            )  # fmt: skip
            return
    if kind in OVER and delivery.state == State.SENT:
        # Whoever waits for it sees it where they see what was refused.
        given_up = update(Delivery).where(Delivery.id == delivery.id, Delivery.state == State.SENT)
        db.session.execute(
            given_up.values(state=State.DEAD, over_at=at, last_error=f"{CAME_BACK}: {said}"[:300])
        )


def _of(messages: Sequence[str]) -> Any:
    return or_(*(Body.message.startswith(word, autoescape=True) for word in messages))


KEPT = (
    Kept(
        table="mail_returned",
        rule="as long as the mail that it is about; a code, and a server's words without an address",
        of=("delivery_id", "mail_delivery"),
        exported=("kind", "code", "said", "at"),
    ),
)
