"""How a mail leaves: by SMTP, or as a file to read where no server is set.

A failure says whose fault it is, because that decides what happens next: the relay's (nobody's mail goes, wait),
this message's for now (try again), or this message's for good (give up).
"""

from __future__ import annotations

import os
import smtplib
import ssl
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

TIMEOUT_SECONDS = 30


class DeliveryError(Exception):
    """The mail did not go; the text is safe to keep (it holds no address and no content)."""


class RelayDown(DeliveryError):
    """The server cannot be reached, or will not have us: not this mail's fault."""


class Deferred(DeliveryError):
    """The server said not now (4yz of RFC 5321, 4.2.1)."""


class Rejected(DeliveryError):
    """The server said never (5yz)."""


class Transport(Protocol):
    """Whatever takes a mail away."""

    def send(
        self, *, delivery_id: int, created_at: datetime, sender: str, recipient: str, content: bytes
    ) -> None:
        """Hand one mail over; return only when it is safely taken. Raises a DeliveryError."""

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
            part = target.with_suffix(".part")
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.rename(target)
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
        server = self._connected()
        try:
            server.sendmail(sender, [recipient], content)
        except smtplib.SMTPRecipientsRefused as error:
            code, _ = next(iter(error.recipients.values()))
            if code == 421:
                self.close()
                raise RelayDown("the mail server closed the connection (421)") from error
            raise _verdict(code) from error
        except smtplib.SMTPResponseException as error:
            if error.smtp_code == 421:
                self.close()
                raise RelayDown("the mail server closed the connection (421)") from error
            raise _verdict(error.smtp_code) from error
        except UnicodeError as error:
            self.close()  # it may be in the middle of a mail
            raise Rejected("the address cannot be sent to by this server") from error
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            self.close()
            raise Deferred("the connection broke before the server's answer") from error

    def close(self) -> None:
        """Say goodbye, whether or not anyone listens."""
        server, self._server = self._server, None
        if server is not None:
            try:
                server.quit()
            except (smtplib.SMTPException, OSError):
                server.close()

    def _connected(self) -> smtplib.SMTP:
        if self._server is not None:
            try:
                if self._server.noop()[0] == 250:
                    return self._server
            except (smtplib.SMTPException, OSError):
                pass
            self.close()
        try:
            server = self._open()
        except smtplib.SMTPAuthenticationError as error:
            raise RelayDown(f"the mail server refused our sign-in ({error.smtp_code})") from error
        except (smtplib.SMTPException, OSError) as error:
            raise RelayDown(f"the mail server cannot be reached: {type(error).__name__}") from error
        self._server = server
        return server

    def _open(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.implicit_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            if self.start_tls:
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
        except (smtplib.SMTPException, OSError):
            server.close()
            raise
        return server


def transport_for(smtp_url: str, folder: Path) -> Transport:
    """The transport that the settings ask for."""
    return SmtpTransport(smtp_url) if smtp_url else FileTransport(folder)


def _verdict(code: int) -> DeliveryError:
    return Rejected(f"refused with {code}") if 500 <= code < 600 else Deferred(f"put off with {code}")
