"""What `flask doctor --network` asks of others: the DNS of our mail's domain, the relay, our own address."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import dns.exception
import dns.resolver

from portal.clock import now
from portal.mail import dkim as signing
from portal.mail import transport
from portal.ops.finding import Finding
from portal.settings import settings

SECONDS = 5.0
SOON = timedelta(days=14)
Texts = Callable[[str, str], list[str]]  # a name and a type of record: what stands there


def ask(name: str, kind: str) -> list[str]:
    """The records, as text; none where there is no such name. Raises OSError when nobody answers."""
    try:
        found = dns.resolver.resolve(name, kind, lifetime=SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise OSError(type(error).__name__) from error
    if kind == "TXT":  # a long one comes in pieces (RFC 7208, 3.3)
        return [b"".join(record.strings).decode(errors="replace") for record in found]
    return [str(record) for record in found]


def spf(texts: Texts = ask) -> Finding:
    """Who may send for our domain (RFC 7208)."""
    domain = _domain()
    try:
        found = [text for text in texts(domain, "TXT") if text.lower().split(" ")[0] == "v=spf1"]
    except OSError as error:
        return _unasked("spf", error)
    if len(found) != 1:
        said = f"{domain} has {len(found) or 'no'} SPF record{'s' if len(found) > 1 else ''}"
        remedy = f'One TXT record at {domain}, like "v=spf1 include:YOUR-RELAY -all".'
        return _finding("spf", False, said, remedy)
    last = found[0].lower().split()[-1]
    if last in ("+all", "all", "?all"):
        return _finding(
            "spf", False, f"{domain} lets everybody send for it ({last})", "End it with -all or ~all."
        )
    return _finding("spf", True, f"{domain}: {found[0]}")


def dmarc(texts: Texts = ask) -> Finding:
    """What receivers do with what fails (RFC 7489); the domain above may say it for ours."""
    domain = _domain()
    above = ".".join(domain.split(".")[-2:])
    try:
        said = [text for name in dict.fromkeys((domain, above)) for text in texts(f"_dmarc.{name}", "TXT")]
    except OSError as error:
        return _unasked("dmarc", error)
    found = [text for text in said if text.lower().replace(" ", "").startswith("v=dmarc1;p=")]
    if not found:
        remedy = f'A TXT record at _dmarc.{domain}: "v=DMARC1; p=none; rua=mailto:…", later p=quarantine.'
        return _finding("dmarc", False, f"{domain} has no DMARC record", remedy)
    return _finding("dmarc", True, found[0])


def dkim(texts: Texts = ask) -> Finding:
    """Whether the key that signs is published (RFC 6376); where the relay signs, only it knows the selector."""
    config = settings()
    if config.DKIM_KEY_FILE is None:
        remedy = (
            "Have the relay sign for the domain of MAIL_FROM; send yourself a mail and look for dkim=pass."
        )
        return _finding("dkim", False, "the portal does not sign; the relay has to", remedy, advice=True)
    signer, name = (
        signing.read(config.DKIM_KEY_FILE),
        f"{config.DKIM_SELECTOR}._domainkey.{config.DKIM_DOMAIN}",
    )
    remedy = f'One TXT record at {name}: "{signer.record}".'
    try:
        found = [text for text in map(_without_blanks, texts(name, "TXT")) if "p=" in text]
    except OSError as error:
        return _unasked("dkim", error)
    if not found:
        return _finding("dkim", False, f"no key at {name}", remedy)
    if len(found) > 1:
        return _finding("dkim", False, f"{len(found)} keys at {name}", remedy)
    if f";p={signer.public};" not in f";{found[0]};":
        return _finding("dkim", False, f"the key at {name} is not that of DKIM_KEY_FILE", remedy)
    return _finding("dkim", True, f"the key at {name} is ours")


def replies(texts: Texts = ask) -> Finding:
    """Whether a reply has somewhere to go."""
    domain = (settings().REPLY_TO or settings().MAIL_FROM).rpartition("@")[2]
    try:
        found = texts(domain, "MX")
    except OSError as error:
        return _unasked("replies", error)
    if not found or found == ["0 ."]:
        said = f"{domain} takes no mail"
        return _finding("replies", False, said, "Give REPLY_TO an address that somebody reads.")
    return _finding("replies", True, f"{domain} takes mail")


def relay() -> Finding:
    """Whether the mail server lets us in, with TLS and our password; nothing is sent."""
    url = settings().SMTP_URL
    if not url:
        return _finding("relay", False, "mail becomes files", "Set SMTP_URL.", advice=True)
    try:
        transport.try_out(url)
    except (OSError, smtplib.SMTPException, transport.RelayDown) as error:
        said = str(error) if isinstance(error, transport.RelayDown) else type(error).__name__
        return _finding("relay", False, said, "See SMTP_URL, and the server's certificate.")
    return _finding("relay", True, "lets us in")


def certificate() -> Finding:
    """Whether browsers believe our address, and for how long."""
    parts = urlsplit(settings().BASE_URL)
    if parts.scheme != "https":
        return _finding("tls", False, "BASE_URL is no https address", "Only for trying out.", advice=True)
    host, port = parts.hostname or "", parts.port or 443
    try:
        context = ssl.create_default_context()
        with (
            socket.create_connection((host, port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as tls,
        ):
            told = tls.getpeercert() or {}
    except OSError as error:
        return _finding("tls", False, f"{host}: {type(error).__name__}", "See the proxy and its certificate.")
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(told["notAfter"])), UTC)
    if ends - now() < SOON:
        return _finding("tls", False, f"the certificate ends on {ends:%Y-%m-%d}", "See what renews it.")
    return _finding("tls", True, f"the certificate is good until {ends:%Y-%m-%d}")


def _domain() -> str:
    return settings().MAIL_FROM.rpartition("@")[2]


def _without_blanks(text: str) -> str:
    return "".join(text.split())


def _unasked(name: str, error: OSError) -> Finding:
    return _finding(
        name, False, f"nobody answered ({error})", "See this machine's resolver, or ask elsewhere."
    )


def _finding(name: str, ok: bool, detail: str, remedy: str = "", *, advice: bool = False) -> Finding:
    return Finding(name, ok, detail, remedy, serving=False, advice=advice)


ALL: tuple[Callable[[], Finding], ...] = (spf, dkim, dmarc, replies, relay, certificate)
