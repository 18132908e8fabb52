"""The runbook's words, done: the first start in production, an upgrade from 0.1.0, and the way back, with rows."""

from __future__ import annotations

import io
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live import ROOT
from tests.test_config import PRODUCTION

FIRST = "73c479f"  # tagged v0.1.0
FLASK = str(Path(sys.executable).parent / "flask")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
TREE = ("portal", "migrations", "templates", "config.py", "wsgi.py")

Flask = Callable[..., "subprocess.CompletedProcess[str]"]


def commands(heading: str) -> list[list[str]]:
    """The lines to type under a heading of the runbook, as words."""
    section = RUNBOOK.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line.split() for line in re.findall(r"^    (\S.*)$", section, re.MULTILINE)]


def flask_in(tree: Path, env: dict[str, str]) -> Flask:
    """`flask …` in a copy of some version, with nothing else in the environment."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [FLASK, *words],
            cwd=tree,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """This version, without a `.env`."""
    copy = tmp_path / "new"
    copy.mkdir()
    for name in TREE:
        (copy / name).symlink_to(ROOT / name)
    for name in ("config.py", "wsgi.py"):  # what finds its folder by its own place
        (copy / name).unlink()
        shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.mark.recipe
def test_the_first_start_in_production_by_the_runbook(tree: Path) -> None:
    """Nobody made INSTANCE_DIR; every command is one line where it cannot go on, and doctor is no alarm."""
    written = "\n".join(f"{name}={value}" for name, value in PRODUCTION.items())
    (tree / ".env").write_text(written, encoding="utf-8")
    run = flask_in(tree, {})
    steps = [words[1:] for words in commands("First start in production") if words[0] == ".venv/bin/flask"]
    assert [step[0] for step in steps] == ["db", "staff", "doctor", "serve"]

    (tree / ".env").chmod(0o644)
    refused = run("db", "upgrade")
    assert refused.returncode == 78 and "chmod 600" in refused.stderr and "Traceback" not in refused.stderr
    assert not (tree / "instance").exists()
    (tree / ".env").chmod(0o600)
    early = run("staff", "invite", "a@b.example", "--role", "desk")
    assert early.returncode == 1
    assert re.fullmatch(
        r"The database cannot be used: no such table: \w+\. .*`flask db upgrade`.*\n", early.stderr
    )
    for step in steps[:2]:
        done = run(*[word.replace("EMAIL", "ana@pharmacy.example") for word in step])
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("https://portal.example.org/staff/invite/")
    with sqlite3.connect(tree / "instance" / "portal.db") as database:
        database.execute(
            "INSERT INTO user (email, name, role, active, session_key, created_at)"
            " VALUES ('ana@pharmacy.example', 'Ana', 'manager', 1, 'x', '2026-01-15')"
        )
    well = run("doctor")
    assert well.returncode == 0, well.stdout
    assert {line.split()[0] for line in well.stdout.splitlines()} == {"ok", "advice", "→"}
    assert (tree / "instance").stat().st_mode & 0o777 == 0o700
    assert not [path.name for path in (tree / "instance").glob("*.*") if path.stat().st_mode & 0o077]


def counts(database: Path, tables: list[str]) -> dict[str, int]:
    with sqlite3.connect(database) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def tables_of(database: Path) -> list[str]:
    with sqlite3.connect(database) as connection:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'alembic_version'"
        return [name for (name,) in connection.execute(query)]


@pytest.fixture
def first(tmp_path: Path) -> Flask:
    """Version 0.1.0, as its tag has it, with the three packages that only it needs."""
    archive = subprocess.run(
        ["git", "archive", FIRST],
        cwd=ROOT,
        capture_output=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    if archive.returncode:
        pytest.skip(f"needs the whole history: {FIRST} (version 0.1.0) is not in this clone")
    old = tmp_path / "old"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(old, filter="data")
    pins = re.findall(
        r"^flask-(?:login|principal|security)==.*\n(?:    .*\n)*",
        (old / "requirements.txt").read_text(),
        re.M,
    )
    (tmp_path / "pins.txt").write_text("".join(pins))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    target = tmp_path / "packages"
    got = subprocess.run(
        [*pip, "--target", str(target), "-r", str(tmp_path / "pins.txt")], capture_output=True, check=False
    )
    if got.returncode:
        pytest.skip("needs a package registry: version 0.1.0 stands on Flask-Security")
    return flask_in(old, {"INSTANCE_DIR": str(tmp_path / "instance"), "PYTHONPATH": str(target)})


@pytest.mark.recipe
def test_upgrading_from_0_1_0_and_going_back_keeps_every_row(
    first: Flask, tree: Path, tmp_path: Path
) -> None:
    database = tmp_path / "instance" / "portal.db"
    new = flask_in(tree, {"INSTANCE_DIR": str(tmp_path / "instance")})
    assert first("db", "upgrade").returncode == 0
    assert first("seed").returncode == 0
    before = counts(database, old_tables := tables_of(database))
    kept = {name: count for name, count in before.items() if name not in ("outbox", "session")}
    assert before["request"] and before["subscriber"] and before["audit_entry"]

    for words in commands("Upgrading"):
        if words[0] == ".venv/bin/flask":
            done = new(*words[1:])
            assert done.returncode == 0 or words[1] == "doctor", done.stderr
    assert not re.search(r"FAULT +(database|schema|integrity|mail|jobs|requests|staff)", done.stdout), (
        done.stdout
    )
    run = new
    for words in commands("Going back"):
        if words[:2] == ["git", "checkout"]:
            run = first
        elif words[0] == ".venv/bin/flask":
            done = run(*words[1:])
            assert done.returncode == 0 or words[1] == "doctor", done.stderr
    assert "ok    schema     at 0001" in done.stdout and "ok    staff" in done.stdout
    assert set(tables_of(database)) == set(old_tables)
    after = counts(database, list(kept))
    assert all(after[name] >= count for name, count in kept.items()), (kept, after)
