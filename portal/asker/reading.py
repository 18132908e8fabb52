"""What a mail to REPLY_TO is: a person's words, a machine's, or a report; from whom, to which address. No database.

Bounces and reports are told apart by `mail/dsn.py`, which bounds size, parts and nesting too; here stands what it
need not know: a person's reply from an out-of-office one (RFC 3834, and what servers write besides).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from html.parser import HTMLParser
from itertools import accumulate

from portal.mail import dsn

TEXT_MAX = 20_000
_REPORTS = (dsn.Kind.HARD, dsn.Kind.SOFT, dsn.Kind.POLICY, dsn.Kind.DELAYED, dsn.Kind.COMPLAINT)
_MARKS = ("X-Autoreply", "X-Autorespond", "X-Auto-Reply", "X-Autoresponder", "List-Id", "X-Failed-Recipients")
_AWAY = re.compile(
    r"^(?:auto|auto(?:matic|mated)?[- ]?(?:reply|response)|out of (?:the )?office"
    r"|away from (?:my|the) (?:office|desk)|respuesta autom[aá]tica|fuera de la oficina)(?::|$)",
    re.IGNORECASE,
)
_HEAD = r"On\b.{0,300}\bwrote:|El\b.{0,300}\bescribi[oó]:"
_WROTE = re.compile(rf"^(?:{_HEAD})$", re.IGNORECASE)
_QUOTE_BEGINS = re.compile(
    rf"^(?:{_HEAD}|-{{2,}} ?Original Message ?-{{2,}}|_{{20,}}|\*?(?:From|De):\*? .+)$", re.IGNORECASE
)
LINES_OF_A_HEAD = 3
_SIGNED = "-- "


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One mail. `is_whole` says that all of it stands in `text`: no attachment, nothing cut."""

    message_id: str
    sender: str
    to: tuple[str, ...]
    text: str
    is_automatic: bool
    is_whole: bool

    @property
    def own_words(self) -> str:
        """What its writer wrote, without what they quoted."""
        words, lines = [], self.text.splitlines()
        for number, line in enumerate(lines):
            if _begins_quote(lines[number : number + LINES_OF_A_HEAD]) or line == _SIGNED:
                break
            if not line.startswith(">"):
                words.append(line)
        return "\n".join(words).strip()


def _begins_quote(lines: Sequence[str]) -> bool:
    """Whether what is quoted begins here: its head is one line, or broken into two or three."""
    heads = accumulate((line.strip() for line in lines), lambda head, line: f"{head} {line}".strip())
    first, *longer = heads
    return bool(_QUOTE_BEGINS.match(first) or any(_WROTE.match(head) for head in longer))


def read(raw: bytes) -> Reply | None:
    """The mail, if it can be a reply at all: not a report, nothing too large, too nested or broken. Never raises."""
    judged = dsn.judge(raw)
    if judged.kind in _REPORTS or judged.kind == dsn.Kind.UNKNOWN:
        return None
    try:
        # compat32, as in `dsn.py`: it reads what modern policies refuse, and nothing of it is written again.
        message = message_from_bytes(raw, policy=policy.compat32)
        senders = getaddresses([str(value) for value in message.get_all("From", [])])
        if len(senders) != 1:
            return None
        copied = [str(value) for name in ("Cc", "To", "Envelope-To") for value in message.get_all(name, [])]
        texts, is_whole = _texts(message)
        return Reply(
            message_id=" ".join(str(message.get("Message-ID", "")).split()),
            sender=senders[0][1].strip(),
            to=(*judged.to, *(address for _, address in getaddresses(copied))),
            text=texts[:TEXT_MAX],
            is_automatic=_is_automatic(message),
            is_whole=is_whole and len(texts) <= TEXT_MAX,
        )
    except (RecursionError, LookupError, ValueError, TypeError, AttributeError):
        return None


def words(raw: bytes) -> str:
    """All that a message says, with its subject and what it quotes; of one that is broken, its bytes as letters."""
    try:
        message = message_from_bytes(raw)
        return f"{_subject(message)}\n{_texts(message)[0]}"
    except (RecursionError, LookupError, ValueError, TypeError, AttributeError):
        return raw.decode("utf-8", "replace")


def senders(head: bytes) -> set[str]:
    """From whom a mail says that it is, by the beginning of it."""
    try:
        message = message_from_bytes(head, policy=policy.compat32)
        found = [str(value) for name in ("From", "Sender", "Reply-To") for value in message.get_all(name, [])]
        return {address.strip().casefold() for _, address in getaddresses(found)}
    except (RecursionError, LookupError, ValueError, TypeError, AttributeError):
        return set()


def _is_automatic(message: Message) -> bool:
    submitted = str(message.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
    if submitted not in ("no", "") or any(message.get(name) for name in _MARKS):
        return True
    if str(message.get("Precedence", "")).strip().lower() in ("auto_reply", "bulk", "junk", "list"):
        return True
    if str(message.get("Return-Path", "")).strip() == "<>":
        return True
    return bool(_AWAY.match(_subject(message).strip()))


def _subject(message: Message) -> str:
    return str(make_header(decode_header(str(message.get("Subject", "")))))


def _texts(message: Message) -> tuple[str, bool]:
    """The words of a mail, and whether it holds no more than them."""
    plain, html, is_whole = list[str](), list[str](), True
    for part in _leaves(message):
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment" or kind not in ("text/plain", "text/html"):
            is_whole = False
        else:
            (plain if kind == "text/plain" else html).append(_decoded(part))
    words = "\n".join(plain)
    return (words if words.strip() else "\n".join(_Words.of(one) for one in html)), is_whole


def _leaves(message: Message) -> Iterator[Message]:
    """Every part that holds something; `dsn.judge` saw that they are few and not too deep."""
    if message.get_content_maintype() == "message" or not message.is_multipart():
        yield message
        return
    for part in message.get_payload():
        if isinstance(part, Message):
            yield from _leaves(part)


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return payload.decode("utf-8", "replace")


class _Words(HTMLParser):
    """The words of a page: blocks are lines, and nothing else of it is kept."""

    BLOCKS = frozenset({"p", "div", "br", "li", "tr", "blockquote", "h1", "h2", "h3", "pre", "table"})
    SILENT = frozenset({"style", "script", "head", "title"})

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.silent = 0

    @classmethod
    def of(cls, html: str) -> str:
        parser = cls()
        parser.feed(html)
        parser.close()
        lines = (" ".join(line.split()) for line in "".join(parser.words).splitlines())
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in self.SILENT
        if tag in self.BLOCKS:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in self.SILENT and self.silent > 0
        if tag in self.BLOCKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.words.append(data)
