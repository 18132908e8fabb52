"""Which tests take long, by measure; `make test-fast` leaves them out, and `make check` runs them by turn.

`tests/long.txt` has a line for each test function that takes long: the seconds of all its cases, its turn, its name.
`pytest --measure tests` writes it anew, from a few cases of each function. What is measured is processor time, of the
test and of the processes that it waited for (on a machine that others use the clock tells nothing); of tests that
other processes work for, the clock.
The quickest test of each file is not in the list unless it takes more than SMOKE, so that no room is left out, and a
test that was not measured yet runs always.

With `--turn` a run leaves to other commits those of the list whose turn it is not. The turn goes with the number of
commits, so that TURNS of them in a row have run every test; cases of one function come at different turns. What is
marked comes oftener: `every(4)`, the scenes, at which a browser looks in their turn, and which are read between. What
stands in a file that the last commit or the working tree changed runs whole, but for the scenes. Without git nothing
is left out; in a clone without its history the commit's own name chooses.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

TURNS = 8
LIMIT, LIMIT_OF_ALL = 0.06, 0.25  # seconds of one case, and of all cases of a function, on a quiet machine
SMOKE = 1  # seconds that the quickest test of a file may take, and stay
MEASURED = 3  # cases of a function
FILE = Path(__file__).with_name("long.txt")
BY_THE_CLOCK = {"browser", "kill", "recipe", "postgres"}  # others work for these
_MARK = "seconds"
_BEGAN = pytest.StashKey[tuple[float, float]]()
_left: set[str] = set()
_cases: Counter[str] = Counter()  # of each function, where it is measured


class Long(NamedTuple):
    """A test function that takes long."""

    seconds: float  # all its cases
    turn: int


class Took(NamedTuple):
    """What was measured of a test function."""

    seconds: float  # one case
    cases: int


class Turn(NamedTuple):
    """Of which turn this run is, and which files (from `tests/` on) run whole."""

    number: int
    touched: frozenset[str] = frozenset()


def pytest_addoption(parser: pytest.Parser) -> None:
    """How a run is cut short, and measured."""
    parser.addoption(
        "--turn", nargs="?", const="commit", help=f"leave to others what is long: 0 to {TURNS - 1}"
    )
    parser.addoption("--measure", action="store_true", help="write tests/long.txt anew")


def pytest_configure(config: pytest.Config) -> None:
    """Choose once; the processes of pytest-xdist are given what was chosen."""
    option = config.option
    if option.turn == "commit":
        chosen = of_the_commit(FILE.parents[1])
        option.turn = None if chosen is None else str(chosen.number)
        option.touched = sorted(chosen.touched) if chosen else []


def of_this_run(config: pytest.Config) -> Turn | None:
    """The turn of this run, or None: everything is run."""
    turn = config.getoption("--turn")
    return None if turn is None else Turn(int(turn) % TURNS, frozenset(getattr(config.option, "touched", ())))


def of_the_commit(tree: Path) -> Turn | None:
    """The turn of the commit that stands there, with what it and the working tree changed; None without git."""

    def git(*words: str) -> str:
        command = [shutil.which("git") or "false", *words]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    if not (name := git("rev-parse", "HEAD")):
        return None
    is_whole = git("rev-parse", "--is-shallow-repository") == "false"
    number = int(git("rev-list", "--count", "HEAD")) if is_whole else int(name[:8], 16)
    changed = git("diff", "--name-only", "HEAD~1", "--", "tests") or git(
        "diff", "--name-only", "HEAD", "--", "tests"
    )
    new = git("ls-files", "--others", "--exclude-standard", "--", "tests")
    return Turn(
        number % TURNS, frozenset(path.removeprefix("tests/") for path in f"{changed}\n{new}".split())
    )


def function(nodeid: str) -> str:
    """The test without its parameters and pytest-xdist's group, as the list names it."""
    return nodeid.partition("[")[0].partition("@")[0].removeprefix("tests/")


def known() -> dict[str, Long]:
    """The tests that take long, by the last measure."""
    lines = (line.split() for line in FILE.read_text(encoding="utf-8").splitlines())
    return {name: Long(float(seconds), int(turn)) for seconds, turn, name in lines}


def comes(nodeid: str, turn: int = 0) -> int:
    """When this case comes, its function being of that turn: always the same, and cases spread over all."""
    case = f"{nodeid.partition('[')[2]}@".partition("]@")[0]  # pytest-xdist puts the group behind it
    return (turn + zlib.crc32(case.encode())) % TURNS if case else turn


def is_due(nodeid: str, run: Turn | None, long: Mapping[str, Long], every: int = 1) -> bool:
    """Whether this run does it; `every` is of what its mark says comes once in so many commits."""
    name = function(nodeid)
    if run is not None and every > 1:
        return (comes(nodeid) - run.number) % every == 0
    if run is None or name not in long or name.partition("::")[0] in run.touched:
        return True
    return comes(nodeid, long[name].turn) == run.number


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is long, and leave out what comes at another turn."""
    long, run = known(), of_this_run(config)
    for item in items:
        if function(item.nodeid) in long:
            item.add_marker(pytest.mark.long)
    left = [item for item in items if not is_due(item.nodeid, run, long, every(item))]
    if config.getoption("--measure"):
        left = list(beyond(items))
    if left:
        _left.update(item.nodeid for item in left)
        items[:] = [item for item in items if item.nodeid not in _left]
        config.hook.pytest_deselected(items=left)


def every(item: pytest.Item) -> int:
    """In how many commits it comes once, by its mark."""
    mark = item.get_closest_marker("every")
    return mark.args[0] if mark else 1


def beyond(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """The cases that need not be measured: a few of a function tell what all take."""
    for item in items:
        name = function(item.nodeid)
        _cases[name] += 1
        if _cases[name] > MEASURED:
            yield item


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that prints how many were left."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["left"] = sorted(_left)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it; all processes leave the same."""
    _left.update(getattr(node, "workeroutput", {}).get("left", ()))


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keep when a test began."""
    item.stash[_BEGAN] = sum(os.times()[:4]), time.monotonic()
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Tell what it took, with the report of its end."""
    answer = yield
    if call.when == "teardown" and item.config.getoption("--measure"):
        worked, passed = sum(os.times()[:4]) - item.stash[_BEGAN][0], time.monotonic() - item.stash[_BEGAN][1]
        by_clock = not BY_THE_CLOCK.isdisjoint(mark.name for mark in item.iter_markers())
        took = max(worked, passed) if by_clock else worked
        properties = answer.get_result().user_properties  # type: ignore[attr-defined]
        properties.append((_MARK, (took, _cases[function(item.nodeid)])))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was left to other commits; write what was measured."""
    if _left:
        turn = of_this_run(config)
        number = turn.number + 1 if turn else 0
        terminalreporter.write_line(
            f"turn {number} of {TURNS}: {len(_left):,} long tests come with the next commits; all: make test-all"
        )
    if config.getoption("--measure"):
        told: dict[str, list[tuple[float, int]]] = {}
        for report in terminalreporter.getreports(""):  # where pytest keeps the reports of how tests ended
            for mark, value in getattr(report, "user_properties", ()):
                if mark == _MARK:
                    told.setdefault(function(report.nodeid), []).append(value)
        write(chosen({name: middle(values) for name, values in told.items()}, known()))


def middle(told: Collection[tuple[float, int]]) -> Took:
    """What a function takes: by the median, since the first test of a process makes what all others find there."""
    seconds = sorted(seconds for seconds, _cases in told)
    return Took(seconds[len(seconds) // 2], max(cases for _seconds, cases in told))


def chosen(took: Mapping[str, Took], before: Mapping[str, Long]) -> dict[str, Long]:
    """What takes long, each with a turn: what was in the list keeps its own, what is new fills the lightest."""
    all_cases = {name: one.seconds * one.cases for name, one in took.items()}
    files = {name.partition("::")[0] for name in took}
    quickest = {
        min((n for n in took if n.startswith(f"{file}::")), key=all_cases.__getitem__) for file in files
    }
    found = {name: long for name, long in before.items() if name not in took}
    weights = [sum(long.seconds for long in found.values() if long.turn == turn) for turn in range(TURNS)]
    stay = {name for name in quickest if all_cases[name] <= SMOKE}
    for name in sorted(took, key=lambda name: (name not in before, -all_cases[name], name)):
        if name in stay or (took[name].seconds <= LIMIT and all_cases[name] <= LIMIT_OF_ALL):
            continue
        turn = before[name].turn if name in before else weights.index(min(weights))
        found[name] = Long(all_cases[name], turn)
        for case in range(took[name].cases):  # they are spread, by their names
            weights[(turn + case) % TURNS] += took[name].seconds
    return found


def write(found: Mapping[str, Long]) -> None:
    """The list, in the order of names."""
    lines = (f"{found[name].seconds:.2f} {found[name].turn} {name}\n" for name in sorted(found))
    FILE.write_text("".join(lines), encoding="utf-8")
