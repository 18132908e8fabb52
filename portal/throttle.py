"""How many tries one place has in a window of time, by the `limits` library (moving window).

Counts live in memory, which is right for the one process that serves on SQLite, or in Redis when REDIS_URL is
set. A place is a network block, not a machine: /24 of IPv4, /56 of IPv6, so that a range cannot be walked.
"""

from __future__ import annotations

import ipaddress
import math
import time
from functools import lru_cache

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from portal.errors import N_, TooMany

# A busy clinic shares one address: what is stored is limited by the person's patience, what is merely sent
# by what a machine does. `docs/limits.md` says why each number is what it is.
LIMITS: dict[str, list[RateLimitItem]] = {
    name: parse_many(text)
    for name, text in {
        "post": "240/minute",
        "request": "30/10minute;200/day",
        "signup": "30/10minute;200/day",
        "confirm": "60/10minute",
        "sign-in": "10/5minute",
        "sign-in-account": "5/5minute",
        "second-factor": "10/5minute;20/hour",
    }.items()
}


SWEEP_EVERY = 30.0  # seconds


class QuietMemory(MemoryStorage):
    """The library's counters in memory, swept now and then by whoever counts.

    As it ships, a timer thread is started for nearly every hit and walks all keys each 10 ms: with 60,000 visitors
    counted that alone took the machine (`docs/decisions/0009-rate-limits.md`).
    """

    def __init__(self) -> None:
        self._next_sweep = 0.0
        super().__init__()

    def _MemoryStorage__schedule_expiry(self) -> None:  # noqa: N802 - the name Python gives the private method
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + SWEEP_EVERY
            self._MemoryStorage__expire_events()  # type: ignore[attr-defined]


class Throttle:
    """The counters of one process (or, with Redis, of all)."""

    def __init__(self, redis_url: str = "") -> None:
        self._storage: Storage = storage_from_string(redis_url) if redis_url else QuietMemory()  # type: ignore[assignment]
        self._limiter = MovingWindowRateLimiter(self._storage)

    def hit(self, name: str, key: str) -> None:
        """Count one try; raise TooMany (with the seconds to wait) when the limit was reached already."""
        for limit in LIMITS[name]:
            if not self._limiter.hit(limit, name, key):
                reset = self._limiter.get_window_stats(limit, name, key).reset_time
                wait = max(1, math.ceil(reset - time.time()))
                raise TooMany(N_("There were too many tries from this connection."), retry_after=wait)

    def clear(self) -> None:
        """Forget all counts (tests)."""
        self._storage.reset()


@lru_cache(maxsize=4096)
def block_of(address: str) -> str:
    """The network block of an address: /24 for IPv4, /56 for IPv6; what is no address counts as itself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 56), strict=False))
