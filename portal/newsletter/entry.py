"""The one way in: limits, signals, consent, one row. The page, the JSON address, the door: all through here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from portal.db import transaction
from portal.newsletter import service
from portal.newsletter.consent import Words
from portal.newsletter.models import Source
from portal.throttle import Throttle


def accept(
    *,
    email: str,
    topics: Sequence[str],
    language: str,
    words: Words,
    source: Source,
    page: str,
    network: str,
    signals: Sequence[str],
    form_token: str,
    throttle: Throttle,
    at: datetime,
) -> None:
    """Keep one sign-up; the same form sent twice is one. Raises TooMany, and Unavailable when nothing was saved."""
    throttle.hit("signup", network)
    try:
        with transaction():
            service.sign_up(
                email=email,
                topics=topics,
                language=language,
                words=words,
                source=source,
                page=page,
                network=network,
                signals=signals,
                form_token=form_token,
                at=at,
            )
    except IntegrityError as error:
        if not service.was_accepted_before(error):
            raise
