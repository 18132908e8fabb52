"""The runbook's upgrade and its way back, word for word, on a copy: 0.1.0 with rows, this version, 0.1.0 again."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.figures import is_full
from tests.live import ROOT, Live

pytestmark = [
    pytest.mark.faults,
    pytest.mark.recipe,
    pytest.mark.skipif(not is_full(), reason="installs two versions: make faults"),
]

FIRST = "73c479f"  # version 0.1.0
KEPT = ("PATH", "HOME", "LANG", "PIP", "SSL")  # of the environment
TABLES = {"request": "reference", "subscriber": "address", "audit_entry": "id", '"user"': "email"}


def commands(heading: str) -> str:
    """What one chapter of the runbook has one type."""
    text = (ROOT / "docs" / "runbook.md").read_text()
    chapter = re.split(r"^## ", text.partition(f"\n## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return "".join(line[4:] + "\n" for line in chapter.splitlines() if line.startswith("    "))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone with both versions' tags, at the first one, installed."""
    if not (ROOT / ".git").exists() or run(ROOT, f"git cat-file -e {FIRST}^{{commit}}", check=False):
        pytest.skip("needs the history")
    tree = tmp_path / "portal"
    run(tmp_path, f"git clone -q --no-checkout {ROOT} {tree}")
    version = re.search(r"git checkout (v[\d.]+)", commands("Upgrading"))
    assert version
    run(
        tree,
        f"git tag {version[1]} $(git -C {ROOT} rev-parse HEAD) && git tag v0.1.0 {FIRST} && git checkout -q v0.1.0",
    )
    run(
        tree,
        f"{sys.executable} -m venv .venv && .venv/bin/pip install -q --require-hashes -r requirements.txt",
    )
    return tree


def run(folder: Path, script: str, *, check: bool = True) -> int:
    """A script as somebody types it, which ends with the first command that fails."""
    env = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PATH", "HOME", "LANG", "PIP", "SSL"))
    }
    done = subprocess.run(
        ["bash", "-ec", script], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.returncode


def rows(tree: Path) -> dict[str, set[object]]:
    """Who and what is there."""
    with closing(sqlite3.connect(tree / "instance" / "portal.db")) as database:
        return {
            table: {key for (key,) in database.execute(f"SELECT {key} FROM {table}")}
            for table, key in TABLES.items()
        }


def answers(tree: Path) -> None:
    """It starts, and its pages come."""
    live = Live(tree / "instance", root=tree, python=str(tree / ".venv/bin/python"))
    try:
        live.start_web()
    finally:
        live.stop()
        Path(live.log.name).unlink()


def test_up_and_back_as_the_runbook_says(checkout: Path) -> None:
    run(checkout, ".venv/bin/flask db upgrade && .venv/bin/flask seed")
    before = rows(checkout)
    assert all(before.values())

    run(checkout, commands("Upgrading"))
    newer = rows(checkout)
    answers(checkout)
    shutil.rmtree(checkout / "instance.before")
    run(
        checkout, commands("Going back").replace("flask doctor", "flask doctor || true")
    )  # that one is never green
    answers(checkout)

    assert all(before[table] <= newer[table] for table in TABLES)
    assert all(newer[table] <= rows(checkout)[table] for table in TABLES)
