"""The secret address of a request's own page, made anew from its form token whenever a link is needed.

The database holds only its hash. After a change of SECRET_KEY the old key, kept as a fallback, still makes the
address that was sent before.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from portal import addresses, tokens
from portal.intake.models import Request

PURPOSE = "receipt"
KEPT_AFTER_CLOSING = timedelta(days=90)  # the page; what is asked again later is a new request


def new_token(keys: Sequence[str], form_token: str) -> str:
    """The receipt token that belongs to a form token; `keys` begins with the key in use."""
    return tokens.derive(keys[0], PURPOSE, form_token)


def token_of(request: Request, keys: Sequence[str]) -> str:
    """The token of a stored request; with a key that is gone, one that opens nothing."""
    for key in keys:
        token = tokens.derive(key, PURPOSE, request.form_token)
        if hmac.compare_digest(tokens.digest(token), request.receipt_hash):
            return token
    return new_token(keys, request.form_token)


def path_of(token: str) -> str:
    """The address of a receipt, below BASE_URL."""
    return addresses.RECEIPT.of(token=token)


def progress(request: Request, stands: Request) -> list[tuple[str, datetime]]:
    """What happened, in words and in the order of time, for whoever has the link: no name, and nothing anybody wrote.

    `stands` is the request that is answered for this one too, or itself.

    Of what is taken for a robot's no more is said than that it came.
    """
    moments: list[tuple[str, datetime | None]] = [("Received", request.received_at)]
    if not request.is_spam:
        claimed_at = stands.claimed_at and max(stands.claimed_at, request.received_at)
        taken = ("Taken by a person", claimed_at)
        moments += [taken, ("Answered", stands.answered_at), ("Closed", stands.closed_at)]
    return sorted(((words, at) for words, at in moments if at is not None), key=lambda one: one[1])


def is_past(request: Request, at: datetime) -> bool:
    """Whether it was closed so long ago that it is not taken up again."""
    return request.closed_at is not None and at > request.closed_at + KEPT_AFTER_CLOSING


def has_expired(request: Request, at: datetime) -> bool:
    """Whether the page is gone: 90 days after the request was closed."""
    return request.closed_at is not None and at >= request.closed_at + KEPT_AFTER_CLOSING
