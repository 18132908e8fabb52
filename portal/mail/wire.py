"""The bytes of a mail (RFC 5322): one body for all who get it, and before it the headers of each alone.

The same mail is always the same bytes: nothing in it is random, the boundary between its parts is a digest of them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime


class _Policy(EmailPolicy):
    """SMTP's policy, but a list's addresses stay as they are: folded, a long one would become an encoded word,
    which no mail program takes for an address (RFC 2369, 2)."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """One header, ready for the wire."""
        if name.startswith("List-"):
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_POLICY = _Policy(linesep="\r\n", cte_type="7bit", max_line_length=76)


def body(
    *,
    sender: str,
    subject: str,
    at: datetime,
    language: str,
    text: str,
    html: str,
    headers: Mapping[str, str],
) -> bytes:
    """All of a mail that is the same for everybody; `at` is its Date (RFC 3834: it answers to no answer)."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = sender
    mail["Subject"] = subject
    mail["Date"] = format_datetime(at)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    # "=_" can stand in no quoted-printable text (RFC 2045, 6.7).
    mail.set_boundary("=_" + hashlib.sha256(f"{text}\0{html}".encode()).hexdigest()[:32])
    mail["Content-Language"] = language  # last: what begins with Content- would go to the first part
    return mail.as_bytes()


def head(*, to: str, message_id: str, headers: Mapping[str, str]) -> bytes:
    """The headers of one recipient, which go before the body. Raises ValueError for a value with a line end in it."""
    named = {"To": to, "Message-ID": message_id, **headers}
    return b"".join(
        _POLICY.fold_binary(*_POLICY.header_store_parse(name, value)) for name, value in named.items()
    )


def refuse_line_ends(*values: str) -> None:
    """Raise ValueError for a value that would bring a header of its own: what `head` refuses, at a fiftieth of it."""
    if any("\r" in value or "\n" in value for value in values):
        raise ValueError("a header's value has a line end in it")


def whole(content: bytes, *, to: str, message_id: str, headers: Mapping[str, str] | None) -> bytes:
    """One mail as it is sent; without `headers` the body says it all itself (those of version 0.1)."""
    return content if headers is None else head(to=to, message_id=message_id, headers=headers) + content


def new_message_id(mail_from: str, unique: str = "") -> str:
    """A Message-ID (RFC 5322, 3.6.4) in our own domain; it names nobody. `unique` stands for itself, if given."""
    return f"<{unique or secrets.token_hex(16)}@{mail_from.rpartition('@')[2]}>"
