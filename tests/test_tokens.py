"""Tokens: random or derived, bound to their purpose, never stored readable."""

from __future__ import annotations

from portal import tokens

KEYS = ("first-key-first-key-first-key-123", "older-key-older-key-older-key-123")


def test_new_tokens_differ_and_are_long() -> None:
    made = {tokens.new_token() for _ in range(100)}

    assert len(made) == 100
    assert min(map(len, made)) >= 32


def test_a_derived_token_depends_on_key_purpose_and_seed() -> None:
    token = tokens.derive("key", "receipt", "seed")

    assert token == tokens.derive("key", "receipt", "seed")
    assert len({token, tokens.derive("k2", "receipt", "seed"), tokens.derive("key", "x", "seed")}) == 3
    assert token != tokens.derive("key", "receipt", "seed2")


def test_a_stamp_tells_its_age() -> None:
    stamp = tokens.stamp(KEYS[0], "form", at=1000)

    assert tokens.stamp_age(KEYS, "form", stamp, at=1060) == 60


def test_a_stamp_of_the_fallback_key_still_counts() -> None:
    stamp = tokens.stamp(KEYS[1], "form", at=1000)

    assert tokens.stamp_age(KEYS, "form", stamp, at=1001) == 1


def test_a_changed_or_foreign_stamp_is_none() -> None:
    stamp = tokens.stamp(KEYS[0], "form", at=1000)
    broken = [stamp[:i] + ("A" if stamp[i] != "A" else "B") + stamp[i + 1 :] for i in range(len(stamp))]

    assert all(tokens.stamp_age(KEYS, "form", text, at=1001) is None for text in broken)
    assert tokens.stamp_age(KEYS, "other", stamp, at=1001) is None
    for text in ("", ".", "..", "a.b.c", "é", "\ud800", stamp * 2):
        assert tokens.stamp_age(KEYS, "form", text, at=1001) is None
