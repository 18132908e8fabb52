"""How a mail leaves: by SMTP, or as a file to read where no server is set.

A failure says whose fault it is, because that decides what happens next: the relay's or our settings' (nobody's mail
goes, wait), this message's for now (try again), or this message's for good (give up). Which of them is judged by the
stage, the code, the enhanced status (RFC 3463), and where a server gives none, by its words.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from portal import disk
from portal.mail.sasl import sign_in

CONNECT_SECONDS = 30
COMMAND_SECONDS = 60
# What a server does after the final dot may take long, and to hang up before it has answered sends the mail twice:
# RFC 5321, 4.5.3.2.6.
ACCEPT_SECONDS = 600
# The longest that one mail can take: MAIL, RCPT and DATA on a kept connection that ends meanwhile; then to connect,
# TLS, HELO twice, sign in (three answers), the three again, its bytes, and the answer to them.
LONGEST = timedelta(seconds=2 * CONNECT_SECONDS + 12 * COMMAND_SECONDS + ACCEPT_SECONDS)
SAID_MAX = 200  # characters of a server's answer
BROKE = "the connection broke before the server's answer"  # it may have taken the mail
POLICY = "refused for now"  # how the reason of a Policy begins


class DeliveryError(Exception):
    """The mail did not go; the text is safe to keep (it holds no address and no content)."""


class RelayDown(DeliveryError):
    """The server cannot be reached, or will not have us: not this mail's fault."""


class Closing(RelayDown):
    """The server ends the connection (421)."""


class Deferred(DeliveryError):
    """The server said not now (4yz of RFC 5321, 4.2.1)."""


class Policy(Deferred):
    """The server refuses by a rule (5.7.x of RFC 3463): about us more often than about who gets it."""


class Rejected(DeliveryError):
    """The server said never (5yz)."""


class Transport(Protocol):
    """Whatever takes a mail away."""

    def send(
        self, *, delivery_id: int, created_at: datetime, sender: str, recipient: str, content: bytes
    ) -> None:
        """Hand one mail, with CRLF line ends, over; return only when it is safely taken. Raises a DeliveryError."""

    def close(self) -> None:
        """End what is open."""


class FileTransport:
    """Each mail becomes `<time>-<id>.eml`; the same mail twice is the same file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(
        self, *, delivery_id: int, created_at: datetime, sender: str, recipient: str, content: bytes
    ) -> None:
        """Write, sync and rename, so that a half-written mail never has the final name."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = self.folder / f"{created_at:%Y%m%dT%H%M%S}-{delivery_id}.eml"
            disk.keep(target, content)
        except OSError as error:
            raise RelayDown(f"the mail folder: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is open."""


class SmtpTransport:
    """One connection, kept while it works; TLS is verified and never quietly given up."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self.implicit_tls = parts.scheme == "smtps"
        self.start_tls = not self.implicit_tls and parse_qs(parts.query).get("tls", ["start"])[0] == "start"
        self.port = parts.port or (465 if self.implicit_tls else 587)
        self.user = unquote(parts.username or "")
        self.password = unquote(parts.password or "")
        self._server: smtplib.SMTP | None = None

    def send(
        self, *, delivery_id: int, created_at: datetime, sender: str, recipient: str, content: bytes
    ) -> None:
        """Hand one mail to the server."""
        try:
            fault = self._hand_over(sender, recipient, content)
        except UnicodeError as error:
            self.close()  # it may be in the middle of a mail
            raise Rejected("the address cannot be sent to by this server") from error
        except (smtplib.SMTPException, OSError) as error:
            self.close()
            raise Deferred(BROKE) from error
        except Exception:
            self.close()
            raise
        if isinstance(fault, RelayDown):
            self.close()
        elif fault is not None and self._server is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._server.rset()
        if fault is not None:
            raise fault

    def close(self) -> None:
        """Say goodbye, whether or not anyone listens."""
        server, self._server = self._server, None
        if server is not None:
            try:
                server.quit()
            except (smtplib.SMTPException, OSError):
                server.close()

    def _hand_over(self, sender: str, recipient: str, content: bytes) -> DeliveryError | None:
        """One mail transaction (RFC 5321, 3.3); returns what the server had against it.

        A kept connection may have ended, or end now: servers take only so many mails by one. Before the first byte of
        the mail is sent, that harms nobody, and a new one is opened.
        """
        fault: DeliveryError | None
        kept, self._server = self._server, None
        if kept is not None:
            try:
                fault = _envelope(kept, sender, recipient, len(content))
            except (smtplib.SMTPException, OSError):
                fault = Closing("the kept connection has ended")
            if isinstance(fault, Closing):
                kept.close()
            else:
                self._server = kept
        if self._server is None:
            self._server = self._open()
            fault = _envelope(self._server, sender, recipient, len(content))
        return fault or _content(self._server, sender, recipient, content)

    def _open(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        server: smtplib.SMTP | None = None
        try:
            if self.implicit_tls:
                server = smtplib.SMTP_SSL(self.host, self.port, timeout=CONNECT_SECONDS, context=context)
            else:
                server = smtplib.SMTP(self.host, self.port, timeout=CONNECT_SECONDS)
            _be_patient(server, COMMAND_SECONDS)
            if self.start_tls:
                server.starttls(context=context)
            server.ehlo_or_helo_if_needed()
            if self.user:
                sign_in(server, self.user, self.password)
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            if server is not None:
                server.close()
            raise RelayDown(_why_closed(error)) from error
        return server


def transport_for(smtp_url: str, folder: Path) -> Transport:
    """The transport that the settings ask for."""
    return SmtpTransport(smtp_url) if smtp_url else FileTransport(folder)


def try_out(smtp_url: str) -> None:
    """Sign in at the server, send nothing, and leave. Raises RelayDown, which says what it said."""
    SmtpTransport(smtp_url)._open().quit()


_STATUS = re.compile(r"^(?:\d{3}[ -])?([245])\.(\d{1,3})\.(\d{1,3})\b")
# Of a server that gives no enhanced status: words that are about us, not about who gets the mail.
_ABOUT_US = re.compile(
    r"\b(relay|sender|helo|ehlo|authenticat|not permitted|sign.?in|log.?in)", re.IGNORECASE
)
_DOT = re.compile(rb"\n\.")  # replaced in half the time that bytes.replace takes
_USUAL = re.compile(r"[\w.+-]+@[\w.-]+", re.ASCII)
_SIGN_IN_FIRST = frozenset({530, 534, 535, 538})
_OUT_OF_ORDER = frozenset({502, 503, 504})  # HELO refused, as Postfix says it when it hears who gets the mail


def _envelope(server: smtplib.SMTP, sender: str, recipient: str, size: int) -> DeliveryError | None:
    """Say who sends and who gets a mail; without a fault the server waits for the mail then.

    Where it lets us, we ask for all before we hear the first answer (PIPELINING, RFC 2920).
    """
    if "\r" in sender + recipient or "\n" in sender + recipient:
        raise ValueError("an address has a line end in it")
    stages = {
        "MAIL": f"MAIL FROM:{_path(sender)}{f' SIZE={size}' if server.has_extn('size') else ''}",
        "RCPT": f"RCPT TO:{_path(recipient)}",
        "DATA": "DATA",
    }
    is_pipelined = server.has_extn("pipelining")
    if is_pipelined:
        server.send("".join(f"{words}\r\n" for words in stages.values()))
    fault: DeliveryError | None = None
    for stage, words in stages.items():
        code, said = server.getreply() if is_pipelined else server.docmd(words)
        if fault is None and not (code == 354 if stage == "DATA" else 200 <= code < 300):
            fault = _verdict(stage, code, said.decode("utf-8", "replace"), sender, recipient)
            if not is_pipelined or isinstance(fault, Closing):
                return fault
    if fault is not None and code == 354:
        server.docmd(".")  # it waits for a mail that nobody gets (RFC 2920, 3.1)
    return fault


def _path(address: str) -> str:
    """An address in its brackets; what is more than a usual one is read as in a header."""
    return f"<{address}>" if _USUAL.fullmatch(address) else smtplib.quoteaddr(address)


def _content(server: smtplib.SMTP, sender: str, recipient: str, content: bytes) -> DeliveryError | None:
    """The mail itself."""
    dotted = _DOT.sub(b"\n..", content)
    if content.startswith(b"."):
        dotted = b"." + dotted
    server.send(dotted + (b"" if dotted.endswith(b"\r\n") else b"\r\n") + b".\r\n")
    _be_patient(server, ACCEPT_SECONDS)
    code, said = server.getreply()
    _be_patient(server, COMMAND_SECONDS)
    if not 200 <= code < 300:
        return _verdict("DATA", code, said.decode("utf-8", "replace"), sender, recipient)
    return None


def _be_patient(server: smtplib.SMTP, seconds: float) -> None:
    """Wait so long for each answer from now on."""
    if server.sock is not None:
        server.sock.settimeout(seconds)


def _verdict(stage: str, code: int, words: str, sender: str, recipient: str) -> DeliveryError:
    said = _safe(f"{code} {words}", recipient)
    found = _STATUS.match(words)
    family, detail = (int(found[2]), int(found[3])) if found else (0, 0)
    if code == 421:
        return Closing(f"the mail server closes the connection: {said}")
    if not 500 <= code < 600:
        return Deferred(f"put off: {said}")
    is_about_us = (
        code in _SIGN_IN_FIRST
        or (stage == "MAIL" and code != 552 and (family, detail) != (3, 4))
        or (stage == "RCPT" and code in _OUT_OF_ORDER)
        or (stage == "RCPT" and family == 1 and detail in (7, 8))  # the sender's address
        or (code == 553 and sender.rpartition("@")[2].lower() in words.lower() and recipient not in words)
    )
    if is_about_us:
        return RelayDown(f"the mail server refuses our mail: {said}")
    if family == 7 or (stage == "RCPT" and (family, detail) == (0, 0) and _ABOUT_US.search(words)):
        return Policy(f"{POLICY}: {said}")
    return Rejected(f"refused: {said}")


def _safe(said: str, recipient: str) -> str:
    """A server's words without who gets the mail: for a log, a row, a page that staff read."""
    local, _, domain = recipient.partition("@")
    said = " ".join("".join(char if char.isprintable() else " " for char in said).split())
    said = re.sub(r"<[^>]*>|\S*@\S*", "…", said)
    for part in filter(None, (local, domain)):
        said = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "…", said, flags=re.IGNORECASE)
    return said[:SAID_MAX]


def _why_closed(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"the mail server refused our sign-in: {_answer(error)}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server will not talk to us: {_answer(error)}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"the mail server cannot do what SMTP_URL asks for: {error}"
    return f"the mail server cannot be reached: {type(error).__name__}"


def _answer(error: smtplib.SMTPResponseException) -> str:
    words = error.smtp_error
    return _safe(
        f"{error.smtp_code} {words.decode('utf-8', 'replace') if isinstance(words, bytes) else words}", ""
    )
