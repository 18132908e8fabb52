"""One backup, one file: a tar of `manifest.json`, the database and, when encrypted, `secret` and `audit.key`; at the
end its SHA-256.

The database is `portal.db` (`sqlite.py`) or `portal.dump` (`postgres.py`), each a copy of one moment for which no
writer waits. It is written aside, read back whole, synced and then named.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from portal import disk, tokens
from portal.backup import postgres, sqlite
from portal.backup.facts import Facts
from portal.backup.generations import STAMP
from portal.errors import Refused
from portal.seals import key
from portal.settings import Settings

FORMAT = 1
KEY = "audit.key"
HELD = (sqlite.MEMBER, postgres.MEMBER, "secret", KEY)  # all that one may hold beside its manifest
SEAL = 65  # bytes at the end: a line feed and SHA-256 in hex
PIECE = 1 << 20
DAMAGED = "it is damaged or was cut short"


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. `portal` is a keyed hash: only its own SECRET_KEY makes the same."""

    format: int
    made_at: str  # ISO 8601, UTC
    portal: str
    schema: str
    counts: dict[str, int]
    settings: list[str]  # names of those that are set, never their values
    holds: list[str]
    audit_head: int  # the last entry's number
    audit_seal: str = ""  # number and MAC of the last seal; empty in one from before there were any

    @property
    def facts(self) -> Facts:
        """What it says of the database."""
        return Facts(self.schema, self.counts, self.audit_head, self.audit_seal)


def folder_of(config: Settings) -> Path:
    """Where backups lie unless told otherwise."""
    return config.BACKUP_DIR or config.INSTANCE_DIR / "backups"


def kind_of(config: Settings) -> ModuleType:
    """How a backup of this portal's database is made and read."""
    return sqlite if config.is_sqlite else postgres


def mark_of(key: str) -> str:
    """By which a backup is known as made under this SECRET_KEY."""
    return tokens.derive(key, "backup/portal", "")


def make(config: Settings, folder: Path, *, at: datetime) -> Path:
    """Make one and return its file. Raises Refused, and leaves nothing behind, when it cannot be good."""
    target = (
        folder / f"portal-{at.astimezone(UTC):{STAMP}}.backup{'.age' if config.BACKUP_AGE_RECIPIENT else ''}"
    )
    with faults("make a backup"), _alone(folder), aside_in(folder, "making") as aside:
        kind = kind_of(config)
        copy, packed = aside / kind.MEMBER, aside / "packed"
        manifest = _manifest(config, kind.take(config, copy), at)
        members = {kind.MEMBER: copy}
        if "secret" in manifest.holds:
            members["secret"] = config.INSTANCE_DIR / "secret"
        if KEY in manifest.holds:
            members[KEY] = key.path_of(config)
        _pack(packed, manifest, members)
        copy.unlink()
        with unpacked(packed, aside):  # what is called good was read back
            pass
        if config.BACKUP_AGE_RECIPIENT:
            plain, packed = packed, aside / "sealed"
            _age("--encrypt", "--recipient", config.BACKUP_AGE_RECIPIENT, "--output", packed, plain)
        disk.sync(packed)
        if target.exists():
            raise Refused(f"{target} is there already: a backup a second is enough.")
        packed.rename(target)
        disk.sync(folder)
    return target


@contextmanager
def unpacked(
    path: Path, room: Path, identity: Path | None = None, *, looks_through: bool = True
) -> Iterator[tuple[Manifest, Path]]:
    """Its manifest and a folder with what it holds, checked whole, until the block ends; `room` has space for it.

    Without `looks_through` pages and keys are taken as they were found when its SHA-256 was taken, and a restore, for
    which a pharmacy waits, is much quicker.
    Raises Refused in one line: cut short, a flipped byte, of a newer format, not a backup, not ours to decrypt.
    """
    with faults(f"read {path.name}"), aside_in(room, "reading") as aside:
        plain = path
        with path.open("rb") as file:
            if file.read(4) == b"age-":
                if identity is None:
                    raise Refused(f"{path.name} is encrypted: give --identity FILE, the key it was made for.")
                plain = aside / "plain"
                _age("--decrypt", "--identity", identity, "--output", plain, path)
        if not _is_sealed(plain):
            raise Refused(f"{path.name} is no backup of the portal, or {DAMAGED}.")
        with tarfile.open(plain) as archive:
            manifest = _read_manifest(archive, path.name)
            for name in manifest.holds:
                if name not in HELD:
                    raise Refused(f"{path.name}: {DAMAGED}.")
                _take_out(plain, archive.getmember(name), aside)
        kind = postgres if postgres.MEMBER in manifest.holds else sqlite
        judge = kind.fault_of if looks_through else kind.difference
        if wrong := judge(aside / kind.MEMBER, manifest.facts):
            raise Refused(f"{path.name} cannot be used: {wrong}.")
        yield manifest, aside


def _manifest(config: Settings, facts: Facts, at: datetime) -> Manifest:
    is_sealed = bool(config.BACKUP_AGE_RECIPIENT)
    secrets = (("secret", config.INSTANCE_DIR / "secret"), (KEY, key.path_of(config)))
    return Manifest(
        format=FORMAT,
        made_at=at.astimezone(UTC).isoformat(timespec="seconds"),
        portal=mark_of(config.SECRET_KEY),
        schema=facts.schema,
        counts=facts.counts,
        settings=[field.name for field in fields(config) if getattr(config, field.name)],
        holds=[kind_of(config).MEMBER, *(name for name, path in secrets if is_sealed and path.is_file())],
        audit_head=facts.audit_head,
        audit_seal=facts.audit_seal,
    )


def _pack(target: Path, manifest: Manifest, members: dict[str, Path]) -> None:
    words = json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode()
    with target.open("xb") as file:
        target.chmod(0o600)
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
            archive.addfile(_entry("manifest.json", len(words)), io.BytesIO(words))
            for name, path in members.items():
                with path.open("rb") as member:
                    archive.addfile(_entry(name, path.stat().st_size), member)
    seal = _digest(target, target.stat().st_size)
    with target.open("ab") as file:
        file.write(b"\n" + seal)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _is_sealed(path: Path) -> bool:
    size = path.stat().st_size - SEAL
    if size <= 0:
        return False
    with path.open("rb") as file:
        file.seek(size)
        return file.read() == b"\n" + _digest(path, size)


def _digest(path: Path, size: int) -> bytes:
    sha = hashlib.sha256()
    for piece in _pieces(path, 0, size):
        sha.update(piece)
    return sha.hexdigest().encode()


def _take_out(plain: Path, entry: tarfile.TarInfo, folder: Path) -> None:
    with (folder / entry.name).open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        for piece in _pieces(plain, entry.offset_data, entry.size):
            file.write(piece)


def _pieces(path: Path, start: int, size: int) -> Iterator[memoryview]:
    """So many bytes of a file, each piece in the memory of the last: asking for new takes longer than reading."""
    room = memoryview(bytearray(PIECE))
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while size and (got := file.readinto(room[:size])):
            yield room[:got]
            size -= got


def _read_manifest(archive: tarfile.TarFile, name: str) -> Manifest:
    member = archive.extractfile("manifest.json")
    told = json.load(member) if member else {}
    if told.get("format") != FORMAT:
        raise Refused(f"{name} is of another version's form ({told.get('format')}): use that version.")
    return Manifest(**told)


def _age(*words: object) -> None:
    """Run age (https://age-encryption.org/v1)."""
    try:
        done = subprocess.run(["age", *map(str, words)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError as error:
        raise Refused("The program age is not installed (Debian: apt-get install age).") from error
    if done.returncode:
        raise Refused(next(iter(done.stderr.splitlines()), "age failed"))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One backup at a time in a folder; what a killed one left is taken away."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused("Another backup is being made there just now.") from error
        sweep(folder, "making")
        yield


@contextmanager
def aside_in(folder: Path, why: str) -> Iterator[Path]:
    """A folder of our own in there, until the block ends."""
    with tempfile.TemporaryDirectory(prefix=f".{why}-", dir=folder) as name:
        yield Path(name)


def sweep(folder: Path, why: str) -> None:
    """Take away what one that was killed left aside; the caller holds the lock under which it is made."""
    for left in folder.glob(f".{why}-*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def faults(what: str) -> Iterator[None]:
    """A full disk, a missing file, bytes that are none of ours: one line."""
    try:
        yield
    except OSError as error:
        raise Refused(f"Could not {what}: {error.strerror or error}.") from error
    except (sqlite3.Error, tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"Could not {what}: {error}.") from error
