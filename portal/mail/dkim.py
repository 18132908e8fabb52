"""Our signature under a mail (DKIM, RFC 6376; Ed25519 by RFC 8463), where a key is set.

The same mail gets the same signature: both algorithms are deterministic, and `t` is when the mail was promised. The
key is read once in a process. Decision 0063 says why no library signs.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from portal.settings import settings

RSA_BITS = 2048
# What is signed, each once more than it is there: so that nobody can add a second one (RFC 6376, 8.15).
SIGNED = (
    "From", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
    "Content-Language", "Auto-Submitted", "Feedback-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
    "List-Help", "List-Owner", "List-Archive", "List-Post",
)  # fmt: skip
WIDTH, PIECE = 76, 72  # of a line; of base64, in which white space may stand (RFC 6376, 3.5)
_BLANKS = re.compile(rb"[ \t]+")
_FOLDS = re.compile(rb"\r\n(?=[ \t])")
_NAME = re.compile(rb"^([^:\r\n]+?)[ \t]*:")


@dataclass(frozen=True)
class Signer:
    """A key with the name under which its public half is published."""

    algorithm: str  # as `a` says it
    kind: str  # as `k` in the record says it
    public: str  # as `p` in the record says it
    sign: Callable[[bytes], bytes]

    @property
    def record(self) -> str:
        """What is to be published (RFC 6376, 3.6.1)."""
        return f"v=DKIM1; k={self.kind}; p={self.public}"


@cache
def read(path: Path) -> Signer:
    """The key in a PEM file, parsed once. Raises ValueError, which says what is wrong with it."""
    from cryptography.exceptions import UnsupportedAlgorithm  # where no key is set nothing of it is loaded
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it asks for a password
        raise ValueError("is no private key in PEM without a password") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        # RFC 8463, 3: what is signed is the digest.
        return Signer(
            "ed25519-sha256", "ed25519", _base64(raw), lambda data: key.sign(hashlib.sha256(data).digest())
        )
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("must be an RSA or an Ed25519 key")
    if key.key_size < RSA_BITS:
        raise ValueError(f"has {key.key_size} bits: {RSA_BITS} or more")
    known = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Signer(
        "rsa-sha256",
        "rsa",
        _base64(known),
        lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256()),
    )


def sign(content: bytes, *, at: datetime) -> bytes:
    """The mail, with CRLF line ends, with our signature before it, or as it is where no key is set."""
    config = settings()
    if config.DKIM_KEY_FILE is None:
        return content
    signer = read(config.DKIM_KEY_FILE)
    return (
        signature(signer, content, domain=config.DKIM_DOMAIN, selector=config.DKIM_SELECTOR, at=at) + content
    )


def signature(signer: Signer, content: bytes, *, domain: str, selector: str, at: datetime) -> bytes:
    """The header that signs a mail with CRLF line ends, relaxed/relaxed; one line or more, with its end."""
    head, _, body = content.partition(b"\r\n\r\n")
    lines = _FOLDS.sub(b"", head).split(b"\r\n")
    there: dict[bytes, list[bytes]] = {}
    for line in lines:
        if name := _NAME.match(line):
            there.setdefault(name[1].lower(), []).append(line)
    names, signed = list[str](), list[bytes]()
    for header in SIGNED:
        found = there.get(header.lower().encode(), [])
        names += [header] * (len(found) + 1)
        signed += [_relaxed(line) for line in reversed(found)]  # from the bottom up (RFC 6376, 5.4.2)
    tags = [
        " v=1;", f" a={signer.algorithm};", " c=relaxed/relaxed;", f" d={domain};", f" s={selector};",
        f" t={int(at.timestamp())};", *(f"{' h=' if not n else ''}{name}{':' if n + 1 < len(names) else ';'}"
                                      for n, name in enumerate(names)),
        f" bh={_base64(hashlib.sha256(_relaxed_body(body)).digest())};",
    ]  # fmt: skip
    # `b` begins a line, so that no white space comes before its value: not every verifier takes that away too.
    unsigned = _folded("DKIM-Signature:", tags) + b"\r\n b="
    data = b"".join(line + b"\r\n" for line in signed) + _relaxed(_FOLDS.sub(b"", unsigned))
    value = _base64(signer.sign(data))
    pieces = [value[begin : begin + PIECE] for begin in range(0, len(value), PIECE)]
    return _folded(unsigned.decode("ascii"), pieces) + b"\r\n"


def _relaxed(line: bytes) -> bytes:
    """One unfolded header (RFC 6376, 3.4.2), without its end."""
    name, _, value = line.partition(b":")
    return name.strip().lower() + b":" + _BLANKS.sub(b" ", value).strip()


def _relaxed_body(body: bytes) -> bytes:
    """RFC 6376, 3.4.4; what is relaxed already, as ours nearly is, is only looked through."""
    if b"  " in body or b"\t" in body:
        body = _BLANKS.sub(b" ", body)
    body = body.replace(b" \r\n", b"\r\n").rstrip(b" \r\n")
    return body + b"\r\n" if body else b""


def _folded(begun: str, words: list[str]) -> bytes:
    """The words after what is begun, in lines of `WIDTH`; a line ends where it may hold white space."""
    said, width = begun, len(begun.rpartition("\n")[2])
    for word in words:
        if width + len(word) > WIDTH:
            said, width, word = f"{said}\r\n ", 1, word.lstrip()
        said, width = said + word, width + len(word)
    return said.encode("ascii")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
