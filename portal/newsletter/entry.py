"""The one way in: limits, consent, one row. The page, the JSON address, the door: all through here.

Sign-ups that come in while another is being committed wait for it, and are then committed together by whichever of
their threads is first: one write to the disk for all of them, by the same verb in one transaction. Each is answered
when its row is on the disk, never before.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from portal.db import NOTHING_SAVED, transaction
from portal.errors import Unavailable
from portal.newsletter import service
from portal.newsletter.consent import Words
from portal.newsletter.models import Source
from portal.throttle import Throttle

_list = threading.Lock()
_leader = threading.Lock()
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
    with _leader:
        if not mine.is_done:
            with _list:
                together = _waiting.copy()
                _waiting.clear()
            _keep(together)
    if mine.error is not None:
        raise mine.error
    if not mine.is_done:  # whoever wrote for us was ended before it could say how that went
        raise Unavailable(NOTHING_SAVED)


@dataclass
class _Waiting:
    """One sign-up on its way to the disk."""

    row: dict[str, Any]
    is_done: bool = False
    error: Exception | None = None


def _keep(together: Sequence[_Waiting]) -> None:
    """All in one transaction; where one is refused, each in its own, so that it spoils nobody else's."""
    try:
        with transaction():
            service.sign_up(*(one.row for one in together))
    except Unavailable as error:
        for one in together:
            one.error = error
    except Exception as error:
        if len(together) > 1:
            for one in together:
                _keep([one])
        elif not (isinstance(error, IntegrityError) and service.was_accepted_before(error)):
            together[0].error = error
    for one in together:
        one.is_done = True
