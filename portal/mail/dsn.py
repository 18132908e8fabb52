"""What a returned mail says: has the server given up, why, and about which of our mails. Pure; no database.

Bounces come as delivery status notifications (RFC 3464, RFC 6533), complaints as feedback reports (RFC 5965), and
both also as whatever a server thinks fit; what six servers really write is the corpus of `tests/mail/returned`.
Whether it is over says Action; why say the codes, never the class of Status alone: half of the servers always write
5.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from email.message import Message
from enum import StrEnum

MOST_BYTES = 1024 * 1024
MOST_PARTS, DEEPEST = 20, 5
SAID_MAX = 300


class Kind(StrEnum):
    """What a mail that came back means."""

    HARD = "hard"  # there is no such mailbox
    SOFT = "soft"  # given up, but it may exist
    POLICY = "policy"  # a rule of theirs is against our mail: nobody's fault who reads it
    DELAYED = "delayed"  # they still try
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    AUTO_REPLY = "auto_reply"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What one message is. `to` are the addresses it came to, `original` the headers of ours that it brings back."""

    kind: Kind
    code: str = ""
    said: str = ""
    to: tuple[str, ...] = ()
    original: Mapping[str, str] | None = None


_HARD = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_POLICY = frozenset({"5.3.4", "5.2.3"})
# Enhanced status (RFC 3463) and plain reply code; neither is a part of an address like 192.0.2.10.
_ENHANCED = re.compile(r"(?<![\w.:-])([245]\.\d{1,3}\.\d{1,3})(?![\w-]|\.\d)")
_BASIC = re.compile(r"(?<![\w.:-])([45]\d\d)(?=[ \-:]|$)(?!\.\d)", re.MULTILINE)
# Where a server gives no enhanced status: words that are about us, or about a mailbox that is none.
_AGAINST_US = re.compile(
    r"\b(spam|block(?:ed|list\w*)|blacklist\w*|policy|relay(?:ing)?|reputation|dmarc|spf|dkim|not authori[sz]ed)\b",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"\b(user unknown|unknown user|no such (?:user|recipient|mailbox|address)|does(?: not|n't) exist"
    r"|invalid recipient|unrouteable address)\b",
    re.IGNORECASE,
)
_GIVEN_UP = frozenset({"failed"})
_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
_ADDRESSED = ("Delivered-To", "X-Original-To", "Envelope-To", "To")
_NEVER_READ = {"text/rfc822-headers", "message/rfc822", "message/global", "message/global-headers"}
_STOP = frozenset({"unsubscribe", "stop", "remove", "baja", "cancelar"})
_ABUSE = frozenset({"abuse", "fraud", "virus", "opt-out", "opt-out-list"})


def judge(raw: bytes) -> Judged:
    """What a message is; never raises, whatever it is made of."""
    if len(raw) > MOST_BYTES:
        return Judged(kind=Kind.UNKNOWN, said="too large")
    if raw.lower().count(b"content-type:") > 5 * MOST_PARTS:
        return Judged(kind=Kind.UNKNOWN, said="too many parts")
    try:
        # compat32: it reads what modern policies refuse, and nothing of it is written again.
        message = message_from_bytes(raw, policy=policy.compat32)
        parts = list(_parts(message))
        return replace(_judged(message, parts), to=tuple(_addresses(message)))
    except (RecursionError, LookupError, ValueError, TypeError, AttributeError) as fault:
        return Judged(kind=Kind.UNKNOWN, said=type(fault).__name__)


def kind_of(code: str, words: str = "") -> Kind:
    """Why a server has given up, by its code (RFC 3463), else by its words."""
    family = code.rpartition(".")[0]
    if code in _HARD:
        return Kind.HARD
    if code in _POLICY or family in ("5.7", "4.7", "5.6"):
        return Kind.POLICY
    if family:
        return Kind.SOFT
    if _AGAINST_US.search(words):
        return Kind.POLICY
    if code in ("550", "551", "553") or _NOBODY.search(words):
        return Kind.HARD
    return Kind.SOFT


def code_in(words: str) -> str:
    """The first enhanced code in a server's words, else the first plain one; nothing where there is none."""
    said = [found[1] for found in _ENHANCED.finditer(words) if not found[1].endswith(".0.0")]
    if said:
        return said[0]
    plain = _BASIC.search(words)
    return plain[1] if plain else ""


def _judged(message: Message, parts: list[Message]) -> Judged:
    for part in parts:
        if part.get_content_type() == "message/feedback-report":
            return _complaint(part, parts)
    for part in parts:
        if part.get_content_type() in _STATUS_TYPES:
            return _status(part, parts)
    return _plain(message, parts)


def _complaint(report: Message, parts: list[Message]) -> Judged:
    fields = _blocks(report)[0]
    type_ = str(fields.get("Feedback-Type", "")).strip().lower()
    original = {**_original(parts), "Original-Mail-From": str(fields.get("Original-Mail-From", ""))}
    return Judged(
        kind=Kind.COMPLAINT if type_ in _ABUSE else Kind.UNKNOWN, said=_short(type_), original=original
    )


def _status(report: Message, parts: list[Message]) -> Judged:
    """RFC 3464: fields of the message, then a block of fields for each recipient; ours has one."""
    about = next((block for block in _blocks(report) if block.get("Action")), None)
    if about is None:
        return Judged(kind=Kind.UNKNOWN, said="a report without an action")
    action = str(about["Action"]).strip().lower()
    status = str(about.get("Status", "")).partition("(")[0].strip()
    diagnostic = " ".join(str(about.get("Diagnostic-Code", "")).partition(";")[2].split())
    text = "\n".join(_texts(parts))
    code = (
        code_in(diagnostic)
        or (status if _ENHANCED.fullmatch(status) and not status.endswith(".0.0") else "")
        or code_in(text)
    )
    # OpenSMTPD gives up with "delayed" and 4.4.7, delivery time expired.
    if action not in _GIVEN_UP and not (action == "delayed" and status == "4.4.7"):
        return Judged(kind=Kind.DELAYED if action == "delayed" else Kind.UNKNOWN, code=code, said=action)
    if code.isdigit() and _ENHANCED.fullmatch(status) and not status.endswith(".0.0"):
        code = status
    return Judged(
        kind=kind_of(code, diagnostic or text), code=code, said=_short(diagnostic or _line(text, code))
    )


def _plain(message: Message, parts: list[Message]) -> Judged:
    """No report: a bounce in words, where a mail system says so, else a person's or a program's answer."""
    text = "\n".join(_texts(parts))
    named = str(message.get("X-Failed-Recipients", "")).strip()
    sender = str(message.get("From", "")).lower()
    if not named and "mailer-daemon" not in sender and "postmaster" not in sender:
        subject = str(message.get("Subject", "")).strip().lower()
        if subject in _STOP and not message.get("Auto-Submitted"):
            return Judged(kind=Kind.UNSUBSCRIBE)
        is_mail = any(message.get(name) for name in ("From", "Subject", "Auto-Submitted", "Return-Path"))
        return Judged(kind=Kind.AUTO_REPLY if is_mail else Kind.UNKNOWN)
    said = re.split(r"(?mi)^(?:message headers follow|--+ ?(?:original|this is a copy).*)$", text)[0]
    code = code_in(said)
    if re.search(
        r"(?i)\b(delayed|still trying|will be retried|not yet been delivered|warning message)\b", said
    ):
        return Judged(kind=Kind.DELAYED, code=code)
    return Judged(kind=kind_of(code, said), code=code, said=_short(_line(said, code)))


def _parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """Every part down to the mail that is brought back; raises ValueError when it is nested too deep."""
    if depth > DEEPEST:
        raise ValueError("nested too deep")
    yield message
    if message.get_content_type() not in _NEVER_READ and message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _parts(part, depth + 1)
    elif message.get_content_type() in ("message/rfc822", "message/global") and message.is_multipart():
        inner: Message = message
        while depth <= DEEPEST and inner.is_multipart():  # a mail in a mail in a mail is nobody's bounce
            depth, inner = depth + 1, inner.get_payload()[0]  # type: ignore[assignment,index]
        if depth > DEEPEST:
            raise ValueError("nested too deep")


def _blocks(report: Message) -> list[Message]:
    """The fields of a report. Python splits one type into blocks; of the others it makes a header and a body."""
    payload = report.get_payload()
    if isinstance(payload, list) and len(payload) > 1:
        return [block for block in payload if isinstance(block, Message)]
    inner = payload[0] if isinstance(payload, list) and payload else None
    text = inner.as_string() if isinstance(inner, Message) else _decoded(report)
    blocks = [block for block in re.split(r"\r?\n[ \t]*\r?\n", text) if block.strip()]
    return [message_from_bytes(block.strip().encode("utf-8", "replace")) for block in blocks] or [Message()]


def _original(parts: list[Message]) -> dict[str, str]:
    """The headers of our mail that a report brings back."""
    for part in parts:
        type_, payload = part.get_content_type(), part.get_payload()
        if type_ in ("message/rfc822", "message/global") and isinstance(payload, list) and payload:
            return {str(name): str(value) for name, value in payload[0].items()}  # type: ignore[union-attr]
        if type_ in ("text/rfc822-headers", "message/global-headers"):
            headers = message_from_bytes(_decoded(part).encode("utf-8", "replace"))
            return {str(name): str(value) for name, value in headers.items()}
    return {}


def _texts(parts: list[Message]) -> Iterator[str]:
    for part in parts:
        if part.get_content_type() == "text/plain":
            yield _decoded(part)


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _addresses(message: Message) -> Iterator[str]:
    """To whom it came, as far as a mail server put it in front."""
    for name in _ADDRESSED:
        for value in message.get_all(name, []):
            yield from re.findall(r"[^\s<>,;:\"]+@[^\s<>,;:\"]+", str(value))


def _line(text: str, code: str) -> str:
    """The line that holds the code, or one that ends a recipient's line."""
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in lines if code and code in line), "")


def _short(words: str) -> str:
    """A server's words without any address."""
    words = " ".join("".join(char if char.isprintable() else " " for char in words).split())
    return re.sub(r"<[^>]*>|\S*@\S*", "…", words)[:SAID_MAX]
