"""A real Redis: several processes count together; while it is away each counts by itself, and everybody is served."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from portal.throttle import ASK_AGAIN_AFTER, LIMITS, Throttle, TooMany
from tests import debian
from tests.live import free_port, listens, until
from tests.newsletter.people import sign_up
from tests.pages import Visitor

pytestmark = pytest.mark.slow

NAME = "request"
MOST = min(limit.amount for limit in LIMITS[NAME])


class Redis:
    """One that can be stopped and started."""

    def __init__(self, program: str, env: dict[str, str], folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._command = [program, "--port", str(self.port), "--save", "", "--dir", str(folder)]
        self._env = env
        self.start()

    def stop(self) -> None:
        """Without a word, as a machine that is gone."""
        self._running.kill()
        self._running.wait()

    def start(self) -> None:
        """Begin, with nothing counted."""
        self._running = subprocess.Popen(self._command, env=self._env, stdout=subprocess.DEVNULL)
        until(lambda: listens(self.port))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    packages = ("redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1")
    found = debian.program("redis-server", *packages)
    if found is None:
        pytest.skip("needs Debian's redis-server")
    made = Redis(*found, tmp_path)
    yield made
    made.stop()


def tries(throttle: Throttle, key: str = "192.0.2.0/24") -> int:
    """How many more are let through."""
    done = 0
    try:
        while True:
            throttle.hit(NAME, key)
            done += 1
    except TooMany:
        return done


def test_two_processes_count_together(redis: Redis) -> None:
    one, other = Throttle(redis.url), Throttle(redis.url)
    for _ in range(MOST - 1):
        one.hit(NAME, "192.0.2.0/24")

    assert tries(other) == 1
    with pytest.raises(TooMany) as refused:
        one.hit(NAME, "192.0.2.0/24")
    assert refused.value.retry_after > 0
    assert tries(other, "198.51.100.0/24") == MOST


def test_redis_stops_and_comes_back(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    at = [1000.0]
    monkeypatch.setattr("portal.throttle.time.monotonic", lambda: at[0])
    one, other = Throttle(redis.url), Throttle(redis.url)
    assert one.is_whole()

    redis.stop()
    assert not one.is_whole()
    assert (tries(one), tries(other)) == (
        MOST,
        MOST,
    )  # apart: never refused for want of a counter, never unbounded

    redis.start()
    at[0] += ASK_AGAIN_AFTER
    assert one.is_whole()
    assert tries(one) == MOST
    assert tries(other) == 0  # together again


def test_a_portal_serves_while_redis_is_away(
    redis: Redis, app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.extensions, "throttle", Throttle(redis.url))
    assert visitor.get("/readyz").get_json()["checks"]["limits"] is True

    redis.stop()
    sign_up(visitor)

    ready = visitor.get("/readyz")
    assert (ready.status_code, ready.get_json()["checks"]["limits"]) == (200, False)
