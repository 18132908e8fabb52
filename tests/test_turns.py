"""What is long is chosen by measure, never all of a file, and comes once in as many commits as there are turns."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import turns
from tests.turns import TURNS, Long, Took, Turn

TOOK = {
    "desk/test_a.py::test_short": Took(0.01, 3),
    "desk/test_a.py::test_long": Took(0.3, 1),
    "desk/test_a.py::test_many": Took(0.03, 100),
    "npi/test_b.py::test_long": Took(0.5, 1),
    "npi/test_b.py::test_longer": Took(0.9, 1),
    "ops/test_c.py::test_alone": Took(9.0, 1),
}
LONG = {"desk/test_a.py::test_long": Long(0.3, 3), "desk/test_a.py::test_many": Long(3, 5)}


def test_what_takes_long_is_listed_and_the_quickest_of_each_file_is_not() -> None:
    assert set(turns.chosen(TOOK, {})) == {
        "desk/test_a.py::test_long",
        "desk/test_a.py::test_many",
        "npi/test_b.py::test_longer",
        "ops/test_c.py::test_alone",
    }


def test_the_first_of_a_process_makes_what_the_others_find_there() -> None:
    assert turns.middle([(3.0, 5), (0.01, 4), (0.02, 5)]) == Took(0.02, 5)


def test_a_run_that_measures_writes_the_list(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_short(): pass\ndef test_long(): sum(range(10**7))\n")
    found = tmp_path / "long.txt"
    found.touch()
    run = (
        "import pathlib, pytest, sys; from tests import turns; turns.FILE = pathlib.Path(sys.argv[1]);"
        "sys.exit(pytest.main(['--measure', '--noconftest', '-p', 'tests.turns', '-W', 'ignore', 'test_a.py']))"
    )

    env = {**os.environ, "PYTHONPATH": str(turns.FILE.parents[1])}
    subprocess.run(
        [sys.executable, "-c", run, str(found)], cwd=tmp_path, env=env, check=True, capture_output=True
    )

    assert [line.split()[2] for line in found.read_text().splitlines()] == ["test_a.py::test_long"]


def test_what_was_not_measured_keeps_its_line_and_what_was_its_turn() -> None:
    before = {
        "desk/test_a.py::test_short": Long(0.4, 1),
        "desk/test_a.py::test_long": Long(0.4, 6),
        "mail/test_c.py::test_other": Long(0.4, 2),
    }

    found = turns.chosen(TOOK, before)

    assert "desk/test_a.py::test_short" not in found
    assert found["desk/test_a.py::test_long"] == Long(0.3, 6)
    assert found["mail/test_c.py::test_other"] == Long(0.4, 2)


def test_turns_weigh_about_the_same() -> None:
    took = {f"desk/test_a.py::test_{n}": Took(n / 10, 1) for n in range(1, 60)}

    weights: Counter[int] = Counter()
    for long in turns.chosen(took, {}).values():
        weights[long.turn] += round(long.seconds * 10)

    assert len(weights) == TURNS
    assert max(weights.values()) - min(weights.values()) < 20


@pytest.mark.parametrize(
    "nodeid",
    [
        "tests/desk/test_a.py::test_long",
        *(f"tests/desk/test_a.py::test_many[{n}-a[1]]" for n in range(20)),
    ],
)
def test_each_case_comes_once_in_as_many_commits_as_there_are_turns(nodeid: str) -> None:
    came = [number for number in range(TURNS) if turns.is_due(nodeid, Turn(number), LONG)]

    assert len(came) == 1
    assert [turns.is_due(f"{nodeid}@group", Turn(number), LONG) for number in range(TURNS)] == [
        number in came for number in range(TURNS)
    ]


def test_what_is_marked_comes_once_in_so_many_commits_and_at_its_own_turn_too() -> None:
    for case in range(40):
        nodeid = f"tests/journeys/test_a.py::test_scene[{case}]"
        came = [number for number in range(TURNS) if turns.is_due(nodeid, Turn(number), {}, every=4)]

        assert len(came) == TURNS // 4
        assert turns.comes(nodeid) in came
        assert turns.is_due(nodeid, None, {}, every=4)


def test_cases_of_one_function_come_at_different_turns() -> None:
    came = Counter(turns.comes(f"tests/desk/test_a.py::test_many[{n}]", 5) for n in range(800))

    assert set(came) == set(range(TURNS))
    assert max(came.values()) < 130


def test_what_is_new_or_changed_or_short_and_all_without_a_turn_runs_always() -> None:
    changed = frozenset({"desk/test_a.py"})

    for number in range(TURNS):
        assert turns.is_due("tests/desk/test_a.py::test_new", Turn(number), LONG)
        assert turns.is_due("tests/desk/test_a.py::test_long", Turn(number, changed), LONG)
        assert turns.is_due("tests/desk/test_a.py::test_many[1]", Turn(number, changed), LONG)
    assert turns.is_due("tests/desk/test_a.py::test_long", None, LONG)


def git(tree: Path, *words: str) -> None:
    me = ("-c", "user.name=A", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *me, *words], cwd=tree, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository of three commits, the last of which changed a test."""
    found = tmp_path / "tree"
    (found / "tests" / "desk").mkdir(parents=True)
    git(tmp_path, "init", "--quiet", str(found))
    for number, name in enumerate(("test_a.py", "test_b.py", "test_c.py")):
        (found / "tests" / "desk" / name).write_text(f"{number}\n")
        git(found, "add", ".")
        git(found, "commit", "--quiet", "-m", "x")
    return found


def test_the_next_commit_has_the_next_turn_and_names_what_it_changed(tree: Path) -> None:
    assert turns.of_the_commit(tree) == Turn(3 % TURNS, frozenset({"desk/test_c.py"}))

    git(tree, "commit", "--quiet", "--allow-empty", "-m", "x")
    assert turns.of_the_commit(tree) == Turn(4 % TURNS)


def test_what_is_not_committed_yet_runs_whole_too(tree: Path) -> None:
    (tree / "tests/desk/test_a.py").write_text("other\n")
    (tree / "tests/desk/test_new.py").write_text("new\n")

    turn = turns.of_the_commit(tree)

    assert turn
    assert turn.touched == {"desk/test_a.py", "desk/test_c.py", "desk/test_new.py"}


def test_without_history_the_name_of_the_commit_chooses_and_without_git_nothing_is_left(
    tree: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{tree}", "shallow")

    shallow = turns.of_the_commit(tmp_path / "shallow")

    assert shallow
    assert 0 <= shallow.number < TURNS
    assert turns.of_the_commit(tmp_path) is None


def test_the_list_is_of_tests_and_turns_that_there_are() -> None:
    for name, long in turns.known().items():
        file, _, function = name.partition("::")
        text = (turns.FILE.parent / file).read_text(encoding="utf-8")
        assert f"def {function}(" in text, f"{name} is gone: take its line from tests/long.txt"
        assert long.turn in range(TURNS)


@pytest.mark.xdist_group("alone")
def test_what_is_one_group_goes_to_one_process(request: pytest.FixtureRequest) -> None:
    """pytest 9.2 with pytest-xdist 3.8 parts the groups and says nothing (the latter's issue 1386)."""
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@alone")
