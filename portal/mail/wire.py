"""The bytes of a mail (RFC 5322): one body for all who get it, and before it the headers of each alone.

The same mail is always the same bytes: nothing in it is random, the boundary between its parts is a digest of them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from email.charset import Charset
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, formataddr
from functools import lru_cache
from itertools import accumulate
from typing import Any

from portal.mail.letters import Own

_POLICY = EmailPolicy(linesep="\r\n", cte_type="7bit", max_line_length=76)
_UTF8 = Charset("utf-8")
_NAMED = re.compile(r"<(\d{1,9})\.[0-9a-f]{24}@.*>")
_ENCODED_MAX = 69  # of an encoded word (RFC 2047, 2), with "From: " before it in 76 columns


def body(
    *,
    sender: tuple[str, str],
    reply_to: str,
    subject: str,
    at: datetime,
    language: str,
    text: str,
    html: str,
    headers: Mapping[str, str],
    automatic: bool = True,
) -> bytes:
    """All of a mail that is the same for everybody; `sender` is a name and an address, `at` the mail's Date.

    What a person wrote is not `automatic`: it is not marked so (RFC 3834, 5), and gets an out-of-office reply.
    """
    mail = EmailMessage(policy=_POLICY)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(at)
    if automatic:
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(html, subtype="html", cte="quoted-printable")
    # "=_" can stand in no quoted-printable text (RFC 2045, 6.7).
    mail.set_boundary("=_" + hashlib.sha256(f"{text}\0{html}".encode()).hexdigest()[:32])
    mail["Content-Language"] = language  # last: what begins with Content- would go to the first part
    first = {"From": mailbox(*sender), **({"Reply-To": reply_to} if reply_to else {}), **headers}
    return b"".join(_line(name, value) for name, value in first.items()) + mail.as_bytes()


def mailbox(name: str, address: str) -> str:
    """A name and its address (RFC 5322, 3.4). A line is broken between encoded words or before the address, never
    inside a name: there Python 3.11 loses the quotes, and a comma would make two addresses of it."""
    if name.isascii():
        words = [formataddr((name, "x")).removesuffix(" <x>")]
    else:
        words = [""]
        for char in name:
            if len(_UTF8.header_encode(words[-1] + char)) > _ENCODED_MAX:
                words.append("")
            words[-1] += char
        words = [_UTF8.header_encode(word) for word in words]
    return "\r\n ".join([*words, f"<{address}>"])


def head(*, to: str, message_id: str, headers: Mapping[str, str]) -> bytes:
    """The headers of one recipient, which go before the body. Raises ValueError for a value with a line end in it."""
    named = {"To": to, "Message-ID": message_id, **headers}
    refuse_line_ends(*named.values())
    return b"".join(_line(name, value) for name, value in named.items())


def _line(name: str, value: str) -> bytes:
    """A header as it is: addresses, which folding would break or make encoded words of (RFC 2369, 2)."""
    return f"{name}: {value}\r\n".encode("ascii")


def refuse_line_ends(*values: str) -> None:
    """Raise ValueError for a value that would bring a header of its own."""
    if any("\r" in value or "\n" in value for value in values):
        raise ValueError("a header's value has a line end in it")


def whole(
    content: bytes,
    *,
    to: str,
    message_id: str,
    headers: Mapping[str, str] | None,
    own: Own | None = None,
) -> bytes:
    """One mail as it is sent, every line end CRLF, with what is its recipient's `own` merged; without `headers` the
    body says it all itself (those of version 0.1)."""
    if headers is None:
        return canonical(content)
    if own is None:
        return head(to=to, message_id=message_id, headers=headers) + canonical(content)
    return head(to=to, message_id=message_id, headers={**headers, **own.headers}) + merge(content, own.words)


def canonical(content: bytes) -> bytes:
    """The same with CRLF line ends: a bare one may end a mail for the next server (RFC 5321, 2.3.8)."""
    if content.count(b"\n") == content.count(b"\r\n") == content.count(b"\r"):
        return content
    return re.sub(rb"\r\n|\r|\n", b"\r\n", content)


def digest(content: bytes) -> bytes:
    """What is kept of a mail that was sent: SHA-256."""
    return hashlib.sha256(content).digest()


def merge(content: bytes, words: Mapping[str, str]) -> bytes:
    """Put others of the same length in the place of words that quoted-printable leaves as they are (RFC 2045, 6.7);
    a soft line break within one stays where it is, so that no line grows. Line ends become CRLF."""
    for word, other in words.items():
        if len(word) != len(other):
            raise ValueError("a word of another length would move the lines")
    others = [other.encode("ascii") for other in words.values()]
    found, rest = _places(content, tuple(words))
    made = []
    for before, which, parts in found:
        made += [before, b"=\r\n".join(others[which][part] for part in parts)]
    return b"".join([*made, rest])


@lru_cache(maxsize=4)  # one body goes to very many
def _places(content: bytes, words: tuple[str, ...]) -> tuple[list[tuple[bytes, int, list[slice]]], bytes]:
    """Where the words stand: what is before each, which it is, its parts between soft line breaks; and the rest."""
    content = canonical(content)
    broken = (b"(?:=\r\n)?".join(re.escape(char.encode("ascii")) for char in word) for word in words)
    pattern = re.compile(b"|".join(b"(%s)" % one for one in broken))
    found, at = [], 0
    for match in pattern.finditer(content) if words else ():
        ends = list(accumulate(len(part) for part in match[0].split(b"=\r\n")))
        parts = [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
        found.append((content[at : match.start()], (match.lastindex or 1) - 1, parts))
        at = match.end()
    return found, content[at:]


def new_message_id(mail_from: str, unique: str = "") -> str:
    """A Message-ID (RFC 5322, 3.6.4) in our own domain; it names nobody. `unique` stands for itself, if given."""
    return f"<{unique or secrets.token_hex(16)}@{mail_from.rpartition('@')[2]}>"


def new_names(mail_from: str) -> str:
    """What the Message-IDs of one body's many deliveries are made of: a secret, and our own domain."""
    return f"{secrets.token_hex(16)}@{mail_from.rpartition('@')[2]}"


def name_of(number: int, names: str) -> str:
    """The Message-ID of the delivery of that number: nobody makes up another's who has one."""
    secret, _, domain = names.partition("@")
    return f"<{number}.{hmac.digest(secret.encode(), str(number).encode(), 'sha256').hex()[:24]}@{domain}>"


def message_id(row: Any) -> str:
    """The Message-ID of a delivery, of which `id`, `message_id` and its body's `names` were read."""
    return row.message_id or name_of(row.id, row.names)


def number_in(named: str) -> int | None:
    """Which delivery a Message-ID that `name_of` made would be; whether it is must be compared."""
    found = _NAMED.fullmatch(named)
    return int(found[1]) if found else None
