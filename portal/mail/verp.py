"""Return addresses that say which mail came back (VERP), each sealed so that nobody makes one up.

`b+<number>.<seal>@BOUNCE_DOMAIN`: small letters and digits alone (RFC 4648, base 32), for servers change capitals. A
seal is 40 bits of an HMAC; what it opens is one reader's subscription to be stopped, never anything to read.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from portal import tokens
from portal.settings import settings

RETURNED = "b"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_LOCAL = re.compile(r"([a-z])\+([a-z2-7]{1,13})\.([a-z2-7]{8})")


@dataclass(frozen=True)
class Address:
    """What an address of that form says, sealed by whomever."""

    letter: str
    number: int
    seal: str

    def is_sealed(self, keys: Iterable[str], seed: str = "") -> bool:
        """Whether one of these keys made it."""
        return any(hmac.compare_digest(_seal(key, self.letter, self.number, seed), self.seal) for key in keys)


def make(letter: str, number: int, key: str, seed: str = "", *, domain: str) -> str:
    """The address for that number, sealed; nothing without a domain."""
    if not domain:
        return ""
    return f"{letter}+{_written(number)}.{_seal(key, letter, number, seed)}@{domain}"


def return_address(delivery_id: int, message_id: str) -> str:
    """Where this one mail comes back to."""
    config = settings()
    return make(RETURNED, delivery_id, config.SECRET_KEY, message_id, domain=config.BOUNCE_DOMAIN)


def read(address: str) -> Address | None:
    """What an address says; None for one of another form, or whose number no row could have."""
    found = _LOCAL.fullmatch(address.rpartition("@")[0].strip("<").lower())
    if found is None or (number := _number(found[2])) >= 2**31:
        return None
    return Address(found[1], number, found[3])


def _written(number: int) -> str:
    said = ""
    while number or not said:
        number, digit = divmod(number, len(_ALPHABET))
        said = _ALPHABET[digit] + said
    return said


def _number(written: str) -> int:
    number = 0
    for char in written:
        number = number * len(_ALPHABET) + _ALPHABET.index(char)
    return number


def _seal(key: str, letter: str, number: int, seed: str) -> str:
    mac = hmac.digest(tokens.derive(key, f"return/{letter}", seed).encode(), str(number).encode(), "sha256")
    return base64.b32encode(mac[:5]).decode().lower()
