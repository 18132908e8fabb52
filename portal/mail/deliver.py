"""One step of a lane: write what is not yet written, hand it over, keep the outcome.

Delivery is at least once: between the server's 250 and our commit a kill sends the same bytes, with the same
Message-ID, again, at most those of one batch; no queue removes that window. No letter is written and no network
call made inside a transaction: a batch costs one, however many mails it holds.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from portal.clock import now
from portal.db import db, is_storage_fault, transaction
from portal.jobs import place
from portal.mail import dkim, lanes, rate, verp, wire
from portal.mail.compose import compose
from portal.mail.lanes import BACK_OFF
from portal.mail.letters import LETTERS, NotToBeSent, Own, Wait
from portal.mail.models import WAITING, Body, Delivery, Lane, State
from portal.mail.transport import BROKE, Deferred, DeliveryError, Rejected, RelayDown, Transport
from portal.settings import settings

log = logging.getLogger(__name__)

# How many are marked at once, and so may be sent again after a kill.
BATCH = {Lane.NOW: 1, Lane.SOON: 50, Lane.BULK: 50}
# After this no further mail of a batch is begun: a worker whose step takes too long (`lanes.WITHIN`) is ended, and
# what it had sent and not yet kept would be sent again.
BATCH_TIME = timedelta(seconds=20)
RELAY_REST = timedelta(seconds=30)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def deliver(lane: Lane, transport: Transport, *, worker: str, wait: Callable[[float], bool] = _sleep) -> int:
    """Take what is due in a lane, batch by batch, and hand it over; returns how many were due, 0 when none is.

    Opens its own transactions: what became of a batch is kept in the one that takes the next. `wait` keeps the rate
    of the bulk lane, which all workers share, and says whether to stop (`Event.wait`): then what was marked and not
    tried is given back. Raises RelayDown after putting the mail back, so that the worker rests instead of burning
    every mail's tries.
    """
    a_second = rate.of(lane)
    pause = 1 / a_second if a_second else 0
    done, handled, end = _Done(worker), 0, now() + BATCH_TIME
    try:
        while found := _next(lane, done, wait):
            handled += found.due
            is_whole = _hand_over(found, transport, done, pause, wait)
            if not is_whole or now() > end or wait(0):
                break
    except Exception:
        _keep(done)
        raise
    _keep(done)
    return handled


def _keep(done: _Done) -> None:
    if done:
        with transaction():
            done.keep()
        done.outcomes, done.untried = [], []


@dataclass
class _Done:
    """What became of the mails in hand, until it is kept."""

    worker: str
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    untried: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.untried)

    def keep(self) -> None:
        """Write it, in the caller's transaction."""
        lanes.finish(self.worker, self.outcomes)
        lanes.give_back(self.worker, self.untried)


@dataclass(frozen=True)
class _Taken:
    """The next batch: how many were `due`, those of them that are in hand, and their bodies."""

    due: int
    rows: Sequence[Any]
    bodies: Mapping[int, bytes]


def _next(lane: Lane, done: _Done, wait: Callable[[float], bool]) -> _Taken | None:
    """Keep what is done and take the next, in one commit, when the rate allows it; None when nothing is due or we
    are told to stop, and then nothing is kept."""
    while True:
        at = now()
        found, rest = lanes.next_in(lane, at, BATCH[lane]), rate.rest(lane, at)
        db.session.rollback()  # a reader that stays would see no later promise
        if not found:
            return None
        if rest:
            _keep(done)  # nothing is in hand while it waits
            if wait(rest):
                return None
        elif (taken := _take(lane, found, done, at)) is not None:
            return taken


def _take(lane: Lane, found: Sequence[Any], done: _Done, at: datetime) -> _Taken | None:
    """None when another worker had what the rate allows."""
    written, faulty = _write({row.body_id for row in found if not row.is_written})
    with transaction():
        done.keep()
        for body_id, error in faulty.items():
            lanes.rest(body_id, error, at)
        lanes.keep_written(written)
        ids = [row.id for row in found if row.body_id not in faulty]
        count = rate.reserve(lane, len(ids), at) if ids else 0
        taken = lanes.take(lane, ids[:count], worker=done.worker, at=at) if count else []
        rows, bodies = lanes.in_hand(taken)
    done.outcomes, done.untried = [], []
    return _Taken(len(found), rows, bodies) if count or not ids else None


def write_all() -> dict[int, str]:
    """Write and keep every body that was not tried yet, due or not; returns what could not be written, and why."""
    waits = select(Delivery.body_id).where(Delivery.state.in_(WAITING))
    query = select(Body.id).where(Body.content.is_(None), Body.faults == 0, Body.id.in_(waits))
    written, faulty = _write(db.session.scalars(query).all())
    with transaction():
        lanes.keep_written(written)
        for body_id, error in faulty.items():
            lanes.rest(body_id, error, now())
    return faulty


def _write(body_ids: Collection[int]) -> tuple[dict[int, bytes], dict[int, str]]:
    """The bytes of each body, or where its letter failed: a fault of ours that may hold nobody else up."""
    written, faulty = dict[int, bytes](), dict[int, str]()
    for body_id in sorted(body_ids):
        try:
            if (body := db.session.get(Body, body_id)) is not None:  # else forgotten meanwhile
                written[body_id] = compose(body)
        except Exception as error:
            if isinstance(error, DBAPIError) and is_storage_fault(error):
                raise
            db.session.rollback()
            faulty[body_id] = place(error)
            log.error("a mail could not be written", extra={"body": body_id, "reason": faulty[body_id]})
    return written, faulty


def _hand_over(
    taken: _Taken, transport: Transport, done: _Done, pause: float, wait: Callable[[float], bool]
) -> bool:
    """One batch, a mail each `pause` at most; returns whether it was tried to its end. Raises RelayDown. `done` has
    what became of it."""
    began, rows = now(), taken.rows
    for tried, row in enumerate(rows):
        at = now()
        slot = max(at, began + tried * timedelta(seconds=pause))
        if tried and (slot > began + BATCH_TIME or wait((slot - at).total_seconds())):
            done.untried = [row.id for row in rows[tried:]]
            return False
        try:
            outcome = _outcome(row, _send(row, taken.bodies[row.body_id], _own(row), transport))
        except NotToBeSent as reason:
            withdrawn = {"state": State.WITHDRAWN, "attempts": row.attempts, "over_at": now()}
            outcome = _kept(row, **withdrawn, last_error=str(reason))
        except Wait:
            outcome = _kept(row, state=State.HELD, attempts=row.attempts)
        except RelayDown as error:
            rested = _kept(row, attempts=row.attempts, due_at=now() + RELAY_REST, last_error=str(error))
            done.outcomes.append(rested)
            done.untried = [row.id for row in rows[tried + 1 :]]
            raise
        done.outcomes.append(outcome)
    return True


def _own(row: Any) -> Own | Deferred | None:
    """What is the recipient's alone, as it is now. Raises NotToBeSent or Wait when it may not go."""
    letter = LETTERS.get(row.message)
    if letter is None or letter.own is None:
        return None
    try:
        return letter.own(row.cause, row.recipient_key, row.language)
    except (NotToBeSent, Wait):
        raise
    except Exception as error:
        return Deferred(place(error))  # what was sent before it is kept all the same
    finally:
        db.session.rollback()  # nothing stays open while the network is waited for


def _send(row: Any, body: bytes, own: Own | Deferred | None, transport: Transport) -> bytes | DeliveryError:
    """The digest of what was taken, before it was signed; or why it was not. Raises RelayDown."""
    if isinstance(own, Deferred):
        return own
    message_id = wire.message_id(row)
    try:
        content = wire.whole(body, to=row.recipient, message_id=message_id, headers=row.headers, own=own)
        transport.send(
            delivery_id=row.id,
            created_at=row.created_at,
            sender=row.envelope_sender or verp.return_address(row.id, message_id) or settings().MAIL_FROM,
            recipient=row.recipient,
            content=dkim.sign(content, at=row.created_at),
        )
    except RelayDown:
        raise
    except DeliveryError as error:
        return error
    except Exception as error:
        return Deferred(place(error))
    return wire.digest(content)


def _outcome(row: Any, result: bytes | DeliveryError) -> dict[str, Any]:
    tries, at = row.attempts + 1, now()
    if isinstance(result, bytes):
        return _kept(row, state=State.SENT, attempts=tries, over_at=at, digest=result)
    if isinstance(result, Rejected) or tries > len(BACK_OFF):
        log.error("mail given up", extra={"delivery": row.id, "reason": str(result)})
        return _kept(row, state=State.DEAD, attempts=tries, over_at=at, last_error=str(result))
    # Spread, so that what failed together does not come back together.
    pause = BACK_OFF[row.attempts] * random.uniform(0.8, 1.2)  # noqa: S311 - guards nothing
    return _kept(row, attempts=tries, due_at=at + pause, last_error=str(result))


def _kept(row: Any, **values: object) -> dict[str, Any]:
    kept = {"delivery": row.id, "state": State.QUEUED, "due_at": row.due_at, "last_error": "", **values}
    if row.last_error.endswith(lanes.TWICE) or str(kept["last_error"]) == BROKE:
        kept["last_error"] = f"{kept['last_error']} {lanes.TWICE}".strip()
    return kept
