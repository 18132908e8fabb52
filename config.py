"""The portal's settings: one frozen, typed object, and the only reader of the environment.

`Config.from_env()` casts every setting and raises `ConfigError` naming *all* faults at once, so that a
person who sets up a server mends them in one go. Production refuses to start on any of them (exit status 78,
EX_CONFIG of sysexits.h); see `docs/settings.md` for what each one means.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from portal import disk
from portal.mail import dkim
from portal.mail.sasl import saslprep
from portal.npi import remote
from portal.organisation import Organisation, parse_holidays, parse_hours
from portal.settings import Settings, is_loose
from portal.text import TextFault, email_address

ROOT = Path(__file__).resolve().parent
EX_CONFIG = 78
SECRET_BYTES = 32
_SAMPLE_SECRETS = ("change", "secret", "example", "sample", "dev", "test", "password")
# The longest that leave a link on a line of a mail, and a Message-ID in its column.
URL_MAX, DOMAIN_MAX, NAME_MAX = 200, 150, 200
CANNOT_BE_MADE = "INSTANCE_DIR {} cannot be made: {}."
_HOST = re.compile(r"(?!-)[a-z0-9.-]{1,253}(?<![-.])|[0-9a-f:.]+", re.IGNORECASE)
_AGE_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}|ssh-(ed25519|rsa) [A-Za-z0-9+/=]+")
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class ConfigError(Exception):
    """Settings that cannot be used; `faults` has one sentence for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The settings, as the environment says."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, root: Path = ROOT) -> Config:
        """Read the environment; raise ConfigError with every fault found."""
        return _Reader(os.environ if env is None else env, root).config()


class _Reader:
    """Collects faults while it casts, so that none hides another."""

    def __init__(self, env: Mapping[str, str], root: Path) -> None:
        self.env, self.root = env, root
        self.faults: list[str] = []
        self.production = False

    def config(self) -> Config:
        app_env = self.text("APP_ENV", "development")
        if app_env not in ("development", "production"):
            self.faults.append(f"APP_ENV must be development or production, not {app_env!r}.")
        self.production = app_env == "production"
        instance = self.root / self.text("INSTANCE_DIR", "instance")
        database = self.text("DATABASE_URL", f"sqlite:///{instance / 'portal.db'}")
        if not database.startswith(("sqlite:///", "postgresql+psycopg://")):
            self.faults.append("DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://.")
        if database.startswith("sqlite:///") and not database.startswith("sqlite:////"):
            database = f"sqlite:///{self.root / database.removeprefix('sqlite:///')}"
        try:
            make_url(database)
        except (ArgumentError, ValueError):  # whose text would hold the password
            self.faults.append(
                "DATABASE_URL must look like postgresql+psycopg://user:password@host:5432/name."
            )
        if database.startswith("sqlite:///") and Path(database.removeprefix("sqlite:///")).is_dir():
            self.faults.append("DATABASE_URL names a folder: name the file in it.")
        host, port = self.host("HOST", self.text("HOST", "127.0.0.1")), self.number("PORT", 8000, 1, 65535)
        cores, env_file = os.cpu_count() or 1, self.root / ".env"
        values = dict(
            APP_ENV=app_env,
            INSTANCE_DIR=instance,
            ENV_FILE=env_file,
            SQLALCHEMY_DATABASE_URI=database,
            HOST=host,
            PORT=port,
            WEB_WORKERS=self.number("WEB_WORKERS", 1 if database.startswith("sqlite") else cores, 1, 64),
            BASE_URL=self.base_url(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"),
            TRUSTED_PROXIES=self.number("TRUSTED_PROXIES", 0, 0, 10),
            SECRET_KEY=self.secret_key(instance),
            SECRET_KEY_FALLBACKS=tuple(self.env.get("SECRET_KEY_FALLBACKS", "").split()),
            SMTP_URL=self.smtp_url(),
            MAIL_FROM=self.address("MAIL_FROM", "portal@localhost"),
            REPLY_TO=self.address("REPLY_TO", ""),
            REPLY_TO_PLUS=self.switch("REPLY_TO_PLUS", True),
            INBOUND_MAILDIR=self.folder("INBOUND_MAILDIR"),
            BOUNCE_DOMAIN=self.domain("BOUNCE_DOMAIN"),
            BOUNCE_MAILDIR=self.folder("BOUNCE_MAILDIR"),
            **self.dkim(),
            MAIL_RATE_PER_SECOND=self.rate("MAIL_RATE_PER_SECOND"),
            UNDO_SECONDS=self.number("UNDO_SECONDS", 30, 0, 120),
            ORG=self.organisation(),
            PROBE_HOSTS=self.probe_hosts(),
            METRICS_TOKEN=self.token("METRICS_TOKEN"),
            PROFESSIONAL_GATE=self.switch("PROFESSIONAL_GATE", True),
            NPI_REGISTRY_URL=self.registry_url(),
            REDIS_URL=self.redis_url(),
            DATABASE_DIRECT_URL=self.direct_url(),
            BACKUP_DIR=self.folder("BACKUP_DIR"),
            BACKUP_AGE_RECIPIENT=self.recipient("BACKUP_AGE_RECIPIENT"),
            BACKUP_COMMAND=self.command("BACKUP_COMMAND"),
            AUDIT_KEY_FILE=self.file("AUDIT_KEY_FILE"),
            DEBUG=self.switch("FLASK_DEBUG", False),
        )
        if self.production and is_loose(env_file):
            self.faults.append(
                f"{env_file} holds passwords, and others can read it: chmod 600 {env_file.name}"
            )
        if self.production and values["DEBUG"]:
            self.faults.append("FLASK_DEBUG must be off in production.")
        if not self.faults:
            try:
                instance.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                self.faults.append(CANNOT_BE_MADE.format(instance, error.strerror))
        if self.faults:
            raise ConfigError(self.faults)
        return Config(**values)  # type: ignore[arg-type]

    def text(self, name: str, default: str) -> str:
        return self.env.get(name, "").strip() or default

    def folder(self, name: str) -> Path | None:
        value = self.text(name, "")
        path = self.root / value
        if value and (file := next((one for one in (path, *path.parents) if one.is_file()), None)):
            self.faults.append(f"{name} must be a folder: {file} is a file.")
        return path if value else None

    def file(self, name: str) -> Path | None:
        value = self.text(name, "")
        if value and (self.root / value).is_dir():
            self.faults.append(f"{name} must be a file: {self.root / value} is a folder.")
        return self.root / value if value else None

    def host(self, name: str, value: str) -> str:
        if _HOST.fullmatch(value):
            return value
        self.faults.append(
            f"{name}: {value!r} is no host name or address: write it alone, like portal-1 or 10.0.0.5."
        )
        return "localhost"

    def probe_hosts(self) -> tuple[str, ...]:
        names = self.env.get("PROBE_HOSTS", "").lower().replace(",", " ").split()
        return tuple(self.host("PROBE_HOSTS", name.removeprefix("[").removesuffix("]")) for name in names)

    def direct_url(self) -> str:
        """The database server itself, past a pooler; empty when DATABASE_URL leads there."""
        value = self.text("DATABASE_DIRECT_URL", "")
        if value and not value.startswith("postgresql+psycopg://"):
            self.faults.append("DATABASE_DIRECT_URL must begin with postgresql+psycopg://.")
        return value

    def redis_url(self) -> str:
        value = self.text("REDIS_URL", "")
        if value and not re.match(r"(rediss?|unix)://.", value):  # never shown: it may hold a password
            self.faults.append("REDIS_URL must begin with redis://, rediss:// or unix://.")
        return value

    def command(self, name: str) -> str:
        value = self.text(name, "")
        try:
            shlex.split(value)
        except ValueError as fault:
            self.faults.append(f"{name} is no command: {fault}.")
        return value

    def domain(self, name: str) -> str:
        value = self.text(name, "").lower()
        if value and (not _HOST.fullmatch(value) or ":" in value or len(value) > DOMAIN_MAX):
            self.faults.append(f"{name} must be a domain that receives mail, like bounces.example.org.")
        return value

    def token(self, name: str) -> str:
        value = self.text(name, "")
        if value and (len(value) < SECRET_BYTES or not value.isascii() or " " in value):
            self.faults.append(
                f"{name} is too short: give at least {SECRET_BYTES} random letters and digits."
            )
        return value

    def recipient(self, name: str) -> str:
        value = self.text(name, "")
        if value and not _AGE_RECIPIENT.fullmatch(value):
            self.faults.append(
                f"{name} must be a public key of age, like age1… (`age-keygen -y KEYFILE` prints it)."
            )
        return value

    def registry_url(self) -> str:
        value = self.text("NPI_REGISTRY_URL", "")
        if value and self.url("NPI_REGISTRY_URL", value) and (why := remote.fault(value)):
            self.faults.append(f"NPI_REGISTRY_URL {why}.")
        return value

    def required_in_production(self, name: str, default: str) -> str:
        value = self.env.get(name, "").strip()
        if self.production and not value:
            self.faults.append(f"{name} is missing.")
        return value or default

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and len(value) < 10 and low <= int(value) <= high):
            self.faults.append(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
            return default
        return int(value)

    def rate(self, name: str) -> float:
        value = self.text(name, "0")
        try:
            rate = float(value)
        except ValueError:
            rate = -1.0
        if rate and not 1 / 60 <= rate < 1e6:
            self.faults.append(
                f"{name} must be messages a second, one a minute (0.017) or more, not {value!r}."
            )
            return 0.0
        return rate

    def switch(self, name: str, default: bool) -> bool:
        value = self.text(name, "on" if default else "off").lower()
        if value not in ("on", "off", "1", "0", "true", "false", "yes", "no"):
            self.faults.append(f"{name} must be on or off, not {value!r}.")
        return value in ("on", "1", "true", "yes")

    def base_url(self, default: str) -> str:
        value = self.required_in_production("BASE_URL", default).rstrip("/")
        parts = self.url("BASE_URL", value)
        if parts is None:
            return default
        rest = value.partition("://")[2].removeprefix(parts.netloc)
        if parts.scheme not in ("http", "https") or not parts.hostname or rest:
            self.faults.append("BASE_URL must be an address without a path, like https://portal.example.org.")
        elif "@" in parts.netloc:
            self.faults.append("BASE_URL holds an @: it takes no user name, it stands in every link.")
        elif not _HOST.fullmatch(parts.hostname):
            self.faults.append(f"BASE_URL: {parts.hostname!r} is no host name.")
        elif len(value) > URL_MAX:
            self.faults.append(
                f"BASE_URL is too long: {URL_MAX} characters or less, it stands in every link."
            )
        elif self.production and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            self.faults.append("BASE_URL must begin with https:// in production.")
        return value

    def url(self, name: str, value: str) -> SplitResult | None:
        """Its parts; None, with the fault, when it has none or could not be sent as it is."""
        if not value.isascii():
            self.faults.append(
                f"{name} is not ASCII: write its host name as xn--…, in a password é as %C3%A9."
            )
        elif any(char.isspace() or not char.isprintable() for char in value):
            self.faults.append(f"{name} has a blank in it.")
        else:
            with suppress(ValueError):
                if (parts := urlsplit(value)).port != 0:
                    return parts
            self.faults.append(
                f"{name}: the port is no number from 1 to 65535 (in a password write : as %3A, / as %2F, "
                "? as %3F, # as %23, @ as %40, [ as %5B)."
            )
        return None

    def address(self, name: str, default: str) -> str:
        """One email address, alone: it is the envelope's, and its domain stands in every Message-ID."""
        value = self.required_in_production(name, default)
        if value == default:
            return value
        try:
            address = email_address(value)
        except TextFault:
            address = ""
        if not value.isascii():
            why = "is not ASCII: no mail server is sure to take it. Write its domain as xn--…"
        elif any(char in value for char in '<>"(), '):
            why = "must be the address alone, without a name or brackets: ORG_NAME is the name"
        elif value.count("@") != 1:
            why = f"has {value.count('@')} @: it must be one email address"
        elif len(value.partition("@")[2]) > DOMAIN_MAX:
            why = f"has too long a domain: {DOMAIN_MAX} characters or less, it stands in every Message-ID"
        elif not address:
            why = f"must be an email address: {value!r} is none that a mail server takes"
        else:
            return address
        self.faults.append(f"{name} {why}.")
        return default

    def secret_key(self, instance: Path) -> str:
        """From the environment, or in development a random one kept in `INSTANCE_DIR/secret`."""
        value = self.env.get("SECRET_KEY", "").strip()
        if self.production or value:
            if not value:
                self.faults.append("SECRET_KEY is missing.")
            elif len(value.encode()) < SECRET_BYTES:
                self.faults.append(f"SECRET_KEY is too short: give at least {SECRET_BYTES} bytes.")
            elif len(set(value)) < 12 or (
                self.production and any(word in value.lower() for word in _SAMPLE_SECRETS)
            ):
                self.faults.append("SECRET_KEY looks like a sample: give a random one.")
            return value
        path = instance / "secret"
        if not path.exists():
            try:
                instance.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                self.faults.append(CANNOT_BE_MADE.format(instance, error.strerror))
                return ""
            disk.keep_first(path, secrets.token_urlsafe(SECRET_BYTES).encode())
        return path.read_text().strip()

    def dkim(self) -> dict[str, object]:
        """The key that signs our mail, and the name under which its public half is published."""
        value, selector = self.text("DKIM_KEY_FILE", ""), self.text("DKIM_SELECTOR", "").lower()
        mail_domain = self.text("MAIL_FROM", "portal@localhost").rpartition("@")[2].lower()
        domain = self.domain("DKIM_DOMAIN") or mail_domain
        if not value:
            if selector or self.text("DKIM_DOMAIN", ""):
                self.faults.append("DKIM_KEY_FILE is missing: without a key nothing is signed.")
            return {}
        path = self.root / value
        try:
            dkim.read(path)
        except ValueError as fault:
            self.faults.append(f"DKIM_KEY_FILE {path} {fault}.")
        if self.production and is_loose(path):
            self.faults.append(f"{path} signs our mail, and others can read it: chmod 600 {path.name}")
        if not _SELECTOR.fullmatch(selector):
            self.faults.append("DKIM_SELECTOR must be the name of the key in DNS, like mail2026.")
        if f".{mail_domain}".removesuffix(f".{domain}") == f".{mail_domain}":
            self.faults.append(
                f"DKIM_DOMAIN must be {mail_domain}, the domain of MAIL_FROM, or one above it."
            )
        return {"DKIM_KEY_FILE": path, "DKIM_SELECTOR": selector, "DKIM_DOMAIN": domain}

    def smtp_url(self) -> str:
        value = self.required_in_production("SMTP_URL", "")
        parts = self.url("SMTP_URL", value) if value else None
        if parts is None:
            return ""
        query = parse_qs(parts.query, keep_blank_values=True)
        tls = query.pop("tls", ["start"])
        example = "SMTP_URL must look like smtp://user:password@host:587?tls=start"
        userinfo = tuple(unquote(part or "") for part in (parts.username, parts.password))
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not _HOST.fullmatch(parts.hostname):
            self.faults.append(f"{example}.")
        elif parts.path.strip("/") or parts.fragment or query:
            self.faults.append(f"{example}: in a password write / as %2F, ? as %3F, # as %23.")
        elif bool(userinfo[0]) != bool(userinfo[1]):
            self.faults.append(f"{example}: a user needs a password, and a password a user.")
        elif tls not in (["start"], ["none"]):
            self.faults.append("SMTP_URL: tls must be start or none.")
        elif tls == ["none"] and parts.scheme == "smtps":
            self.faults.append("SMTP_URL: smtps and tls=none contradict each other.")
        elif tls == ["none"] and parts.hostname not in _LOOPBACK:
            self.faults.append("SMTP_URL: tls=none is only for a server on this machine.")
        for part in userinfo:
            try:
                if "\ufffd" in part:
                    raise ValueError("what is percent-encoded in it is not UTF-8")
                saslprep(part)
            except ValueError as fault:
                self.faults.append(f"SMTP_URL: user or password cannot be sent (RFC 4013): {fault}.")
        return value

    def organisation(self) -> Organisation:
        zone_name = self.text("ORG_TIMEZONE", "America/Los_Angeles")
        try:
            zone = ZoneInfo(zone_name)
        except (ZoneInfoNotFoundError, ValueError):
            self.faults.append(f"ORG_TIMEZONE is not a time zone: {zone_name!r}.")
            zone = ZoneInfo("America/Los_Angeles")
        try:
            hours = parse_hours(self.required_in_production("ORG_HOURS", ""))
        except ValueError as fault:
            self.faults.append(f"ORG_HOURS: {fault}")
            hours = parse_hours("")
        try:
            holidays = parse_holidays(self.env.get("ORG_HOLIDAYS", ""))
        except ValueError as fault:
            self.faults.append(f"ORG_HOLIDAYS: {fault}")
            holidays = frozenset()
        address = "2551 San Ramon Valley Blvd, Suite 112, San Ramon, CA 94583"
        return Organisation(
            name=self.line("ORG_NAME", self.required_in_production("ORG_NAME", "LDN Prescriber Portal")),
            address=self.line("ORG_ADDRESS", self.required_in_production("ORG_ADDRESS", address)),
            phone=self.phone("ORG_PHONE", self.required_in_production("ORG_PHONE", "")),
            fax=self.phone("ORG_FAX", self.text("ORG_FAX", "")),
            hours=hours,
            holidays=holidays,
            timezone=zone,
            license=self.line("ORG_LICENSE", self.text("ORG_LICENSE", "")),
            pic=self.line("ORG_PIC", self.text("ORG_PIC", "")),
        )

    def line(self, name: str, value: str) -> str:
        if len(value) > NAME_MAX or not value.isprintable():
            self.faults.append(
                f"{name} must be one line of {NAME_MAX} characters or less: it stands in mails and on pages."
            )
        return value

    def phone(self, name: str, value: str) -> str:
        if value and not Organisation(name="", phone=value).tel:
            self.faults.append(
                f"{name} must be a number that can be dialled, with its area code, like 925-555-0100, not {value!r}."
            )
        return value


def setting_names() -> list[str]:
    """The names in the environment, for the test that keeps `docs/settings.md` true."""
    renamed = {"SQLALCHEMY_DATABASE_URI": "DATABASE_URL", "DEBUG": "FLASK_DEBUG"}
    derived = {"ORG", "ENV_FILE", "MAX_CONTENT_LENGTH", "MAX_FORM_PARTS"}
    own = [renamed.get(item.name, item.name) for item in fields(Config) if item.name not in derived]
    facts = ("NAME", "ADDRESS", "PHONE", "FAX", "HOURS", "HOLIDAYS", "TIMEZONE", "LICENSE", "PIC")
    return own + [f"ORG_{fact}" for fact in facts]
