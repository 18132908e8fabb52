"""The codes of an authenticator app (RFC 6238 over RFC 4226), for the tests that sign in."""

from __future__ import annotations

import base64
import hmac
import struct

STEP = 30  # seconds


def code(key: str, at: float) -> str:
    """The six digits that an app shows at `at`."""
    bare = key.replace(" ", "").replace("-", "").upper()
    secret = base64.b32decode(bare + "=" * (-len(bare) % 8))
    mac = hmac.digest(secret, struct.pack(">Q", int(at) // STEP), "sha1")
    start = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[start : start + 4])[0] & 0x7FFFFFFF) % 10**6:06}"
