"""The same verbs on PostgreSQL, and a portal that moves there: `make test-postgres` runs these."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url, select, text

from config import ROOT
from portal.backup import files, generations, postgres
from portal.db import db
from portal.intake.models import Request
from portal.mail.models import Delivery, State
from portal.seals.jobs import seal_all
from portal.settings import Settings
from tests import world
from tests.backup.test_backup import left_aside, refused
from tests.conftest import Clock, own_postgres
from tests.intake.samples import submit

Run = Callable[..., Any]


@pytest.fixture
def config(app: Flask) -> Settings:
    found: Settings = app.extensions["settings"]
    if found.is_sqlite:
        pytest.skip("needs a server (make test-postgres)")
    shutil.rmtree(files.folder_of(found), ignore_errors=True)
    return found


@pytest.fixture
def run(app: Flask, config: Settings, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`flask …` with these words, by a process that holds no connection."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def invoke(*words: object) -> Any:
        for face in (app, app.extensions["staff"]):
            with face.app_context():
                db.session.remove()
                db.engine.dispose()
        return app.test_cli_runner().invoke(args=[str(word) for word in words])

    return invoke


@pytest.fixture
def made(app: Flask, run: Run, clock: Clock) -> Path:
    """A backup with one request in it, and its trail sealed."""
    submit(app)
    with app.app_context():
        seal_all(clock.tick(hours=1))
    done = run("backup", "create")
    assert done.exit_code == 0, done.output
    return Path(done.stdout.strip())


@pytest.fixture(autouse=True)
def no_old_databases(config: Settings) -> Iterator[None]:
    """What restores keep goes with the test."""
    yield
    url = make_url(config.SQLALCHEMY_DATABASE_URI)
    with postgres.connected(url.set(database="postgres"), autocommit=True) as server:
        names = server.scalars(
            text("SELECT datname FROM pg_database WHERE datname LIKE :like"),
            {"like": f"{url.database}\\_before\\_%"},
        )
        for name in names.all():
            server.execute(text(f'DROP DATABASE "{name}"'))


def test_a_restore_brings_back_what_was_and_holds_the_mail(
    app: Flask, made: Path, run: Run, config: Settings
) -> None:
    verified = run("backup", "verify", made)
    assert verified.exit_code == 0 and "is good" in verified.stdout
    submit(app, "token-2", email="later@clinic.example")

    done = run("backup", "restore", made)

    assert done.exit_code == 0, done.output
    assert "_before_" in done.stdout
    with app.app_context():
        assert len(db.session.scalars(select(Request)).all()) == 1
        assert set(db.session.scalars(select(Delivery.state))) == {State.HELD}
    submit(app, "token-3", email="next@clinic.example")  # numbers go on
    assert left_aside(config.INSTANCE_DIR) == []


def test_what_is_not_for_us_changes_nothing(app: Flask, made: Path, run: Run, config: Settings) -> None:
    whole = made.read_bytes()
    for place in (5, 600, len(whole) // 2, len(whole) - 70):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        made.write_bytes(flipped)
        assert "damaged" in refused(run("backup", "restore", made)), place
    made.write_bytes(whole)
    for changes, said in (
        ({"counts": {"request": 7}}, "not hold as many rows"),
        ({"schema": "9999"}, "newer version"),
        ({"audit_head": 77}, "trail does not end"),
        ({"audit_seal": "1:" + 64 * "0"}, "trail does not end"),
        ({"portal": "x" * 32}, "another portal"),
    ):
        with files.unpacked(made, made.parent) as (manifest, folder):
            other = made.with_name("other.backup")
            other.unlink(missing_ok=True)
            files._pack(other, replace(manifest, **changes), {postgres.MEMBER: folder / postgres.MEMBER})
        assert said in refused(run("backup", "restore", other))
    with app.app_context():
        assert len(db.session.scalars(select(Request)).all()) == 1


def test_nothing_is_restored_while_somebody_uses_the_database(made: Path, run: Run, config: Settings) -> None:
    with postgres.connected(make_url(config.SQLALCHEMY_DATABASE_URI)) as other:
        other.scalar(text("SELECT 1"))
        assert "uses the database" in refused(run("backup", "restore", made))


def test_the_day_has_its_backup(made: Path, run: Run, config: Settings) -> None:
    made.unlink()
    assert run("jobs", "run", "backup.daily").exit_code == 0
    assert len(generations.listed(files.folder_of(config))) == 1


def flask(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flask", *words]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )


def test_a_portal_moves_from_sqlite_and_is_proven_the_same(
    config: Settings, tmp_path: Path, worker_id: str, clock: Clock
) -> None:
    """The whole demo world, each table counted and summed up on both sides; never mixed with what is there."""
    url = make_url(config.SQLALCHEMY_DATABASE_URI)
    target = own_postgres(
        url.set(database="moved").render_as_string(hide_password=False).replace("/moved", "/postgres"),
        f"moved_{worker_id}",
    )
    here = {
        **world.SETTINGS,
        "INSTANCE_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/portal.db",
        "PORT": "1",
    }
    for words in (("db", "upgrade"), ("seed",)):
        assert flask(*words, **here).returncode == 0

    done = flask("move", target, **here)

    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines() if line.endswith("same")]
    counts = {row[0]: (row[1], row[2]) for row in told}
    assert set(counts) == set(db.metadata.tables)
    assert all(here == there for here, there in counts.values())
    assert int(counts["request"][0]) > 10 and int(counts["mail_delivery"][0]) > 10
    again = flask("move", target, **here)
    assert again.returncode == 2 and "is not empty" in again.stderr
    there = {**here, "DATABASE_URL": target}
    assert "at " in flask("doctor", **there).stdout
    invited = flask("staff", "invite", "new@pharmacy.example", "--role", "desk", **there)
    assert invited.returncode == 0, invited.stderr  # the numbers go on after those that came
    assert flask("move", target, **there).returncode == 2
    assert "postgresql+psycopg" in flask("move", "mysql://x", **here).stderr
