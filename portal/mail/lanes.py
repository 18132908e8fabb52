"""Who is next in a lane, who has it in hand, and what became of it; and what there is to tell of all that.

A lease makes any number of workers harmless: it is taken in one statement, and only its holder writes an outcome.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Select,
    Table,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from portal.db import db
from portal.jobs import SKEW
from portal.mail import transport
from portal.mail.models import WAITING, Body, Delivery, Lane, State
from portal.mail.promise import is_free, to_recipient

# A step is not taken for one that never ends, and its mails are nobody else's, while a slow server may still answer.
WITHIN = transport.LONGEST + timedelta(minutes=2)
LEASE = WITHIN + timedelta(minutes=2)
# After the n-th failure a mail rests this long, a fifth more or less; when the list is used up it is dead.
BACK_OFF = [timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720, 1440)]
LONGEST_REST = BACK_OFF[-1] * 1.2
# Ends the `last_error` of what a worker had in hand when it died, or of which the server's answer was lost: when it
# is sent, it goes perhaps for the second time, with the same bytes and Message-ID.
TWICE = "(may have gone before)"
RESTORED = "held after a restore: it may have gone out since the backup"

_TABLE = cast(Table, Delivery.__table__)


def next_in(lane: Lane, at: datetime, limit: int) -> Sequence[Any]:
    """The next that may go: `id`, `body_id`, and whether its body `is_written`."""
    query = select(Delivery.id, Delivery.body_id, Body.content.is_not(None).label("is_written")).join(Body)
    return db.session.execute(query.where(*_may_go(lane, at)).order_by(*_ORDER).limit(limit)).all()


def soonest(lane: Lane, at: datetime) -> datetime | None:
    """When the next that is not due yet falls due; None when none waits."""
    waits = (Delivery.state == State.QUEUED, Delivery.lane == lane, Delivery.due_at > at)
    return db.session.scalar(select(func.min(Delivery.due_at)).where(*waits))


def take(lane: Lane, ids: Collection[int], *, worker: str, at: datetime) -> list[int]:
    """Lease those of `ids` that are still free; returns which."""
    free = select(Delivery.id).where(Delivery.id.in_(ids), *_may_go(lane, at))
    taken = update(Delivery).where(Delivery.id.in_(free.with_for_update(skip_locked=True).scalar_subquery()))
    lease = taken.values(lease_by=worker, lease_until=at + LEASE, last_error=_DOUBTED)
    return list(db.session.scalars(lease.returning(Delivery.id)))


def in_hand(ids: Collection[int]) -> tuple[Sequence[Any], Mapping[int, bytes]]:
    """What is to be sent of each, in order, and their bodies."""
    query = select(
        Delivery.id, Delivery.created_at, Delivery.recipient, Delivery.message_id, Delivery.headers,
        Delivery.envelope_sender, Delivery.attempts, Delivery.due_at, Delivery.last_error, Delivery.cause,
        Delivery.recipient_key, Delivery.body_id, Body.message, Body.language, Body.names,
    ).join(Body)  # fmt: skip
    rows = db.session.execute(query.where(Delivery.id.in_(ids)).order_by(*_ORDER)).all()
    bodies = select(Body.id, Body.content).where(Body.id.in_({row.body_id for row in rows}))
    return rows, {body.id: body.content for body in db.session.execute(bodies)}


def keep_written(contents: Mapping[int, bytes]) -> None:
    """Keep the bytes of bodies; of two workers who wrote the same, the first one's stay."""
    for body_id, content in contents.items():
        unwritten = update(Body).where(Body.id == body_id, Body.content.is_(None))
        db.session.execute(unwritten.values(content=content, faults=0))


def rest(body_id: int, error: str, at: datetime) -> None:
    """Put off all that wait for a body that cannot be written, longer each time; nothing is ever given up."""
    found = update(Body).where(Body.id == body_id).values(faults=Body.faults + 1)
    faults = db.session.scalar(found.returning(Body.faults)) or 1  # nothing, when it was forgotten meanwhile
    waiting = update(Delivery).where(Delivery.body_id == body_id, Delivery.state == State.QUEUED)
    pause = BACK_OFF[min(faults, len(BACK_OFF)) - 1]
    db.session.execute(waiting.values(due_at=at + pause, last_error=error))


def finish(worker: str, outcomes: Iterable[Mapping[str, object]]) -> None:
    """Write what became of each (`_OUTCOME` by `delivery`), unless its lease was lost to another worker meanwhile."""
    rows = [
        {"delivery": row["delivery"], "worker": worker, **{f"to_{name}": row.get(name) for name in _OUTCOME}}
        for row in outcomes
    ]
    if rows:
        columns = _TABLE.c
        mine = _TABLE.update().where(
            columns.id == bindparam("delivery"), columns.lease_by == bindparam("worker")
        )
        values: dict[str, Any] = {name: bindparam(f"to_{name}") for name in _OUTCOME}
        db.session.execute(mine.values(lease_by=None, lease_until=None, **values), rows)


def give_back(worker: str, ids: Collection[int]) -> None:
    """Let go of what was taken and not tried."""
    if ids:
        mine = update(Delivery).where(Delivery.id.in_(ids), Delivery.lease_by == worker)
        db.session.execute(mine.values(lease_by=None, lease_until=None))


def free_leases() -> None:
    """Take every lease back: for a worker that knows no other lives."""
    held = update(Delivery).where(Delivery.lease_by.is_not(None))
    db.session.execute(held.values(lease_by=None, lease_until=None, last_error=_DOUBTED))


def set_right(at: datetime) -> None:
    """Give back to the present what a clock that ran ahead had put into the future: times, rests and leases.

    What was not tried yet is written anew, with the right date.
    """
    ahead = at + SKEW
    wrong = or_(
        Delivery.created_at > ahead,
        and_(Delivery.last_error != "", Delivery.due_at > at + LONGEST_REST),
        Delivery.lease_until > ahead + LEASE,
    )
    query = select(Delivery.id, Delivery.body_id, Delivery.created_at, Delivery.due_at, Delivery.last_error)
    rows = db.session.execute(query.where(Delivery.state.in_(WAITING), wrong)).all()
    for row in rows:
        rest = timedelta(0) if row.last_error or row.created_at <= ahead else row.due_at - row.created_at
        right = update(Delivery).where(Delivery.id == row.id)
        values = {"created_at": min(row.created_at, at), "due_at": at + rest}
        db.session.execute(right.values(**values, lease_by=None, lease_until=None))
    tried = select(Delivery.id).where(Delivery.body_id == Body.id, Delivery.attempts > 0)
    bodies = update(Body).where(Body.id.in_({row.body_id for row in rows}), Body.created_at > ahead)
    db.session.execute(bodies.where(~tried.exists()).values(created_at=at, content=None))


def counts(states: Collection[State] = tuple(State)) -> dict[str, int]:
    """How many deliveries stand in each of these states; all that were sent are many to count."""
    query = select(Delivery.state, func.count()).where(Delivery.state.in_(states)).group_by(Delivery.state)
    found = dict(db.session.execute(query).all())
    return {state.value: found.get(state, 0) for state in states}


def oldest_due(at: datetime) -> datetime | None:
    """Since when the longest-waiting mail could have gone; None when nothing waits."""
    first = [
        select(func.min(Delivery.due_at)).where(
            Delivery.state == State.QUEUED, Delivery.lane == lane, Delivery.due_at <= at
        )
        for lane in Lane
    ]
    return min((found for query in first if (found := db.session.scalar(query))), default=None)


def given_up(limit: int) -> Sequence[Any]:
    """The latest that were given up: `id`, `message`, `cause`, `created_at`, `attempts`, `last_error`, and whether
    it is `kept`, so that it can be sent again; never an address."""
    query = _TOLD.where(Delivery.state == State.DEAD).order_by(Delivery.id.desc())
    return db.session.execute(query.limit(limit)).all()


def put_off(limit: int) -> Sequence[Any]:
    """The latest that were tried and wait for their next try, in the words of `given_up`."""
    waits = _TOLD.where(Delivery.state == State.QUEUED, Delivery.attempts > 0)
    return db.session.execute(waits.order_by(Delivery.id.desc()).limit(limit)).all()


def refused_by_policy() -> Sequence[Any]:
    """How many wait because a server refuses them by a rule, by what it said: `last_error`, `count`."""
    query = select(Delivery.last_error, func.count().label("count"))
    told = query.where(Delivery.state == State.QUEUED, Delivery.last_error.startswith(transport.POLICY))
    return db.session.execute(told.group_by(Delivery.last_error).order_by(func.count().desc()).limit(5)).all()


def revive(at: datetime, ids: Collection[int] | None = None) -> int:
    """Send again, with all their tries, those of `ids` that were given up, or all; returns how many.

    What a mail said is forgotten 90 days after it was given up: such a one stays.
    """
    kept = select(Body.id).where(Body.id == Delivery.body_id, Body.forgotten_at.is_(None))
    dead = update(Delivery).where(Delivery.state == State.DEAD, kept.exists())
    if ids is not None:
        dead = dead.where(Delivery.id.in_(ids))
    again = dead.values(state=State.QUEUED, due_at=at, attempts=0, over_at=None, last_error="")
    return cast("CursorResult[Any]", db.session.execute(again)).rowcount


def hold_restored() -> int:
    """In a database that was restored: hold all that waits, for it may have gone out since; returns how many."""
    waits = update(Delivery).where(Delivery.state.in_(WAITING))
    held = waits.values(state=State.HELD, last_error=RESTORED, lease_by=None, lease_until=None)
    return cast("CursorResult[Any]", db.session.execute(held)).rowcount


def held_by_restore(limit: int) -> Sequence[Any]:
    """The latest that a restore holds, in the words of `given_up`."""
    return db.session.execute(_TOLD.where(*_RESTORED).order_by(Delivery.id.desc()).limit(limit)).all()


def release_held(at: datetime, ids: Collection[int] | None = None, *, withdraw: bool = False) -> int:
    """Send those of `ids` that a restore holds, or all; or never send them. Returns how many."""
    held = update(Delivery).where(*_RESTORED)
    if ids is not None:
        held = held.where(Delivery.id.in_(ids))
    sent = {"state": State.QUEUED, "due_at": case((Delivery.due_at > at, Delivery.due_at), else_=at)}
    never = {"state": State.WITHDRAWN, "over_at": at}
    done = held.values(last_error="", **(never if withdraw else sent))
    return cast("CursorResult[Any]", db.session.execute(done)).rowcount


def resting(limit: int) -> Sequence[Any]:
    """Bodies that could not be written, each once, in the words of `given_up`."""
    query = select(
        Body.message,
        func.min(Delivery.cause).label("cause"),
        Body.created_at,
        Body.faults.label("attempts"),
        func.max(Delivery.last_error).label("last_error"),
        literal(False).label("kept"),
    ).join(Body)
    faulty = query.where(Body.faults > 0, Delivery.state == State.QUEUED)
    return db.session.execute(
        faulty.group_by(Body.id, Body.message, Body.created_at, Body.faults)
        .order_by(Body.id.desc())
        .limit(limit)
    ).all()


def held_for(recipient: str, *, messages: str = "") -> Sequence[Any]:
    """What we mailed to this address, oldest first: `message`, `created_at`, and `sent_at` or None."""
    sent_at: ColumnElement[Any] = case((Delivery.state == State.SENT, Delivery.over_at))
    query = select(Body.message, Delivery.created_at, sent_at.label("sent_at")).join(Body)
    return db.session.execute(query.where(*to_recipient(recipient, messages)).order_by(Delivery.id)).all()


def history(recipient: str, *, messages: Sequence[str]) -> Sequence[Any]:
    """What we mailed to this address, newest first: `id`, `message`, `cause`, `created_at`, `state`, `over_at`,
    `last_error`, `digest`."""
    query = select(
        Delivery.id, Body.message, Delivery.cause, Delivery.created_at, Delivery.state, Delivery.over_at,
        Delivery.last_error, Delivery.digest,
    ).join(Body)  # fmt: skip
    of = or_(*(and_(*to_recipient(recipient, word)) for word in messages))
    return db.session.execute(query.where(of).order_by(Delivery.id.desc()).limit(200)).all()


def became(cause: str, message: str) -> State | None:
    """What became of the latest such mail that this promised; None when there is none."""
    query = select(Delivery.state).join(Body).where(Delivery.cause == cause, Body.message == message)
    return db.session.scalar(query.order_by(Delivery.id.desc()).limit(1))


def fates(cause: str, messages: Collection[str]) -> Sequence[Any]:
    """Each such mail that this promised, oldest first: `facts` (gone after a while), `recipient`, `state`, `due_at`,
    `over_at`, `attempts`, `last_error`."""
    query = select(
        Body.facts, Delivery.recipient, Delivery.state, Delivery.due_at, Delivery.over_at, Delivery.attempts,
        Delivery.last_error,
    ).join(Body)  # fmt: skip
    return db.session.execute(
        query.where(Delivery.cause == cause, Body.message.in_(messages)).order_by(Delivery.id)
    ).all()


def refused_of(kind: str) -> Select[tuple[str]]:
    """What is named behind `kind:` in the causes of mails that were given up, for which somebody waits: no notice
    to staff is one."""
    name = func.substr(Delivery.cause, len(kind) + 2)  # ";" is what comes after ":"
    return select(name).where(
        Delivery.state == State.DEAD,
        Delivery.cause >= f"{kind}:",
        Delivery.cause < f"{kind};",
        Delivery.lane == Lane.NOW,
    )


def refused_since(kind: str, since: datetime, *, untold: str) -> Select[tuple[str]]:
    """Those of `refused_of` that were given up since then, with no mail by the letter `untold` from then on."""
    told = aliased(Delivery)
    after = select(told.id).join(Body, Body.id == told.body_id).where(Body.message == untold)
    is_told = after.where(told.cause == Delivery.cause, told.created_at >= Delivery.over_at).exists()
    return refused_of(kind).where(Delivery.over_at > since, ~is_told)


def count_refused(kind: str, most: int) -> int:
    """How many these are, counted no further than `most`."""
    found = refused_of(kind).distinct().limit(most).subquery()
    return db.session.scalar(select(func.count()).select_from(found)) or 0


_TOLD = select(
    Delivery.id,
    Body.message,
    Delivery.cause,
    Delivery.created_at,
    Delivery.attempts,
    Delivery.last_error,
    Body.forgotten_at.is_(None).label("kept"),
).join(Body)
_RESTORED = (Delivery.state == State.HELD, Delivery.last_error == RESTORED)
_DOUBTED = case((Delivery.lease_by.is_not(None), TWICE), else_=Delivery.last_error)
_ORDER = (Delivery.due_at, Delivery.id)
_OUTCOME = ("state", "attempts", "due_at", "over_at", "last_error", "digest")


def _may_go(lane: Lane, at: datetime) -> tuple[ColumnElement[bool], ...]:
    return Delivery.state == State.QUEUED, Delivery.lane == lane, Delivery.due_at <= at, is_free(at)
