"""The codes of an authenticator app (TOTP, RFC 6238), and the sealed secrets behind them.

A code is good for 30 seconds before and after its own; that it works once is the database's doing
(`credentials.burn`). Secrets are sealed with a key made from SECRET_KEY, in the format of passlib's `totp`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from portal import tokens
from portal.settings import settings

if TYPE_CHECKING:
    from passlib.totp import TOTP

log = logging.getLogger(__name__)

SEAL_COST = (
    1  # rounds of PBKDF2, as a power of two: stretching is for words people choose, our keys are 192 bits
)
WINDOW = 30  # seconds


@dataclass(frozen=True)
class Match:
    """A code that was right: the 30-second step it stands for."""

    step: int
    sealed: str | None  # the secret under today's key, when it was sealed with an earlier one


def new_secret() -> str:
    """A secret for one more app, sealed."""
    sealed: str = _factory().new().to_json(encrypt=True)
    return sealed


def match(secret: str, code: str, *, after: int | None, at: datetime) -> Match | None:
    """What the code stands for, or None when it is wrong, or no later than the step `after`."""
    from passlib.exc import TokenError

    try:
        totp = _factory().from_source(secret)
        found = totp.match(code, time=at.timestamp(), window=WINDOW, last_counter=after)
    except TokenError:
        return None
    except (KeyError, ValueError):
        log.exception("a TOTP secret is sealed with a key that is gone: keep it in SECRET_KEY_FALLBACKS")
        return None
    return Match(found.counter, totp.to_json(encrypt=True) if totp.changed else None)


def key(secret: str) -> str:
    """The secret as somebody types it into their app."""
    words: str = _factory().from_source(secret).pretty_key(sep=" ")
    return words


def link(secret: str, email: str) -> str:
    """The secret as an address that a phone gives to its authenticator app when it is tapped."""
    address: str = _factory().from_source(secret).to_uri(email)
    return address


def picture(secret: str, email: str) -> bytes:
    """The secret as a QR code: SVG, dark on white in every colour scheme."""
    import qrcode  # for each new member of staff once
    from qrcode.image.svg import SvgPathFillImage

    image = qrcode.make(link(secret, email), image_factory=SvgPathFillImage, border=4)
    with BytesIO() as file:
        image.save(file)
        return file.getvalue()


def _factory() -> type[TOTP]:
    return _made(settings().keys, settings().ORG.name.replace(":", " "))


@lru_cache(maxsize=4)
def _made(keys: tuple[str, ...], issuer: str) -> type[TOTP]:
    """TOTP with the keys that open sealed secrets; the first of them seals."""
    from passlib.totp import TOTP  # with all of its ciphers, 2 MiB that only who signs in needs

    derived = [tokens.derive(key, "totp", "1") for key in keys]
    tags = {f"k{tokens.digest(key)[:10]}": key for key in derived}
    made: type[TOTP] = TOTP.using(
        issuer=issuer, secrets=tags, default_tag=next(iter(tags)), encrypt_cost=SEAL_COST
    )
    return made
