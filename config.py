"""The portal's settings: one frozen, typed object, and the only reader of the environment.

`Config.from_env()` casts every setting and raises `ConfigError` naming *all* faults at once, so that a
person who sets up a server mends them in one go. Production refuses to start on any of them (exit status 78,
EX_CONFIG of sysexits.h); see `docs/settings.md` for what each one means.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from portal.organisation import Organisation, parse_holidays, parse_hours
from portal.settings import Settings

ROOT = Path(__file__).resolve().parent
EX_CONFIG = 78
SECRET_BYTES = 32
_SAMPLE_SECRETS = ("change", "secret", "example", "sample", "dev", "test", "password")
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
        host, port = self.text("HOST", "127.0.0.1"), self.number("PORT", 8000, 1, 65535)
        cores = os.cpu_count() or 1
        values = dict(
            APP_ENV=app_env,
            INSTANCE_DIR=instance,
            SQLALCHEMY_DATABASE_URI=database,
            HOST=host,
            PORT=port,
            WEB_WORKERS=self.number("WEB_WORKERS", 1 if database.startswith("sqlite") else cores, 1, 64),
            BASE_URL=self.base_url(f"http://{host}:{port}"),
            TRUSTED_PROXIES=self.number("TRUSTED_PROXIES", 0, 0, 10),
            SECRET_KEY=self.secret_key(instance),
            SECRET_KEY_FALLBACKS=tuple(self.env.get("SECRET_KEY_FALLBACKS", "").split()),
            SMTP_URL=self.smtp_url(),
            MAIL_FROM=self.required_in_production("MAIL_FROM", "portal@localhost"),
            MAIL_RATE_PER_SECOND=self.rate("MAIL_RATE_PER_SECOND"),
            ORG=self.organisation(),
            PROFESSIONAL_GATE=self.switch("PROFESSIONAL_GATE", True),
            NPI_REGISTRY_URL=self.text("NPI_REGISTRY_URL", ""),
            REDIS_URL=self.text("REDIS_URL", ""),
            DEBUG=self.switch("FLASK_DEBUG", False),
        )
        if "@" not in str(values["MAIL_FROM"]) and values["MAIL_FROM"]:
            self.faults.append("MAIL_FROM must be an email address.")
        if self.production and values["DEBUG"]:
            self.faults.append("FLASK_DEBUG must be off in production.")
        if self.faults:
            raise ConfigError(self.faults)
        return Config(**values)  # type: ignore[arg-type]

    def text(self, name: str, default: str) -> str:
        return self.env.get(name, "").strip() or default

    def required_in_production(self, name: str, default: str) -> str:
        value = self.env.get(name, "").strip()
        if self.production and not value:
            self.faults.append(f"{name} is missing.")
        return value or default

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
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
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
            self.faults.append("BASE_URL must be an address without a path, like https://portal.example.org.")
        elif self.production and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            self.faults.append("BASE_URL must begin with https:// in production.")
        return value

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
            instance.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                pass  # another process of ours was first
            else:
                with os.fdopen(handle, "w") as file:
                    file.write(secrets.token_urlsafe(SECRET_BYTES))
        return path.read_text().strip()

    def smtp_url(self) -> str:
        value = self.required_in_production("SMTP_URL", "")
        if not value:
            return ""
        parts = urlsplit(value)
        tls = parse_qs(parts.query).get("tls", ["start"])[0]
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            self.faults.append("SMTP_URL must look like smtp://user:password@host:587?tls=start.")
        elif tls not in ("start", "none"):
            self.faults.append("SMTP_URL: tls must be start or none.")
        elif tls == "none" and parts.hostname not in _LOOPBACK:
            self.faults.append("SMTP_URL: tls=none is only for a server on this machine.")
        return value

    def organisation(self) -> Organisation:
        zone_name = self.text("ORG_TIMEZONE", "America/Los_Angeles")
        try:
            zone = ZoneInfo(zone_name)
        except (ZoneInfoNotFoundError, ValueError):
            self.faults.append(f"ORG_TIMEZONE is not a time zone: {zone_name!r}.")
            zone = ZoneInfo("America/Los_Angeles")
        try:
            hours = parse_hours(self.text("ORG_HOURS", "Mon–Fri 09:00–18:00"))
        except ValueError as fault:
            self.faults.append(f"ORG_HOURS: {fault}")
            hours = parse_hours("Mon–Fri 09:00–18:00")
        try:
            holidays = parse_holidays(self.env.get("ORG_HOLIDAYS", ""))
        except ValueError as fault:
            self.faults.append(f"ORG_HOLIDAYS: {fault}")
            holidays = frozenset()
        return Organisation(
            name=self.required_in_production("ORG_NAME", "LDN Prescriber Portal"),
            address=self.required_in_production(
                "ORG_ADDRESS", "2551 San Ramon Valley Blvd, Suite 112, San Ramon, CA 94583"
            ),
            phone=self.required_in_production("ORG_PHONE", ""),
            fax=self.env.get("ORG_FAX", "").strip(),
            hours=hours,
            holidays=holidays,
            timezone=zone,
            license=self.required_in_production("ORG_LICENSE", ""),
            pic=self.required_in_production("ORG_PIC", ""),
        )


def setting_names() -> list[str]:
    """The names in the environment, for the test that keeps `docs/settings.md` true."""
    renamed = {"SQLALCHEMY_DATABASE_URI": "DATABASE_URL", "DEBUG": "FLASK_DEBUG"}
    derived = {"ORG", "MAX_CONTENT_LENGTH", "MAX_FORM_PARTS"}
    own = [renamed.get(item.name, item.name) for item in fields(Config) if item.name not in derived]
    facts = ("NAME", "ADDRESS", "PHONE", "FAX", "HOURS", "HOLIDAYS", "TIMEZONE", "LICENSE", "PIC")
    return own + [f"ORG_{fact}" for fact in facts]
