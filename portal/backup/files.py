"""One backup, one file: a tar of `manifest.json`, the database and, when encrypted, `secret` and `audit.key`; at the
end its SHA-256.

The database is `portal.db` (`sqlite.py`) or `portal.dump` (`postgres.py`), each a copy of one moment for which no
writer waits. It is written aside, read back whole, synced and then named.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from io import BytesIO, FileIO
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
PIECE = 1 << 16  # bytes, which stay in the processor's cache: of 1 << 20 each byte takes twice as long
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

    Without `looks_through` keys are not looked up again in what its SHA-256 proves to be the bytes that were looked
    through when it was made: a restore, for which a pharmacy waits, is much quicker.
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
        manifest = _take_apart(plain, path.name, aside)
        kind = postgres if postgres.MEMBER in manifest.holds else sqlite
        judge = kind.fault_of if looks_through else kind.quick_fault_of
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
            archive.addfile(_entry("manifest.json", len(words)), BytesIO(words))
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


def _digest(path: Path, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        return _pour(file, [(size, None)])


def _seal_of(path: Path) -> tuple[int, bytes]:
    """How long what is sealed is, and the digest that stands at its end; none in what is too short to have one."""
    size = max(0, path.stat().st_size - SEAL)
    with path.open("rb") as file:
        file.seek(size)
        return size, file.read().removeprefix(b"\n") if size else b""


def _take_apart(plain: Path, name: str, folder: Path) -> Manifest:
    """Write what it holds into a folder and take its SHA-256 by the same pass. Raises Refused."""
    damaged = Refused(f"{name} is no backup of the portal, or {DAMAGED}.")
    size, seal = _seal_of(plain)
    try:
        manifest, entries = _read_heads(plain, name)
    except (Refused, tarfile.TarError, ValueError, KeyError, TypeError):
        if _digest(plain, size) != seal:  # then what is wrong with them is the damage
            raise damaged from None
        raise
    with ExitStack() as opened, plain.open("rb", buffering=0) as file:
        parts: list[tuple[int, FileIO | None]] = []
        at = 0
        for entry in sorted(entries, key=lambda entry: entry.offset_data):
            member = opened.enter_context((folder / entry.name).open("xb", buffering=0))
            os.fchmod(member.fileno(), 0o600)
            parts += [(entry.offset_data - at, None), (entry.size, member)]
            at = entry.offset_data + entry.size
        if _pour(file, [*parts, (max(0, size - at), None)]) != seal:
            raise damaged
    return manifest


def _pour(source: FileIO, parts: Iterable[tuple[int, FileIO | None]]) -> bytes:
    """Read so many bytes of a file, part by part, into its own file where it has one; the SHA-256 of all."""
    sha, room = hashlib.sha256(), memoryview(bytearray(PIECE))
    for size, target in parts:
        while size > 0 and (got := source.readinto(room[:size])):
            sha.update(room[:got])
            if target is not None:
                _write(target, room[:got])
            size -= got
    return sha.hexdigest().encode()


def _write(target: FileIO, piece: memoryview) -> None:
    while piece:
        piece = piece[target.write(piece) :]


def _read_heads(plain: Path, name: str) -> tuple[Manifest, list[tarfile.TarInfo]]:
    """The manifest, and where each part lies that it names."""
    with tarfile.open(plain) as archive:
        manifest = _read_manifest(archive, name)
        if not set(manifest.holds) <= set(HELD):
            raise Refused(f"{name}: {DAMAGED}.")
        return manifest, [archive.getmember(held) for held in manifest.holds]


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
