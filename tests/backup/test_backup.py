"""Backups: made while people write, checked, kept in generations, brought back; and every way in which one is bad."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.backup import files, generations, sqlite
from portal.db import db
from portal.intake.models import Request
from portal.mail.models import Delivery, State
from portal.people.models import StaffSession
from portal.settings import Settings
from tests import debian
from tests.conftest import Clock
from tests.figures import Figure, amount
from tests.intake.samples import submit
from tests.live import until

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
BACKUPS = amount(4, 50)


@pytest.fixture
def config(app: Flask) -> Settings:
    """The portal's settings, where it stands on SQLite."""
    found: Settings = app.extensions["settings"]
    if not found.is_sqlite:
        pytest.skip("the file format is SQLite's")
    shutil.rmtree(files.folder_of(found), ignore_errors=True)
    return found


@pytest.fixture
def run(app: Flask, config: Settings) -> Run:
    """`flask …` with these words."""
    return lambda *words: app.test_cli_runner().invoke(args=[str(word) for word in words])


@pytest.fixture
def made(app: Flask, run: Run) -> Path:
    """A backup with one request in it."""
    submit(app)
    done = run("backup", "create")
    assert done.exit_code == 0, done.output
    return Path(done.stdout.strip())


def refused(done: Any) -> str:
    """The one line of a command that refused."""
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.strip().splitlines()
    return str(line)


def left_aside(folder: Path) -> list[str]:
    return [
        path.name for path in folder.iterdir() if path.name.startswith((".making", ".reading", ".restoring"))
    ]


def test_what_is_made_is_whole_and_holds_no_secret(made: Path, run: Run, config: Settings) -> None:
    done = run("backup", "verify", made)

    assert done.exit_code == 0 and "is good" in done.stdout
    assert config.SECRET_KEY.encode() not in made.read_bytes()
    assert made.stat().st_mode & 0o077 == 0
    with tarfile.open(made) as archive:
        member = archive.extractfile("manifest.json")
        assert member is not None
        told = json.load(member)
    assert told["counts"]["request"] == 1
    assert "SECRET_KEY" in told["settings"]  # its name alone
    assert left_aside(made.parent) == []


def test_any_flipped_byte_and_any_cut_is_told(made: Path, run: Run) -> None:
    whole = made.read_bytes()
    places = [0, 5, 300, 600, len(whole) // 2, len(whole) - 66, len(whole) - 65, len(whole) - 1]
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 1
        made.write_bytes(flipped)
        assert "damaged" in refused(run("backup", "verify", made)), place
        assert "damaged" in refused(run("backup", "restore", made)), place
    for size in (0, 10, 65, 512, len(whole) - 1):
        made.write_bytes(whole[:size])
        assert "damaged" in refused(run("backup", "verify", made)), size
    assert "No such file" in refused(run("backup", "verify", made.with_name("none.backup")))


def test_what_it_says_to_hold_is_taken_out_nowhere_else(made: Path, run: Run, config: Settings) -> None:
    other = made.with_name("other.backup")
    with files.unpacked(made, made.parent) as (manifest, folder):
        told = replace(manifest, holds=["portal.db", "../../taken"])
        files._pack(other, told, {"portal.db": folder / "portal.db", "../../taken": folder / "portal.db"})

    assert "damaged" in refused(run("backup", "verify", other))
    assert "damaged" in refused(run("backup", "restore", other))
    assert not list(config.INSTANCE_DIR.parent.rglob("taken"))


def _repacked(made: Path, config: Settings, **changes: object) -> Path:
    with files.unpacked(made, made.parent) as (manifest, folder):
        other = made.with_name("other.backup")
        files._pack(other, replace(manifest, **changes), {"portal.db": folder / "portal.db"})
    return other


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 99}, "another version"),
        ({"schema": "9999"}, "newer version"),
        ({"portal": "x" * 32}, "another portal"),
        ({"counts": {"request": 7}}, "not hold as many rows"),
    ],
)
def test_what_is_not_for_us_changes_nothing(
    made: Path, run: Run, config: Settings, changes: dict[str, object], said: str
) -> None:
    before = sqlite.database_of(config).read_bytes()

    assert said in refused(run("backup", "restore", _repacked(made, config, **changes)))
    assert sqlite.database_of(config).read_bytes() == before
    assert left_aside(config.INSTANCE_DIR) == []


def test_a_restore_brings_back_what_was_and_holds_the_mail(
    app: Flask,
    made: Path,
    run: Run,
    config: Settings,
    settings: dict[str, str],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    submit(app, "token-2", email="later@clinic.example")
    with app.app_context():
        db.engine.dispose()

    done = run("backup", "restore", made)

    assert done.exit_code == 0, done.output
    with app.app_context():
        assert len(db.session.scalars(select(Request)).all()) == 1
        assert set(db.session.scalars(select(Delivery.state))) == {State.HELD}
        assert db.session.scalars(select(StaffSession)).all() == []
        count = len(db.session.scalars(select(Delivery)).all())
    kept = list(config.INSTANCE_DIR.glob("portal.db.before-*"))
    assert len(kept) == 1 and str(kept[0]) in done.stdout
    assert left_aside(config.INSTANCE_DIR) == []
    listed = run("mail", "held").stdout.splitlines()
    assert len(listed) == count and "@" not in "".join(listed)
    assert "nothing was changed" in refused(run("mail", "release", "999"))
    assert run("mail", "release", listed[0].split()[0], "--withdraw").exit_code == 0
    assert run("mail", "release", "--all").exit_code == 0
    with app.app_context():
        assert sorted(db.session.scalars(select(Delivery.state))) == ["queued"] * (count - 1) + ["withdrawn"]


def test_nothing_is_restored_under_a_running_portal(
    app: Flask, made: Path, run: Run, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (config.INSTANCE_DIR / "worker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "worker is running" in refused(run("backup", "restore", made))
    monkeypatch.setattr("portal.serve.listens", lambda *_: True)
    assert "is running" in refused(run("backup", "restore", made))
    monkeypatch.setattr("portal.serve.listens", lambda *_: False)
    monkeypatch.setattr("portal.backup.restore._settle", lambda *_: None)
    with sqlite.opened(sqlite.database_of(config)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM request").fetchone()
        assert "uses the database" in refused(run("backup", "restore", made))


def test_two_at_once_and_a_full_disk_leave_nothing(
    made: Path, run: Run, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.tick(minutes=1)
    with (made.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Another backup" in refused(run("backup", "create"))

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_pack", full)
    assert "No space left" in refused(run("backup", "create"))
    assert generations.listed(made.parent) == [made]
    assert left_aside(made.parent) == []


@pytest.mark.parametrize("verb", ["verify", "restore"])
def test_a_full_disk_while_it_is_read_changes_nothing(
    made: Path, run: Run, config: Settings, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    before = sqlite.database_of(config).read_bytes()

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_write", full)
    assert "No space left" in refused(run("backup", verb, made))
    assert sqlite.database_of(config).read_bytes() == before
    assert left_aside(made.parent) == left_aside(config.INSTANCE_DIR) == []


def test_what_a_killed_one_left_is_taken_away(made: Path, run: Run, clock: Clock) -> None:
    (made.parent / ".making-abc").mkdir()
    clock.tick(seconds=1)

    assert run("backup", "create").exit_code == 0
    assert left_aside(made.parent) == []


@pytest.fixture
def age(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be called by its name."""
    found = debian.program("age", "age")
    if found is None:
        pytest.skip("needs Debian's age")
    monkeypatch.setenv("PATH", str(Path(found[0]).parent), prepend=os.pathsep)


@pytest.mark.usefixtures("age")
def test_encrypted_it_holds_the_secret_for_its_key_alone(
    app: Flask, run: Run, config: Settings, change_settings: Callable[..., None], tmp_path: Path
) -> None:
    key = tmp_path / "key"
    subprocess.run(["age-keygen", "-o", str(key)], check=True, capture_output=True)
    public = subprocess.run(["age-keygen", "-y", str(key)], check=True, capture_output=True, text=True)
    change_settings(BACKUP_AGE_RECIPIENT=public.stdout.strip())
    (config.INSTANCE_DIR / "secret").write_text("x" * 43)
    try:
        made = Path(run("backup", "create").stdout.strip())
    finally:
        (config.INSTANCE_DIR / "secret").unlink()

    assert made.suffix == ".age"
    assert b"manifest" not in made.read_bytes()
    assert "--identity" in refused(run("backup", "verify", made))
    assert run("backup", "verify", made, "--identity", key).exit_code == 0
    with files.unpacked(made, tmp_path, key) as (_, folder):
        assert (folder / "secret").read_text() == "x" * 43


def test_generations_stay_and_the_rest_goes(tmp_path: Path) -> None:
    first = datetime(2025, 1, 1, 2, tzinfo=UTC)
    for day in range(500):
        at = first + timedelta(days=day)
        (tmp_path / f"portal-{at:{generations.STAMP}}.backup").touch()
        generations.forget(generations.over(tmp_path, at=at))
    left = [generations.made_at(path) for path in generations.listed(tmp_path)]
    last = first + timedelta(days=499)

    assert left[-7:] == [last - timedelta(days=n) for n in range(6, -1, -1)]
    assert len({at.strftime("%G-%V") for at in left[-12:]}) >= 5
    assert len({at.strftime("%Y-%m") for at in left}) == 12
    assert len(left) <= 7 + 5 + 12
    assert all(
        generations.ends_at(tmp_path / f"portal-{at:{generations.STAMP}}.backup") > last for at in left
    )


def test_the_day_has_its_backup_and_it_goes_off(
    app: Flask, run: Run, config: Settings, change_settings: Callable[..., None], tmp_path: Path
) -> None:
    change_settings(BACKUP_COMMAND=f"cp -t '{tmp_path}'")

    assert run("jobs", "run", "backup.daily").exit_code == 0
    (made,) = generations.listed(files.folder_of(config))
    assert (tmp_path / made.name).read_bytes() == made.read_bytes()
    assert made.name in run("backup", "list").stdout
    assert "nothing was deleted" in refused(run("backup", "forget", "portal-x"))
    assert run("backup", "forget", made.name).exit_code == 0
    assert generations.listed(made.parent) == []


def test_an_offsite_command_that_fails_is_told(
    run: Run, config: Settings, change_settings: Callable[..., None]
) -> None:
    change_settings(BACKUP_COMMAND="false")

    assert "ended with 1" in refused(run("backup", "create"))
    assert len(generations.listed(files.folder_of(config))) == 1


@pytest.fixture(autouse=True)
def no_old_databases(config: Settings) -> Iterator[None]:
    """What restores keep aside goes with the test."""
    yield
    for path in config.INSTANCE_DIR.glob("portal.db.before-*"):
        path.unlink()


def test_backups_while_people_write_are_each_of_one_moment(
    app: Flask, run: Run, config: Settings, clock: Clock, figure: Figure
) -> None:
    """Rows come all the time from two writers; each backup holds a beginning of them without a gap, and is whole."""
    database, over, made, during = sqlite.database_of(config), threading.Event(), [], 0
    acknowledged = {"a": 0, "b": 0}

    def write(who: str) -> None:
        with sqlite.opened(database) as connection:
            connection.execute("PRAGMA busy_timeout=10000")
            while not over.is_set():
                number = acknowledged[who] + 1
                connection.execute("BEGIN IMMEDIATE")
                values = (f"{who}:{number}", "test.written", "the portal", "2026-01-01 00:00:00", "")
                connection.execute(
                    "INSERT INTO audit_entry (subject, action, actor_name, at, detail) VALUES (?, ?, ?, ?, ?)",
                    values,
                )
                connection.execute("COMMIT")
                acknowledged[who] = number
                over.wait(0.002)

    writers = [threading.Thread(target=write, args=(who,)) for who in acknowledged]
    for writer in writers:
        writer.start()
    try:
        for _ in range(BACKUPS):
            before = dict(acknowledged)
            made.append((before, files.make(config, files.folder_of(config), at=clock.tick(seconds=1))))
            during += sum(acknowledged.values()) - sum(before.values())
            # SQLite keeps no order among those who wait for its lock: one may wait long beside another.
            until(lambda before=before: all(acknowledged[who] > before[who] for who in before))
    finally:
        over.set()
        for writer in writers:
            writer.join()
    for before, path in made:
        with files.unpacked(path, path.parent) as (_, folder), sqlite.opened(folder / "portal.db") as copy:
            for who in acknowledged:
                rows = copy.execute(
                    "SELECT subject FROM audit_entry WHERE subject LIKE ? ORDER BY id", (f"{who}:%",)
                )
                numbers = [int(subject.partition(":")[2]) for (subject,) in rows]
                assert numbers == list(range(1, len(numbers) + 1)), "a gap"
                assert before[who] <= len(numbers) <= acknowledged[who]
    assert during, "nobody wrote meanwhile: this would prove nothing"
    figure(
        "backups during writes", len(made), f"{sum(acknowledged.values())} rows written meanwhile", how="sum"
    )
