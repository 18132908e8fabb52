"""What a room may do with mail: promise it with its cause, and later withdraw, hold, release or forget it.

A promise is two kinds of row in the transaction of its cause, and nothing is rendered in it: the worker writes the
mail (`deliver.py`). No other room touches the tables.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from portal import tokens
from portal.db import db
from portal.mail import wire
from portal.mail.letters import LETTERS, pack
from portal.mail.models import WAITING, Body, Delivery, Lane, State
from portal.settings import settings

# How long a body is kept after its last delivery was over; one that was given up may still be looked into.
KEPT = timedelta(days=30)
KEPT_DEAD = timedelta(days=90)
KEPT_ADDRESS = timedelta(days=730)
HASHED = "hashed"  # stands where the address stood
RETIRED_AT_ONCE = 500
PROMISED_AT_ONCE = 2000  # rows in memory
_BODIES = cast(Table, Body.__table__)
_INTO_BODIES = insert(_BODIES).returning(_BODIES.c.id)
_INTO_DELIVERIES = insert(cast(Table, Delivery.__table__))


def promise(
    message: str,
    *,
    to: str | Sequence[str],
    cause: str,
    facts: Mapping[str, object],
    at: datetime,
    language: str = "en",
    lane: Lane = Lane.NOW,
    headers: Mapping[str, str] | None = None,
    not_before: datetime | None = None,
    message_id: str = "",
    envelope_sender: str = "",
    content: bytes | None = None,
) -> None:
    """Promise one mail to each of `to`, in the caller's transaction; `message` names its letter, as `room/name`.

    `headers` are those of this recipient alone. Raises ValueError for an address that would bring a header of its
    own, for facts that are no longer small, and for a letter that is not in the register. `content`
    is a body that was written already, and so frozen.
    """
    if LETTERS.get(message) is None:
        raise ValueError(f"no room lists the letter {message}")
    own = dict(headers or {})
    recipients = [to] if isinstance(to, str) else list(to)
    if not recipients:
        return
    wire.refuse_line_ends(*recipients, message_id, *own.values())
    # Core, not the ORM: the lock that this is written under is everybody's (docs/performance.md).
    kept = {"message": message, "language": language, "facts": pack(facts), "created_at": at, "faults": 0}
    mail_from = settings().MAIL_FROM
    is_of_many = lane == Lane.BULK and not message_id
    kept |= {"content": content, "names": wire.new_names(mail_from) if is_of_many else None}
    body_id = db.session.execute(_INTO_BODIES, kept).scalar_one()
    same = {
        "body_id": body_id,
        "envelope_sender": envelope_sender,
        "headers": own,
        "cause": cause,
        "lane": lane,
        "state": State.QUEUED,
        "created_at": at,
        "due_at": not_before or at,
        "attempts": 0,
        "last_error": "",
    }
    for start in range(0, len(recipients), PROMISED_AT_ONCE):
        rows = [
            {
                **same,
                "message_id": None if is_of_many else message_id or wire.new_message_id(mail_from),
                "recipient": recipient,
                "recipient_key": _key(recipient),
            }
            for recipient in recipients[start : start + PROMISED_AT_ONCE]
        ]
        db.session.execute(_INTO_DELIVERIES, rows)


def withdraw(cause: str, *, at: datetime) -> int:
    """Never send what this promised and is not in a worker's hands, nor revive it; returns how many."""
    return _move(cause, (*WAITING, State.DEAD), at=at, state=State.WITHDRAWN, over_at=at)


def take_back(cause: str, since: datetime, messages: Collection[str], *, at: datetime) -> bool:
    """Delete such mails that this promised since then, as if they had never been; whether all of them could be.

    Not what a worker has in hand or has sent: then nothing is deleted, and the caller says so.
    """
    letters = select(Body.id).where(Body.message.in_(messages))
    mine = (Delivery.cause == cause, Delivery.created_at >= since, Delivery.body_id.in_(letters))
    gone_too_far = (
        select(Delivery.id).where(*mine, ~and_(Delivery.state == State.QUEUED, is_free(at))).limit(1)
    )
    if db.session.scalar(gone_too_far) is not None:
        return False
    return bool(_forget(*mine))


def withdraw_dead(cause: str, *, to: str, at: datetime) -> int:
    """What this promised them and was given up goes another way: nobody may revive it. Returns how many it were."""
    to_them = Delivery.recipient_key == _key(to)
    return _move(cause, (State.DEAD,), to_them, at=at, state=State.WITHDRAWN, over_at=at)


def hold(cause: str, *, at: datetime) -> int:
    """Send nothing that this promised until it is released; what a worker has in hand goes. Returns how many."""
    return _move(cause, (State.QUEUED,), at=at, state=State.HELD)


def release(cause: str, *, at: datetime) -> int:
    """Send what was held, each when it is due; returns how many."""
    return _move(cause, (State.HELD,), at=at, state=State.QUEUED)


def forget(recipient: str, *, messages: str = "") -> list[int]:
    """Delete every mail to this address whose letter's name begins with `messages`; returns their numbers."""
    return _forget(*to_recipient(recipient, messages))


def forget_hashed(recipient: str, keys: Sequence[str]) -> None:
    """Delete the mails to this address of which only a hash is kept."""
    _forget(
        Delivery.recipient_key.in_([hashed(recipient, key) for key in keys]), Delivery.recipient == HASHED
    )


def disown(recipient: str, keys: Sequence[str], *, messages: str, at: datetime) -> None:
    """Put a keyed hash in the place of an address that is erased, where the rows are needed for a count; what waits
    is never sent."""
    theirs = to_recipient(recipient, messages)
    waits = update(Delivery).where(*theirs, Delivery.state.in_(WAITING), is_free(at))
    gone = {"state": State.WITHDRAWN, "over_at": at, "last_error": "erased"}
    never = waits.values(**gone).execution_options(synchronize_session=False)
    db.session.execute(never)
    nobody = {"recipient": HASHED, "recipient_key": hashed(recipient, keys[0]), "headers": {}}
    hide = update(Delivery).where(*theirs, Delivery.over_at.is_not(None)).values(**nobody)
    db.session.execute(hide.execution_options(synchronize_session=False))


def forget_causes(causes: Collection[str]) -> list[int]:
    """Delete every mail that these promised, to whomever; returns their numbers."""
    return _forget(Delivery.cause.in_(causes))


def about(cause: str, to: Collection[str], fact: str, value: int) -> ColumnElement[bool]:
    """Which deliveries this promised; and which went to these addresses with that fact, whatever promised them."""
    keys = [_key(address) for address in to if address]
    with_fact = select(Body.id).where(Body.id == Delivery.body_id, Body.facts[fact].as_integer() == value)
    return or_(Delivery.cause == cause, and_(Delivery.recipient_key.in_(keys), with_fact.exists()))


def numbers_of(which: ColumnElement[bool]) -> Sequence[int]:
    """The numbers of these deliveries."""
    return db.session.scalars(select(Delivery.id).where(which)).all()


def still_say(numbers: Collection[int]) -> set[int]:
    """Which of these mails still say something."""
    found, wanted = set[int](), sorted(numbers)
    for start in range(0, len(wanted), PROMISED_AT_ONCE):
        some = Delivery.id.in_(wanted[start : start + PROMISED_AT_ONCE]), Body.forgotten_at.is_(None)
        found.update(db.session.scalars(select(Delivery.id).join(Body).where(*some)))
    return found


def is_in_hand(which: ColumnElement[bool], *, at: datetime) -> bool:
    """Whether a worker has one of them in hand; none takes one until the caller's transaction ends."""
    leases = select(Delivery.lease_until).where(which, Delivery.state.in_(WAITING))
    return any(until is not None and until >= at for until in db.session.scalars(leases.with_for_update()))


def write_anew(which: ColumnElement[bool], *, at: datetime) -> None:
    """Forget what those of them said that are over, and have the rest written anew from their facts, which hold
    no word that anybody typed: in the caller's transaction, when `is_in_hand` said no."""
    db.session.flush()
    found = db.session.execute(select(Delivery.id, Delivery.body_id, Delivery.state).where(which)).all()
    may_go = {row.body_id for row in found if row.state in (*WAITING, State.DEAD)}
    old = update(Delivery).where(  # of version 0.1: nothing to write them from is kept
        Delivery.id.in_([row.id for row in found if row.body_id in may_go]), Delivery.headers.is_(None)
    )
    gone = {"state": State.WITHDRAWN, "over_at": at, "last_error": "taken out"}
    withdrawn = set(db.session.scalars(old.values(**gone).returning(Delivery.body_id)))
    _forget_bodies([row.body_id for row in found if row.body_id not in may_go - withdrawn], at)
    db.session.execute(
        update(Body).where(Body.id.in_(may_go - withdrawn), Body.facts.is_not(None)).values(content=None)
    )


def _forget(*which: ColumnElement[bool]) -> list[int]:
    gone = delete(Delivery).where(*which).returning(Delivery.id, Delivery.body_id)
    rows = db.session.execute(gone).all()
    others = select(Delivery.id).where(Delivery.body_id == Body.id)
    db.session.execute(delete(Body).where(Body.id.in_([row.body_id for row in rows]), ~others.exists()))
    return [row.id for row in rows]


def retire(at: datetime) -> int:
    """Forget what mails said that were over long ago: of each stay its Message-ID, its times and a digest.

    Takes the oldest 500; returns how many it forgot, so that a caller with time goes on.
    """
    needed = and_(
        Delivery.body_id == Body.id,
        or_(
            Delivery.over_at.is_(None),
            Delivery.over_at > at - KEPT,
            and_(Delivery.state == State.DEAD, Delivery.over_at > at - KEPT_DEAD),
        ),
    )
    old = select(Body.id).where(
        Body.forgotten_at.is_(None), Body.created_at <= at - KEPT, ~select(Delivery.id).where(needed).exists()
    )
    return _forget_bodies(db.session.scalars(old.order_by(Body.created_at).limit(RETIRED_AT_ONCE)).all(), at)


def to_hash(at: datetime) -> Sequence[Any]:
    """Mails that were over 24 months ago and still have their address, some of them: the reading is for no lock."""
    old = select(Delivery.id, Delivery.recipient_key).where(*_to_hash(at))
    return db.session.execute(old.order_by(Delivery.over_at).limit(RETIRED_AT_ONCE)).all()


def hash_recipients(rows: Sequence[Any], keys: Sequence[str], at: datetime) -> None:
    """Put a keyed hash in the place of the addresses of these."""
    table = cast(Table, Delivery.__table__)
    if rows:
        changed = table.update().where(table.c.id == bindparam("row"))
        values = {"recipient": HASHED, "recipient_key": bindparam("hashed")}
        told = [{"row": row.id, "hashed": hashed(row.recipient_key, keys[0])} for row in rows]
        db.session.execute(changed.values(**values), told)
    lost = ~select(Delivery.id).where(Delivery.body_id == Body.id).exists()
    db.session.execute(delete(Body).where(Body.forgotten_at <= at - KEPT_ADDRESS, lost))


def count_to_hash(at: datetime) -> int:
    """How many addresses `hash_recipients` would replace."""
    return db.session.scalar(select(func.count()).select_from(Delivery).where(*_to_hash(at))) or 0


def hashed(recipient: str, key: str) -> str:
    """What stands for an address that is not kept any more."""
    return tokens.derive(key, "mail/recipient", _key(recipient))


def settle(at: datetime) -> None:
    """Call everything sent that waits, and forget what it says: for a world that only seems to have sent it."""
    db.session.flush()
    waiting = update(Delivery).where(Delivery.state.in_(WAITING)).returning(Delivery.body_id)
    _forget_bodies(db.session.scalars(waiting.values(state=State.SENT, over_at=at, attempts=1)).all(), at)


def refuse(cause: str, message: str, why: str, *, at: datetime) -> None:
    """Call refused for good what this promised by that letter: for the same world, where all goes well too often."""
    letter = select(Body.id).where(Body.message == message)
    waiting = update(Delivery).where(
        Delivery.cause == cause, Delivery.body_id.in_(letter), Delivery.state.in_(WAITING)
    )
    db.session.execute(waiting.values(state=State.DEAD, over_at=at, attempts=1, last_error=why))


def to_recipient(recipient: str, messages: str) -> tuple[ColumnElement[bool], ...]:
    """Which deliveries are to this address, of letters whose name begins so."""
    letter = aliased(Body)
    is_such = select(letter.id).where(
        letter.id == Delivery.body_id, letter.message.startswith(messages, autoescape=True)
    )
    return Delivery.recipient_key == _key(recipient), is_such.exists()


def is_free(at: datetime) -> ColumnElement[bool]:
    """Whether no worker has a delivery in hand."""
    return or_(Delivery.lease_until.is_(None), Delivery.lease_until < at)


def _to_hash(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return Delivery.over_at <= at - KEPT_ADDRESS, Delivery.recipient != HASHED


def _key(recipient: str) -> str:
    return recipient.casefold()


def _move(cause: str, states: Sequence[State], *more: Any, at: datetime, **values: object) -> int:
    db.session.flush()
    which = update(Delivery).where(Delivery.cause == cause, Delivery.state.in_(states), is_free(at), *more)
    return cast("CursorResult[Any]", db.session.execute(which.values(**values))).rowcount


def _forget_bodies(ids: Sequence[int], at: datetime) -> int:
    """The headers go too: a list's hold the link by which a person leaves."""
    db.session.execute(update(Delivery).where(Delivery.body_id.in_(ids)).values(headers={}))
    gone = update(Body).where(Body.id.in_(ids)).values(facts=None, content=None, forgotten_at=at)
    db.session.execute(gone)
    return len(ids)
