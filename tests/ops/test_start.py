"""Starting beside others, and on storage that is not as it should be: whole processes."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import Live

pytestmark = pytest.mark.kill  # processes of its own, not for the quick run


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    portal = Live(tmp_path / "instance")
    portal.folder.mkdir(mode=0o700)
    yield portal
    portal.stop()


def run(portal: Live, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [portal.python, "-m", "flask", *words],
        cwd=portal.root,
        env=portal.env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_upgrades_at_once_both_end_well(live: Live) -> None:
    ended = list[subprocess.CompletedProcess[str]]()
    both = [threading.Thread(target=lambda: ended.append(run(live, "db", "upgrade"))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert [(one.returncode, "Traceback" in one.stderr) for one in ended] == [(0, False)] * 2


@pytest.mark.parametrize("made", [None, b"", b"no database" * 200], ids=["missing", "empty", "none"])
def test_serving_says_one_sentence_and_makes_no_database(live: Live, made: bytes | None) -> None:
    file = live.folder / "portal.db"
    if made is not None:
        file.write_bytes(made)

    done = run(live, "serve")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "restore its last backup" in done.stderr
    assert (file.read_bytes() if file.exists() else None) == made


def test_a_malformed_address_of_the_database_is_one_line(live: Live) -> None:
    live.env["DATABASE_URL"] = "postgresql+psycopg://ana:secret@host:port/portal"

    done = run(live, "db", "upgrade")

    assert done.returncode == 78
    assert "DATABASE_URL must look like" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr
