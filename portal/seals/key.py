"""The seal's key, and how far the chain came: two small files outside the database.

The first line of the key's file seals; older lines are still believed, so that a key can be changed. The file is not
made from SECRET_KEY: that one is changed when it leaked and its forerunner forgotten, while seals are read for years.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from portal import disk
from portal.errors import Refused
from portal.settings import Settings

LEAST = 32  # characters


def path_of(config: Settings) -> Path:
    """Where the key is."""
    return config.AUDIT_KEY_FILE or config.INSTANCE_DIR / "audit.key"


def id_of(key: bytes) -> str:
    """By which a seal says which key made it."""
    return hmac.digest(key, b"audit/key-id", "sha256").hex()[:16]


def read(config: Settings) -> list[bytes]:
    """The keys, the one that seals first; none where there is no file. Raises Refused for one that is too short."""
    try:
        lines = path_of(config).read_text(encoding="ascii").split()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"The audit's key in {path_of(config)} cannot be read: {type(error).__name__}."
        ) from error
    if not lines or any(len(line) < LEAST for line in lines):
        raise Refused(f"The audit's key in {path_of(config)} is shorter than {LEAST} characters.")
    return [line.encode() for line in lines]


def made(config: Settings) -> list[bytes]:
    """The keys; a new one is made where there is no file, by whichever process comes first. Raises Refused."""
    if not (found := read(config)):
        _write(path_of(config), f"{secrets.token_urlsafe(48)}\n", only_new=True)
        found = read(config)
    return found


def take_in(config: Settings, more: str) -> None:
    """Believe the keys of a backup that is brought back, which come first, beside our own. Raises Refused."""
    ours = [key.decode() for key in read(config)]
    lines = dict.fromkeys([*more.split(), *ours])
    if list(lines) != ours:
        _write(path_of(config), "".join(f"{line}\n" for line in lines))


def reached(config: Settings) -> str:
    """How far the chain came, as this machine's sealer last said: the number and MAC of a seal, or nothing."""
    try:
        return _head(config).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def reach(config: Settings, head: str) -> None:
    """Keep how far the chain came; nothing where a restored one has no seal. Raises Refused."""
    if head:
        _write(_head(config), f"{head}\n")
    else:
        _head(config).unlink(missing_ok=True)


def _head(config: Settings) -> Path:
    return config.INSTANCE_DIR / "audit.head"


def _write(path: Path, words: str, *, only_new: bool = False) -> None:
    """Put it there whole, for us alone."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (disk.keep_first if only_new else disk.keep)(path, words.encode())
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from error
