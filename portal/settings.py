"""The portal's settings, typed: read once by `config.py`, and the same object wherever an app is current.

Nothing reads `current_app.config` for one of ours; the keys of every signature and hash come from `keys` here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from flask import current_app

from portal.organisation import Organisation


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, cast and checked. Flask reads the upper-case names with `from_object`."""

    APP_ENV: str  # development or production
    INSTANCE_DIR: Path  # database, secret, mail files
    ENV_FILE: Path  # whence settings may come, beside the environment
    SQLALCHEMY_DATABASE_URI: str = field(repr=False)
    HOST: str
    PORT: int
    WEB_WORKERS: int
    BASE_URL: str  # every link in mail begins with it
    TRUSTED_PROXIES: int  # hops whose forwarded headers are believed
    SECRET_KEY: str = field(repr=False)
    SECRET_KEY_FALLBACKS: tuple[str, ...] = field(repr=False, default=())
    SMTP_URL: str = field(repr=False, default="")  # empty: mail becomes files
    MAIL_FROM: str = "portal@localhost"
    REPLY_TO: str = ""  # where replies are read; empty: nowhere
    REPLY_TO_PLUS: bool = True  # whether its server takes desk+words@ too, by which a reply finds its request
    INBOUND_MAILDIR: Path | None = None  # where a mail server puts replies
    BOUNCE_DOMAIN: str = (
        ""  # of the return addresses that say which mail came back; empty: it comes to MAIL_FROM
    )
    BOUNCE_MAILDIR: Path | None = None  # where a mail server puts what came back
    DKIM_KEY_FILE: Path | None = None  # signs our mail; None: the relay does, or nobody
    DKIM_SELECTOR: str = ""
    DKIM_DOMAIN: str = ""
    MAIL_RATE_PER_SECOND: float = 0.0  # of the newsletter; 0 = unlimited
    UNDO_SECONDS: int = 30  # so long an answer can be taken back before it goes
    ORG: Organisation
    PROBE_HOSTS: tuple[str, ...] = ()  # by which names the probes may be asked, beside our own
    METRICS_TOKEN: str = field(repr=False, default="")  # by which /metrics answers from afar
    PROFESSIONAL_GATE: bool = True
    NPI_REGISTRY_URL: str = ""
    REDIS_URL: str = field(repr=False, default="")
    DATABASE_DIRECT_URL: str = field(repr=False, default="")  # the server itself, where a pooler is before it
    BACKUP_DIR: Path | None = None  # None: backups/ in INSTANCE_DIR
    BACKUP_AGE_RECIPIENT: str = ""  # the public key that backups are encrypted to
    BACKUP_COMMAND: str = field(repr=False, default="")  # takes a backup off the machine
    AUDIT_KEY_FILE: Path | None = None  # the key of the trail's seal; None: audit.key in INSTANCE_DIR
    DEBUG: bool = False

    # Limits that follow from the promises of the pages, not from the place where we run.
    MAX_CONTENT_LENGTH: int = 64 * 1024
    MAX_FORM_PARTS: int = 100

    @property
    def is_production(self) -> bool:
        """Whether the strict rules hold."""
        return self.APP_ENV == "production"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is one SQLite file."""
        return self.SQLALCHEMY_DATABASE_URI.startswith("sqlite")

    @property
    def is_secure(self) -> bool:
        """Whether pages are reached by HTTPS, so that cookies may ask for it."""
        return self.BASE_URL.startswith("https://")

    @property
    def form_cookie(self) -> str:
        """The name of the public forms' own cookie."""
        return "__Host-form" if self.is_secure else "form"

    @property
    def staff_cookie(self) -> str:
        """The name of the staff's session cookie."""
        return "__Host-staff" if self.is_secure else "staff"

    @property
    def keys(self) -> tuple[str, ...]:
        """SECRET_KEY, which signs, and its forerunners, which are still believed."""
        return (self.SECRET_KEY, *self.SECRET_KEY_FALLBACKS)

    @property
    def signing_keys(self) -> list[str]:
        """The same in itsdangerous' order: the last one signs."""
        return list(reversed(self.keys))


def settings() -> Settings:
    """The settings of the current app."""
    found: Settings = current_app.extensions["settings"]
    return found


def is_loose(path: Path) -> bool:
    """Whether strangers can read a file. Its group may, where it is somebody else's than ours."""
    if path.is_symlink() or not path.exists():
        return False
    found = path.stat()
    return bool(found.st_mode & (0o077 if found.st_uid == os.geteuid() else 0o007))
