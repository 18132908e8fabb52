"""Secrets in links: random ones of which only the hash is stored, and derived ones that need no storing.

A derived token is HMAC-SHA-256 (RFC 2104) of a seed under a key made from SECRET_KEY for that purpose alone, so
that the same form token leads to the same receipt however often it is sent, and the database holds only a hash.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

TOKEN_BYTES = 24  # 192 bits


LENGTH = 4 * TOKEN_BYTES // 3
INVITATION_LENGTH = 43  # 256 bits: what it opens is an account


def is_whole(token: str) -> bool:
    """Whether this can be one of ours: one that was cut can't."""
    return len(token) == LENGTH


def new_token() -> str:
    """A fresh url-safe secret."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> str:
    """What the database keeps of a token: SHA-256, in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def derive(key: str, purpose: str, seed: str) -> str:
    """The one token that belongs to this purpose and seed; 192 bits, url-safe."""
    mac = hmac.digest(key.encode(), f"{purpose}\0{seed}".encode(), "sha256")
    return base64.urlsafe_b64encode(mac[:TOKEN_BYTES]).decode()


def stamp(key: str, purpose: str, *, at: float) -> str:
    """A random, dated, signed token for one view of one form: `random.time.mac`."""
    body = f"{secrets.token_urlsafe(16)}.{int(at)}"
    return f"{body}.{derive(key, f'stamp/{purpose}', body)}"


def stamp_age(keys: tuple[str, ...], purpose: str, token: str, *, at: float) -> float | None:
    """Seconds since `token` was stamped for `purpose`, or None when it was not (or not by us)."""
    body, _, mac = token.rpartition(".")
    genuine = any(
        hmac.compare_digest(derive(key, f"stamp/{purpose}", body).encode(), mac.encode("utf-8", "replace"))
        for key in keys
    )
    if not genuine:
        return None
    return at - int(body.rpartition(".")[2])
