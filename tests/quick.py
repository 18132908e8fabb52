"""Which tests `make test-fast` leaves out, by measure: those of which one case takes more than LIMIT.

`pytest --measure tests` measures anew and writes `tests/long.txt`. What is measured is processor time, of the test
and of the processes that it waited for: on a machine that others use the clock tells nothing. The quickest test of
each file stays, however long it takes, so that no room is left out. A new test is quick until it is measured.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

LIMIT = 0.06  # seconds, on a quiet machine
FILE = Path(__file__).with_name("long.txt")
MARKED = {"browser", "kill", "recipe", "slow"}  # left out by their marks, whatever they take
_MARK = "processor time"


def function(nodeid: str) -> str:
    """The test without its parameters, as the list names it."""
    return nodeid.partition("[")[0].removeprefix("tests/")


def known() -> set[str]:
    """The tests that take long, by the last measure."""
    return set(FILE.read_text(encoding="utf-8").split())


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark them."""
    long = known()
    for item in items:
        if function(item.nodeid) in long:
            item.add_marker(pytest.mark.long)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Keep when a test began, if it is to be measured."""
    is_measured = item.config.getoption("--measure") and MARKED.isdisjoint(
        m.name for m in item.iter_markers()
    )
    item.stash[_BEGAN] = sum(os.times()[:4]) if is_measured else None
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Tell what it took, with the report of its end."""
    answer = yield
    if call.when == "teardown" and (began := item.stash[_BEGAN]) is not None:
        answer.get_result().user_properties.append((_MARK, sum(os.times()[:4]) - began))  # type: ignore[attr-defined]


def write(reports: Iterable[Any]) -> None:
    """The list, of the tests that were measured; what is said of others stays."""
    took: dict[str, list[float]] = {}
    for report in reports:
        for name, value in report.user_properties:
            if name == _MARK:
                took.setdefault(function(report.nodeid), []).append(value)
    FILE.write_text("".join(f"{name}\n" for name in sorted(chosen(took, known()))), encoding="utf-8")


def chosen(took: dict[str, list[float]], before: set[str]) -> set[str]:
    """Those that take long by the median of their cases, but for the quickest of each file.

    The median, since the first test of a process makes what all others find there.
    """
    middle = {name: sorted(values)[len(values) // 2] for name, values in took.items()}
    quickest = {
        min((n for n in middle if n.startswith(f"{file}::")), key=lambda name: middle[name])
        for file in {name.partition("::")[0] for name in middle}
    }
    return {name for name, value in middle.items() if value > LIMIT} - quickest | before - middle.keys()


_BEGAN = pytest.StashKey[float | None]()
