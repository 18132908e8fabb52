"""Settings: cast once, all faults at once, no secret in sight."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config import ROOT, Config, ConfigError, setting_names
from portal.app import CONTENT
from tests.mail.test_dkim import KEYS, write_key

GOOD_SECRET = "kG7v1Qz9_Tb4WmXc2Lr8Ys5Np3Hd6Jf0AeUo"
PRODUCTION = {
    "APP_ENV": "production",
    "SECRET_KEY": GOOD_SECRET,
    "BASE_URL": "https://portal.example.org",
    "SMTP_URL": "smtp://user:pass-word@mail.example.org:587?tls=start",
    "MAIL_FROM": "portal@example.org",
    "ORG_NAME": "A Pharmacy",
    "ORG_ADDRESS": "1 Main St",
    "ORG_PHONE": "925-555-0100",
    "ORG_HOURS": "Mon-Fri 09:00-17:00",
    "REPLY_TO": "desk@example.org",
}


def faults(env: dict[str, str], tmp_path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Config.from_env(env, root=tmp_path)
    return caught.value.faults


def test_defaults_serve_a_fresh_checkout(tmp_path: Path) -> None:
    config = Config.from_env({}, root=tmp_path)

    assert config.APP_ENV == "development"
    assert f"sqlite:///{tmp_path}/instance/portal.db" == config.SQLALCHEMY_DATABASE_URI
    assert (config.HOST, config.PORT, config.WEB_WORKERS) == ("127.0.0.1", 8000, 1)
    assert config.BASE_URL == "http://127.0.0.1:8000"
    assert config.ORG.address == "2551 San Ramon Valley Blvd, Suite 112, San Ramon, CA 94583"
    assert config.ORG.phone == ""
    assert config.PROFESSIONAL_GATE


def test_the_secret_is_made_once_and_only_we_may_read_it(tmp_path: Path) -> None:
    first = Config.from_env({}, root=tmp_path).SECRET_KEY
    second = Config.from_env({}, root=tmp_path).SECRET_KEY

    assert first == second
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "instance" / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "instance").stat().st_mode) == 0o700


def test_production_lists_every_fault_at_once(tmp_path: Path) -> None:
    found = " ".join(faults({"APP_ENV": "production", "FLASK_DEBUG": "1"}, tmp_path))

    for name in ("SECRET_KEY", "BASE_URL", "SMTP_URL", "MAIL_FROM", "ORG_NAME", "ORG_ADDRESS", "ORG_PHONE"):
        assert name in found
    for name in ("ORG_HOURS", "REPLY_TO", "FLASK_DEBUG"):
        assert name in found
    assert "ORG_LICENSE" not in found, "advice"
    assert not (tmp_path / "instance").exists()


def test_production_starts_with_everything_given(tmp_path: Path) -> None:
    config = Config.from_env(PRODUCTION, root=tmp_path)

    assert config.is_production
    assert config.ORG.name == "A Pharmacy"


@pytest.mark.parametrize("secret", ["short", "a" * 64, "change-me-please-0123456789abcdefghij", ""])
def test_production_refuses_a_weak_secret(secret: str, tmp_path: Path) -> None:
    found = faults({**PRODUCTION, "SECRET_KEY": secret}, tmp_path)

    assert len(found) == 1
    assert "SECRET_KEY" in found[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("TRUSTED_PROXIES", "-1"),
        ("WEB_WORKERS", "0"),
        ("BASE_URL", "example.org"),
        ("BASE_URL", "https://example.org/portal"),
        ("DATABASE_URL", "mysql://x"),
        ("SMTP_URL", "mail.example.org"),
        ("SMTP_URL", "smtp://mail.example.org?tls=none"),
        ("ORG_TIMEZONE", "Mars/Olympus"),
        ("ORG_HOURS", "whenever"),
        ("ORG_HOLIDAYS", "Christmas"),
        ("MAIL_RATE_PER_SECOND", "fast"),
        ("MAIL_RATE_PER_SECOND", "0.001"),
        ("MAIL_FROM", "nobody"),
        ("PROFESSIONAL_GATE", "perhaps"),
        ("APP_ENV", "staging"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str, tmp_path: Path) -> None:
    found = faults({name: value}, tmp_path)

    assert len(found) == 1
    assert name in found[0]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("BASE_URL", "https://portál.example.org", "not ASCII"),
        ("BASE_URL", "https://a@b@c.example", "an @"),
        ("BASE_URL", "https://user@portal.example.org", "an @"),
        ("BASE_URL", "https://portal.example.org:99999", "port"),
        ("BASE_URL", "https://portal.example.org:", ""),
        ("BASE_URL", "https://[::1", "port"),
        ("BASE_URL", "https://portal_x.example.org", "no host name"),
        ("BASE_URL", "https://portal.example.org/#x", "without a path"),
        ("BASE_URL", "https://portal .example.org", "blank"),
        ("BASE_URL", f"https://{'a.' * 100}example.org", "too long"),
        ("MAIL_FROM", "Portal <portal@example.org>", "without a name or brackets"),
        ("MAIL_FROM", "<portal@example.org>", "without a name or brackets"),
        ("MAIL_FROM", "portal@example.org, desk@example.org", "without a name"),
        ("MAIL_FROM", "a@b@example.org", "2 @"),
        ("MAIL_FROM", "nobody", "0 @"),
        ("MAIL_FROM", "portal@peña.example", "not ASCII"),
        ("MAIL_FROM", f"portal@{'a' * 60}.{'b' * 60}.{'c' * 60}.org", "too long"),
        ("MAIL_FROM", f"{'a' * 65}@example.org", "none that a mail server takes"),
        ("MAIL_FROM", "=?utf-8?q?x?=@example.org", "none that a mail server takes"),
        ("MAIL_FROM", "portal@-example.org", "none that a mail server takes"),
        ("REPLY_TO", "Desk <desk@example.org>", "without a name or brackets"),
        ("REPLY_TO", "desk@peña.example", "not ASCII"),
        ("SMTP_URL", "smtp://u:pässword@mail.example.org", "%C3%A9"),
        ("SMTP_URL", "smtp://u:p@mäil.example.org", "not ASCII"),
        ("SMTP_URL", "smtp://u:pa/ss@mail.example.org", "%2F"),
        ("SMTP_URL", "smtp://u:p#ss@mail.example.org", "%23"),
        ("SMTP_URL", "smtp://u:p?ss@mail.example.org", "%3F"),
        ("SMTP_URL", "smtp://u:p ss@mail.example.org", "blank"),
        ("SMTP_URL", "smtp://u:p%E9@mail.example.org", "not UTF-8"),
        ("SMTP_URL", "smtp://u:p%00@mail.example.org", "RFC 4013"),
        ("SMTP_URL", "smtp://u@mail.example.org", "a user needs a password"),
        ("SMTP_URL", "smtp://mail.example.org:0", "port"),
        ("SMTP_URL", "smtp://mail.example.org:smtp", "port"),
        ("SMTP_URL", "smtp://mail.example.org/inbox", "must look like"),
        ("SMTP_URL", "smtp://mail.example.org?ssl=yes", "must look like"),
        ("SMTP_URL", "smtps://127.0.0.1?tls=none", "contradict"),
        ("SMTP_URL", "smtp://mail.example.org?tls=start&tls=none", "tls must be"),
        ("ORG_NAME", "x" * 201, "200 characters"),
        ("ORG_NAME", "A\nB", "one line"),
        ("ORG_ADDRESS", "1 Main St\nSan Ramon", "one line"),
        ("ORG_LICENSE", "x" * 201, "200 characters"),
        ("ORG_PIC", "A\x00B", "one line"),
        ("ORG_PHONE", "abc", "can be dialled"),
        ("ORG_PHONE", "555-0100", "area code"),
        ("ORG_PHONE", "+1 (925) 555-0100 ext. 2", ""),
        ("ORG_FAX", "none", "can be dialled"),
        ("HOST", "http://127.0.0.1", "no host name"),
        ("PROBE_HOSTS", "http://x", "no host name"),
        ("PROBE_HOSTS", "portal-1, 10.0.0.5/24", "no host name"),
        ("PROBE_HOSTS", "portal-1, 10.0.0.5 [::1] fe80::1", ""),
        ("REDIS_URL", "localhost:6379", "must begin with"),
        ("REDIS_URL", "unix:///run/redis.sock", ""),
        ("DATABASE_DIRECT_URL", "postgres://portal@db/portal", "must begin with"),
        ("DATABASE_DIRECT_URL", "postgresql+psycopg://portal@db/portal", ""),
        ("BACKUP_COMMAND", 'copy "', "no command"),
        ("BACKUP_COMMAND", "rclone copyto 'a b'", ""),
        ("BACKUP_DIR", "a-file", "a-file is a file"),
        ("INBOUND_MAILDIR", "a-file/mail", "a-file is a file"),
        ("BOUNCE_MAILDIR", "a-file", "must be a folder"),
        ("BACKUP_DIR", "not/there/yet", ""),
        ("AUDIT_KEY_FILE", ".", "is a folder"),
        ("DATABASE_URL", "sqlite:///.", "names a folder"),
        ("INSTANCE_DIR", "a-file", "cannot be made"),
        ("INSTANCE_DIR", "a-file/x", "cannot be made"),
        ("PORT", "9" * 5000, "whole number"),
        ("UNDO_SECONDS", "-1", "whole number"),
        ("BOUNCE_DOMAIN", "http://x.example", "a domain"),
    ],
)
def test_what_would_fail_later_is_refused_with_its_reason(
    name: str, value: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "a-file").touch()
    if not reason:
        assert Config.from_env({name: value}, root=tmp_path)
        return
    [found] = faults({name: value}, tmp_path)

    assert found.startswith(name) and reason in found


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("SMTP_URL", "smtp://me@example.org:p%C3%A4ss@mail.example.org:2525", None),
        ("SMTP_URL", "smtp://[::1]:2525?tls=none", None),
        ("MAIL_FROM", "portal@Example.ORG", "portal@example.org"),
        ("HOST", "::1", None),
        ("BASE_URL", "https://xn--pea-8ma.example:8443/", "https://xn--pea-8ma.example:8443"),
    ],
)
def test_an_odd_value_that_works_is_taken(name: str, value: str, kept: str | None, tmp_path: Path) -> None:
    assert getattr(Config.from_env({name: value}, root=tmp_path), name) == (kept or value)


@pytest.mark.parametrize(
    ("mode", "is_refused"), [(0o600, False), (0o644, True), (0o640, True), (0o604, True)]
)
def test_production_refuses_settings_that_others_can_read(
    mode: int, is_refused: bool, tmp_path: Path
) -> None:
    (tmp_path / ".env").touch(mode)
    (tmp_path / ".env").chmod(mode)

    if not is_refused:
        assert Config.from_env(PRODUCTION, root=tmp_path)
        return
    [found] = faults(PRODUCTION, tmp_path)
    assert "chmod 600 .env" in found
    assert Config.from_env({}, root=tmp_path), "elsewhere doctor says so"


def test_plain_smtp_is_only_for_this_machine(tmp_path: Path) -> None:
    config = Config.from_env({"SMTP_URL": "smtp://127.0.0.1:2525?tls=none"}, root=tmp_path)

    assert config.SMTP_URL


def test_secrets_are_not_in_the_repr(tmp_path: Path) -> None:
    shown = repr(Config.from_env({**PRODUCTION, "REDIS_URL": "redis://:hidden-word@host"}, root=tmp_path))

    for secret in (GOOD_SECRET, "pass-word", "hidden-word"):
        assert secret not in shown


def test_the_process_exits_with_78_and_all_faults(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "APP_ENV": "production", "INSTANCE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", "import wsgi"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 78
    assert len(re.findall(r"^  - ", done.stderr, re.MULTILINE)) >= 9
    assert "Traceback" not in done.stderr


def test_the_process_exits_with_78_and_all_faults_of_its_texts(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    shutil.copytree(CONTENT, texts)
    (texts / "en" / "legal.md").write_text("No front matter.\n", "utf-8")
    dosing = texts / "en" / "prescribers" / "dosing.md"
    dosing.write_text(dosing.read_text("utf-8") + "\nGive .5 mg.\n", "utf-8")
    env = {"PATH": os.environ["PATH"], "INSTANCE_DIR": str(tmp_path / "instance")}
    start = f"import portal.app, pathlib; portal.app.CONTENT = pathlib.Path({str(texts)!r}); import wsgi"
    done = subprocess.run(
        [sys.executable, "-c", start], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 78
    assert "  - en/legal.md: the front matter must stand between two lines of ---" in done.stderr
    assert "  - en/prescribers/dosing.md: '.5 mg': write the nought before the point" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_setting_is_documented_and_back() -> None:
    documented = set(
        re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    )
    sample = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert documented == set(setting_names())
    assert sample == documented


def test_a_key_that_signs_is_judged_at_the_start(tmp_path: Path) -> None:
    write_key(tmp_path / "dkim.key", KEYS["rsa"])
    signing = {**PRODUCTION, "DKIM_KEY_FILE": "dkim.key", "DKIM_SELECTOR": "Mail2026"}

    config = Config.from_env(signing, root=tmp_path)
    assert tmp_path / "dkim.key" == config.DKIM_KEY_FILE
    assert (config.DKIM_SELECTOR, config.DKIM_DOMAIN) == ("mail2026", "example.org")
    above = {**signing, "MAIL_FROM": "portal@news.example.org", "DKIM_DOMAIN": "example.org"}
    assert Config.from_env(above, root=tmp_path).DKIM_DOMAIN == "example.org"

    (tmp_path / "dkim.key").chmod(0o640)
    assert faults(signing, tmp_path) == [
        f"{tmp_path}/dkim.key signs our mail, and others can read it: chmod 600 dkim.key"
    ]
    (tmp_path / "dkim.key").chmod(0o600)
    (tmp_path / "none.key").write_text("none")
    (tmp_path / "none.key").chmod(0o600)
    wrong = {"DKIM_KEY_FILE": "none.key", "DKIM_SELECTOR": "", "DKIM_DOMAIN": "another.org"}
    assert faults({**PRODUCTION, **wrong}, tmp_path) == [
        f"DKIM_KEY_FILE {tmp_path}/none.key is no private key in PEM without a password.",
        "DKIM_SELECTOR must be the name of the key in DNS, like mail2026.",
        "DKIM_DOMAIN must be example.org, the domain of MAIL_FROM, or one above it.",
    ]
    assert faults({**PRODUCTION, "DKIM_SELECTOR": "mail2026"}, tmp_path) == [
        "DKIM_KEY_FILE is missing: without a key nothing is signed."
    ]
