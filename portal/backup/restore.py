"""Bringing a backup back: all is made ready aside, then one rename; what was is kept beside it.

Mails that waited when the backup was made may have gone out since: they are held until a person lets them go.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from portal import audit, disk
from portal.backup import files, generations, postgres, sqlite
from portal.db import transaction
from portal.errors import Refused
from portal.mail import lanes
from portal.people import accounts
from portal.seals import key
from portal.settings import Settings


def restore(
    config: Settings,
    path: Path,
    *,
    at: datetime,
    is_served: bool,
    knows: Callable[[str], bool],
    identity: Path | None,
) -> str | None:
    """Put the portal on that backup's data; returns where the old database is kept, None when there was none.

    Raises Refused, with nothing changed, while anybody uses the database, and for a backup that is damaged, of
    another portal or of a newer version (`knows` tells whether a schema is one of ours).
    """
    if is_served:
        raise Refused("The portal is running: stop it first.")
    room = config.INSTANCE_DIR if not config.is_sqlite else sqlite.database_of(config).parent
    room.mkdir(mode=0o700, parents=True, exist_ok=True)
    with no_worker(config), files.faults("restore it"):
        files.sweep(room, "restoring")
        with (
            files.aside_in(room, "restoring") as aside,
            files.unpacked(path, aside, identity, looks_through=False) as found,
        ):
            manifest, folder = found
            if not knows(manifest.schema):
                raise Refused(
                    f"{path.name} is of a newer version (schema {manifest.schema}): restore it with that one."
                )
            if files.kind_of(config).MEMBER not in manifest.holds:
                raise Refused(f"{path.name} is of the other kind of database than DATABASE_URL.")
            takes_secret = _judge_key(config, manifest)
            secret = (folder / "secret").read_text().strip() if takes_secret else config.SECRET_KEY
            bring = _bring_file if config.is_sqlite else _bring_dump
            switch = bring(config, folder, secret, manifest.made_at, at)
            with switch as kept:
                if takes_secret:
                    disk.keep(config.INSTANCE_DIR / "secret", secret.encode())
                if files.KEY in manifest.holds:
                    key.take_in(config, (folder / files.KEY).read_text())
                key.reach(config, manifest.audit_seal)
    return kept


@contextmanager
def _bring_file(
    config: Settings, folder: Path, secret: str, made_at: str, at: datetime
) -> Iterator[str | None]:
    """Make all ready; the block's end is the switch."""
    database, copy = sqlite.database_of(config), folder / sqlite.MEMBER
    _settle(f"sqlite:///{copy}", secret, made_at)
    _close(copy)
    kept = _keep_old(database, at) if database.exists() else None
    yield str(kept) if kept else None
    for beside in ("-wal", "-shm", "-journal"):
        database.with_name(database.name + beside).unlink(missing_ok=True)
    copy.replace(database)
    disk.sync(database.parent)


@contextmanager
def _bring_dump(
    config: Settings, folder: Path, secret: str, made_at: str, at: datetime
) -> Iterator[str | None]:
    """The same, by a database beside the portal's."""
    with postgres.made_ready(config, folder / postgres.MEMBER) as aside:
        _settle(aside.render_as_string(hide_password=False), secret, made_at)
        yield f"database {postgres.name_kept(config, at)}"
        postgres.put_in_place(config, aside, at)


def settle(*, at: datetime) -> int:
    """In a restored database: hold what may have been sent, end every session, say so; returns how many are held."""
    with transaction():
        held = lanes.hold_restored()
        accounts.end_all_sessions()
        audit.record(None, "backup.restored", "backup", at=at, detail=str(held))
    return held


def _judge_key(config: Settings, manifest: files.Manifest) -> bool:
    """Whether the backup's own secret is to be taken: only where the portal is a new one."""
    if manifest.portal in {files.mark_of(key) for key in config.keys}:
        return False
    is_ours_to_set = (config.INSTANCE_DIR / "secret").exists() and "secret" in manifest.holds
    has_people = _has_people(sqlite.database_of(config)) if config.is_sqlite else postgres.has_people(config)
    if is_ours_to_set and not has_people:
        return True
    raise Refused("It is of another portal, or of another SECRET_KEY: set the one that it was made under.")


def _has_people(database: Path) -> bool:
    if not database.exists():
        return False
    connection = sqlite3.connect(database)
    try:
        found = connection.execute('SELECT EXISTS (SELECT 1 FROM "user") OR EXISTS (SELECT 1 FROM request)')
        return bool(found.fetchone()[0])
    except sqlite3.OperationalError:
        return False  # a database without tables
    finally:
        connection.close()


def _settle(url: str, secret: str, made_at: str) -> None:
    """Bring the copy to this version's schema and settle it, by our own commands on that database alone."""
    env = {**os.environ, "DATABASE_URL": url, "SECRET_KEY": secret}
    for words in (("db", "upgrade"), ("backup", "settle", "--since", made_at)):
        command = [sys.executable, "-m", "flask", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
            raise Refused(f"The backup's data could not be made ready: {said}")


def _close(copy: Path) -> None:
    """Fold the log into the file, and have the disk keep it."""
    with sqlite.opened(copy) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    disk.sync(copy)


def _keep_old(database: Path, at: datetime) -> Path:
    """Give the old database a second name, its log folded in when it can be read. Raises Refused while it is used."""
    kept = database.with_name(f"{database.name}.before-{at.astimezone(UTC):{generations.STAMP}}")
    connection = sqlite3.connect(database, timeout=0.2, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise Refused("Somebody uses the database: stop the portal and every command first.") from error
        _keep_log(database, kept)
    except sqlite3.DatabaseError:
        _keep_log(database, kept)  # it is damaged, perhaps why we are here
    finally:
        connection.close()
    os.link(database, kept)
    return kept


def _keep_log(database: Path, kept: Path) -> None:
    wal = database.with_name(f"{database.name}-wal")
    if wal.exists():
        os.link(wal, kept.with_name(f"{kept.name}-wal"))


@contextmanager
def no_worker(config: Settings) -> Iterator[None]:
    """Hold the worker's lock: none lives, and none begins meanwhile as the machine's first."""
    with (config.INSTANCE_DIR / "worker.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused("A worker is running: stop it first.") from error
        yield
