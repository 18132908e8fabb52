"""How many tries one place has in a moving window of time.

Counts live in memory, which is right for the one process that serves on SQLite, or in Redis, by the `limits` library,
when REDIS_URL is set, and in memory again while Redis is away. A place is a network block and
no machine: /24 of IPv4, /56 of IPv6, so that a range cannot be walked.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from portal.errors import N_, TooMany


# A busy clinic shares one address: what is stored is limited by the person's patience, what is merely sent
# by what a machine does. `docs/limits.md` says why each number is what it is.
class Limit(NamedTuple):
    """So many tries in a moving window of so many seconds."""

    amount: int
    window: int


MINUTE, HOUR, DAY = 60, 3600, 86400
LIMITS = {
    "post": [Limit(240, MINUTE)],
    "request": [Limit(30, 10 * MINUTE), Limit(200, DAY)],
    "code": [Limit(20, 10 * MINUTE), Limit(60, DAY)],
    "code-request": [Limit(4, 15 * MINUTE), Limit(12, DAY)],
    "code-try": [Limit(60, 10 * MINUTE)],
    "signup": [Limit(30, 10 * MINUTE), Limit(200, DAY)],
    "confirm": [Limit(60, 10 * MINUTE)],
    "sign-in": [Limit(10, 5 * MINUTE)],
    "sign-in-account": [Limit(5, 5 * MINUTE)],
    "second-factor": [Limit(10, 5 * MINUTE), Limit(20, HOUR)],
}

MOST_KEYS = 20_000  # of each limit, about 5 MB
ANSWERS_WITHIN = 0.5  # seconds; whoever waits for Redis holds a thread
ASK_AGAIN_AFTER = 5.0  # seconds

log = logging.getLogger(__name__)


class InMemory:
    """The counts of one process: of each key the times of its last tries, as many as its limit has.

    Each limit has the keys that tried last at the end. With each try two at most that are over go from the front, and
    what is too many: memory is bounded, and nobody waits for a sweep.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: dict[tuple[Limit, str], OrderedDict[str, list[float]]] = {}

    def hit(self, limit: Limit, name: str, key: str) -> float:
        """Count one try and give 0, or, when there were too many, the seconds to wait."""
        window, at = limit.window, self._clock()
        with self._lock:
            known = self._tries.setdefault((limit, name), OrderedDict())
            for _ in range(2):
                first = next(iter(known), None)
                if first is not None and (known[first][-1] + window <= at or len(known) > MOST_KEYS):
                    del known[first]
            tries = known.setdefault(key, [])
            known.move_to_end(key)
            if len(tries) == limit.amount:
                if tries[0] + window > at:
                    return tries[0] + window - at
                del tries[0]
            tries.append(at)
            return 0.0

    def clear(self) -> None:
        """Forget all."""
        self._tries.clear()


class Shared:
    """The counts of several processes, in Redis."""

    def __init__(self, url: str) -> None:
        from limits.storage import storage_from_string  # 1.5 MiB, of no use without Redis
        from limits.strategies import MovingWindowRateLimiter

        patience = {"socket_connect_timeout": ANSWERS_WITHIN, "socket_timeout": ANSWERS_WITHIN}
        self._storage = storage_from_string(url, wrap_exceptions=True, **patience)
        self._limiter = MovingWindowRateLimiter(self._storage)

    def hit(self, limit: Limit, name: str, key: str) -> float | None:
        """As `InMemory.hit`, or None when Redis cannot be asked."""
        from limits import RateLimitItemPerSecond
        from limits.errors import StorageError

        item = RateLimitItemPerSecond(*limit)
        try:
            if self._limiter.hit(item, name, key):
                return 0.0
            return max(1.0, self._limiter.get_window_stats(item, name, key).reset_time - time.time())
        except StorageError as error:
            reason = type(error.__cause__ or error).__name__
            log.error("Redis does not answer: tries are counted in memory", extra={"reason": reason})
            return None

    def answers(self) -> bool:
        """Whether it can be asked."""
        return bool(self._storage.check())

    def clear(self) -> None:
        """Forget all."""
        self._storage.reset()


class Throttle:
    """The counters of one process or, with Redis, of all; while Redis is away, each process counts by itself."""

    def __init__(self, redis_url: str = "") -> None:
        self._own = InMemory()
        self._shared = Shared(redis_url) if redis_url else None
        self._apart_until = 0.0

    def hit(self, name: str, key: str) -> None:
        """Count one try; raise TooMany (with the seconds to wait) when the limit was reached already."""
        for limit in LIMITS[name]:
            if wait := self._count(limit, name, key):
                raise TooMany(
                    N_("There were too many tries from this connection."), retry_after=math.ceil(wait)
                )

    def is_whole(self) -> bool:
        """Whether what should be counted together is."""
        return self._shared is None or self._shared.answers()

    def clear(self) -> None:
        """Forget all counts (tests)."""
        self._own.clear()
        if self._shared:
            self._shared.clear()

    def _count(self, limit: Limit, name: str, key: str) -> float:
        if self._shared and time.monotonic() >= self._apart_until:
            wait = self._shared.hit(limit, name, key)
            if wait is not None:
                return wait
            self._apart_until = time.monotonic() + ASK_AGAIN_AFTER
        return self._own.hit(limit, name, key)


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
