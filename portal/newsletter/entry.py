"""The one way in: limits, consent, one row. The page, the JSON address, the door: all through here.

Sign-ups that come in while another is being committed wait for it, and are then committed together by whichever of
their threads is first: one write to the disk for all of them, by the same verb in one transaction. Each is answered
when its row is on the disk, never before.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from portal.db import BUSY_TIMEOUT_MS, NOTHING_SAVED, Turns, transaction
from portal.errors import Unavailable
from portal.newsletter import service
from portal.newsletter.consent import Words
from portal.newsletter.models import Source
from portal.throttle import Throttle

REFUSED = "portal.refused"  # in a request's environment: the error with which a sign-up was refused already

LONGEST_WAIT = 2 * BUSY_TIMEOUT_MS / 1000  # seconds

_list = threading.Lock()
_leader = Turns()
_waiting: list[_Waiting] = []


def accept(
    *,
    email: str,
    topics: Sequence[str],
    language: str,
    words: Words,
    source: Source,
    page: str,
    network: str,
    form_token: str,
    throttle: Throttle,
    at: datetime,
) -> None:
    """Keep one sign-up; the same form sent twice is one. Raises TooMany, and Unavailable when nothing was saved."""
    throttle.hit("signup", network)
    mine = _Waiting(
        service.as_row(
            email=email,
            topics=topics,
            language=language,
            words=words,
            source=source,
            page=page,
            network=network,
            form_token=form_token,
            at=at,
        )
    )
    with _list:
        _waiting.append(mine)
    try:
        with _leader.mine():
            if not mine.settled.is_set():
                _keep(_all_waiting())
    except Unavailable:
        with _list:
            if mine in _waiting:  # nobody took it up
                _waiting.remove(mine)
                raise
        mine.settled.wait(LONGEST_WAIT)  # whoever did is about to say how it went
    if mine.error is not None:
        raise mine.error
    if not mine.settled.is_set():  # whoever wrote for us was ended before it could say how that went
        raise Unavailable(NOTHING_SAVED)


def _all_waiting() -> list[_Waiting]:
    with _list:
        together = _waiting.copy()
        _waiting.clear()
    return together


def not_again(environ: Mapping[str, Any]) -> None:
    """Raise with what the door was refused: the sign-up waited there, and was counted."""
    if refused := environ.get(REFUSED):
        raise refused


@dataclass(eq=False)
class _Waiting:
    """One sign-up on its way to the disk."""

    row: dict[str, Any]
    settled: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None


def _keep(together: Sequence[_Waiting]) -> None:
    """All in one transaction; where one is refused, each in its own, so that it spoils nobody else's."""
    try:
        with transaction():
            service.sign_up(*(one.row for one in together))
    except Unavailable as error:
        together = [*together, *_all_waiting()]  # who came meanwhile waits no second time
        for one in together:
            one.error = error
    except Exception as error:
        if len(together) > 1:
            for one in together:
                _keep([one])
        elif not (isinstance(error, IntegrityError) and service.was_accepted_before(error)):
            together[0].error = error
    for one in together:
        one.settled.set()
