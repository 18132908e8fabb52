"""The transactional outbox (a row in the same transaction as its cause) and the one who empties it.

Delivery is at least once: between the server's 250 and our commit a kill sends the same bytes, with the same
Message-ID, again; no queue removes that window. A lease makes two workers harmless.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update

from portal.clock import now
from portal.db import db, transaction
from portal.mail.models import Outbox, State
from portal.mail.render import compose
from portal.mail.transport import Deferred, DeliveryError, Rejected, RelayDown, Transport
from portal.settings import settings

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
# After the n-th failure a mail rests this long (±20 %); when the list is used up it is dead.
BACK_OFF = [timedelta(minutes=m) for m in (1, 5, 15, 60, 240, 720, 1440)]
RELAY_REST = timedelta(seconds=30)


def queue(
    message: str,
    *,
    to: str,
    context: Mapping[str, object],
    cause: str,
    at: datetime,
    language: str = "en",
    reply_to: str = "",
    headers: Mapping[str, str] | None = None,
    message_id: str = "",
) -> Outbox:
    """Promise one mail, in the caller's transaction; `message` names its templates, as `room/name`."""
    message_id = message_id or new_message_id()
    content = compose(
        message,
        to=to,
        message_id=message_id,
        at=at,
        language=language,
        context=context,
        reply_to=reply_to,
        headers=headers,
    )
    row = Outbox(
        message_id=message_id,
        message=message,
        cause=cause,
        recipient=to,
        content=content,
        created_at=at,
        state=State.QUEUED,
        due_at=at,
        attempts=0,
    )
    db.session.add(row)
    return row


def new_message_id(unique: str = "") -> str:
    """A Message-ID (RFC 5322, 3.6.4) in our own domain; it names nobody. `unique` stands for itself, if given."""
    domain = settings().MAIL_FROM.rpartition("@")[2]
    return f"<{unique or secrets.token_hex(16)}@{domain}>"


def deliver_one(transport: Transport, *, worker: str, sender: str) -> bool:
    """Take the next due mail, hand it over and keep the outcome; False when none is due.

    Opens its own two transactions, because no network call may happen inside one. Raises RelayDown after
    putting the mail back, so that the worker rests instead of burning every mail's tries.
    """
    at = now()
    with transaction():
        row = _lease_next(worker, at)
        if row is None:
            return False
        outbox_id, attempts = row.id, row.attempts
        created_at, recipient, content = row.created_at, row.recipient, row.content
    try:
        transport.send(
            outbox_id=outbox_id, created_at=created_at, sender=sender, recipient=recipient, content=content
        )
    except RelayDown as error:
        _finish(outbox_id, worker, state=State.QUEUED, due_at=now() + RELAY_REST, last_error=str(error))
        raise
    except Deferred as error:
        _put_off(outbox_id, worker, attempts, error)
    except Rejected as error:
        _finish(outbox_id, worker, state=State.DEAD, attempts=attempts + 1, last_error=str(error))
        log.error("mail given up", extra={"outbox": outbox_id, "reason": str(error)})
    else:
        _finish(outbox_id, worker, state=State.SENT, attempts=attempts + 1, sent_at=now(), last_error="")
    return True


def free_leases() -> None:
    """Take every lease back: for a worker that knows no other lives."""
    held = update(Outbox).where(Outbox.lease_by.is_not(None))
    db.session.execute(held.values(lease_by=None, lease_until=None))


def counts() -> dict[str, int]:
    """How many mails stand in each state."""
    found = dict(db.session.execute(select(Outbox.state, func.count()).group_by(Outbox.state)).all())
    return {state.value: found.get(state, 0) for state in State}


def oldest_due(at: datetime) -> datetime | None:
    """Since when the longest-waiting mail could have gone; None when nothing waits."""
    query = select(func.min(Outbox.due_at)).where(Outbox.state == State.QUEUED, Outbox.due_at <= at)
    return db.session.scalar(query)


def _lease_next(worker: str, at: datetime) -> Outbox | None:
    """One statement, right on SQLite (which has one writer) and on PostgreSQL (SKIP LOCKED)."""
    free = or_(Outbox.lease_until.is_(None), Outbox.lease_until < at)
    next_id = (
        select(Outbox.id)
        .where(Outbox.state == State.QUEUED, Outbox.due_at <= at, free)
        .order_by(Outbox.due_at, Outbox.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    taken = (
        update(Outbox)
        .where(Outbox.id == next_id)
        .values(lease_by=worker, lease_until=at + LEASE)
        .returning(Outbox.id)
    )
    outbox_id = db.session.scalar(taken)
    return db.session.get(Outbox, outbox_id) if outbox_id is not None else None


def _finish(outbox_id: int, worker: str, **values: object) -> None:
    """Write the outcome, unless the lease was lost to another worker meanwhile."""
    with transaction():
        db.session.execute(
            update(Outbox)
            .where(Outbox.id == outbox_id, Outbox.lease_by == worker)
            .values(lease_by=None, lease_until=None, **values)
        )


def _put_off(outbox_id: int, worker: str, attempts: int, error: DeliveryError) -> None:
    if attempts >= len(BACK_OFF):
        _finish(outbox_id, worker, state=State.DEAD, attempts=attempts + 1, last_error=str(error))
        log.error("mail given up", extra={"outbox": outbox_id, "reason": str(error)})
        return
    rest = BACK_OFF[attempts] * random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, guards nothing
    _finish(
        outbox_id,
        worker,
        state=State.QUEUED,
        attempts=attempts + 1,
        due_at=now() + rest,
        last_error=str(error),
    )
