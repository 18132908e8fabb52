"""The address that was just typed, for the next page to show: sealed in a cookie of that page alone, for 15 minutes.

Never in an address, and nothing of it is kept here: a page that shows it knows only what the browser brings along.
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime, timedelta

from portal import addresses, tokens
from portal.settings import Settings

COOKIE = "asked"
KEPT = timedelta(minutes=15)
_PURPOSE = "asked"


def set_cookie(config: Settings, address: str, *, at: datetime) -> str:
    """The Set-Cookie header that brings the address to the next page."""
    body = f"{base64.urlsafe_b64encode(address.encode()).decode()}.{int(at.timestamp())}"
    value = f"{body}.{tokens.derive(config.SECRET_KEY, _PURPOSE, body)}"
    where = f"Path={addresses.CHECK_EMAIL}; HttpOnly; SameSite=Lax"
    secure = "; Secure" if config.is_secure else ""
    return f"{COOKIE}={value}; Max-Age={int(KEPT.total_seconds())}; {where}{secure}"


def address_in(config: Settings, value: str, *, at: datetime) -> str:
    """The address, or nothing when the seal is not ours or the time is over."""
    body, _, seal = value.rpartition(".")
    encoded, _, time = body.rpartition(".")
    expected = (tokens.derive(key, _PURPOSE, body) for key in config.keys)
    if not any(hmac.compare_digest(one.encode(), seal.encode("utf-8", "replace")) for one in expected):
        return ""
    if not 0 <= at.timestamp() - int(time) <= KEPT.total_seconds():
        return ""
    return base64.urlsafe_b64decode(encoded).decode()
