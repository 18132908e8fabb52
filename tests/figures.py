"""What the suite measured, printed at its end: a test that holds a limit tells how near to it the portal is.

`figure("stylesheet", 12_253, "bytes of at most 12,288")` keeps a number; one that several tests tell becomes one, by
`how`: the sum, the largest or the smallest. The numbers ride on the tests' reports, so that they come home from every
process of the run.

`amount(20, 200)` is how often a test does something: the first in the suite, the second with `--full`, as
`make faults` and `make browsers` run it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import pytest

_MARK = "figure"
_WAYS: dict[str, Callable[[Iterable[float]], float]] = {"sum": sum, "most": max, "least": min}


_is_full = False


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the full counts."""
    parser.addoption("--full", action="store_true", help="every count in full, not in the suite's short form")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module is read; the processes of pytest-xdist are given the same options."""
    global _is_full
    _is_full = config.getoption("--full")


def amount(short: int, full: int) -> int:
    """How often: in the suite, or in full."""
    return full if _is_full else short


def is_full() -> bool:
    """Whether this run is one of full counts."""
    return _is_full


class Figure(Protocol):
    """How a test tells a figure."""

    def __call__(self, name: str, value: float, unit: str = "", *, how: str = "most") -> None:
        """Keep `value` under `name`; `how` is "sum", "most" or "least"."""


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Tells a figure to the end of the run."""

    def tell(name: str, value: float, unit: str = "", *, how: str = "most") -> None:
        assert how in _WAYS
        record_property(_MARK, (name, value, unit, how))

    return tell


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the tests told, those that failed too."""
    told: dict[tuple[str, str, str], list[float]] = {}
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for mark, kept in (
            report.user_properties if report.when == "teardown" or report.when == "call" else ()
        ):
            if mark == _MARK:
                name, value, unit, how = kept
                told.setdefault((name, unit, how), []).append(value)
    if told:
        terminalreporter.section(f"what was measured, {'in full' if _is_full else 'in short form'}")
        width = max(len(name) for name, _, _ in told)
        for (name, unit, how), values in sorted(told.items()):
            terminalreporter.write_line(f"{name:<{width}}  {_WAYS[how](values):>10,g} {unit}".rstrip())
