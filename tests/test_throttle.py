"""Limits count network blocks, not machines."""

from __future__ import annotations

import pytest

from portal.errors import TooMany
from portal.throttle import LIMITS, Throttle, block_of


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
