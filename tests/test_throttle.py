"""Limits count network blocks, not machines."""

from __future__ import annotations

import pytest

from portal.errors import TooMany
from portal.throttle import ASK_AGAIN_AFTER, LIMITS, InMemory, Throttle, block_of


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("nonsense", "nonsense"),
    ],
)
def test_an_address_counts_as_its_block(address: str, block: str) -> None:
    assert block_of(address) == block


def test_the_try_after_the_last_is_refused_with_the_time_to_wait() -> None:
    throttle = Throttle()
    most = LIMITS["sign-in"][0].amount

    for _ in range(most):
        throttle.hit("sign-in", "a")
    with pytest.raises(TooMany) as caught:
        throttle.hit("sign-in", "a")

    assert 1 <= caught.value.retry_after <= 300
    throttle.hit("sign-in", "b")


def test_the_window_moves_with_each_try() -> None:
    """Nobody gets twice the limit by waiting for a new minute to begin."""
    at = 1_000.0
    counts = InMemory(lambda: at)
    limit = LIMITS["sign-in"][0]  # 10 in 5 minutes

    for _ in range(limit.amount):
        assert counts.hit(limit, "sign-in", "a") == 0
        at += 10
    assert counts.hit(limit, "sign-in", "a") == 200, "until the first of them is five minutes old"
    at += 200
    assert counts.hit(limit, "sign-in", "a") == 0
    assert counts.hit(limit, "sign-in", "a") == 10, "and then the second"


def test_a_try_that_was_refused_does_not_count() -> None:
    at = 0.0
    counts = InMemory(lambda: at)
    limit = LIMITS["sign-in"][0]

    for _ in range(3 * limit.amount):
        counts.hit(limit, "sign-in", "a")
    at = limit.window

    assert counts.hit(limit, "sign-in", "a") == 0


def test_what_is_over_goes_bit_by_bit_and_nothing_else() -> None:
    at = 0.0
    counts = InMemory(lambda: at)
    minute, day = LIMITS["post"][0], LIMITS["request"][1]
    for number in range(1_000):
        counts.hit(minute, "post", f"10.0.{number}.0/24")
        counts.hit(day, "request", f"10.0.{number}.0/24")

    at = minute.window + 1
    for number in range(500):
        counts.hit(minute, "post", f"10.1.{number}.0/24")
        counts.hit(day, "request", "10.0.0.0/24")

    assert [len(known) for known in counts._tries.values()] == [500, 1_000]


def test_memory_is_bounded_by_what_was_counted_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.throttle.MOST_KEYS", 100)
    counts = InMemory(lambda: 0.0)
    limit = LIMITS["sign-in"][0]
    for number in range(1_000):
        counts.hit(limit, "sign-in", f"10.0.{number}.0/24")
        counts.hit(limit, "sign-in", "10.9.9.0/24")  # who tries again and again is not forgotten

    assert all(len(known) <= 101 for known in counts._tries.values())
    assert counts.hit(limit, "sign-in", "10.9.9.0/24") > 0 or limit.amount > 1_000


class Away:
    """Redis, which may be away."""

    def __init__(self) -> None:
        self.is_away, self.asked = True, 0

    def hit(self, *_what: object) -> float | None:
        self.asked += 1
        return None if self.is_away else 0.0

    def answers(self) -> bool:
        return not self.is_away


def test_while_redis_is_away_tries_are_counted_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [1000.0]
    monkeypatch.setattr("portal.throttle.time.monotonic", lambda: at[0])
    throttle, redis = Throttle(), Away()
    throttle._shared = redis  # type: ignore[assignment]

    for _ in range(5):
        throttle.hit("sign-in-account", "ana")
    with pytest.raises(TooMany):
        throttle.hit("sign-in-account", "ana")
    assert redis.asked == 1  # whoever comes next waits for nobody
    assert not throttle.is_whole()

    redis.is_away = False
    at[0] += ASK_AGAIN_AFTER
    throttle.hit("sign-in-account", "ana")

    assert redis.asked == 2
    assert throttle.is_whole()
