"""What the figures of one run must reach, and which fall short: it is said and never fails anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.load import Figure

HELLO = "Flask hello"


@dataclass(frozen=True)
class Aim:
    """One figure against another of the same run: Flask's hello, or the same of version 0.1.0."""

    what: str
    against: str
    least: float


AIMS = (
    *(Aim(f"{page} form page", HELLO, 1.0) for page in ("sign-up", "consultation", "materials")),
    Aim("sign-up", HELLO, 0.4),
    *(Aim(f"consultation, {staff}", "0.1.0", 8.0) for staff in ("no staff", "10 of staff")),
    Aim("front page", "0.1.0", 0.95),
    Aim("resource page", "0.1.0", 0.95),
    Aim("resource page, brotli", "0.1.0", 0.95),
)
MOST_MEMORY = 120.0  # MiB at rest, the web server and the worker with their supervisor
SHORTEST_START = 0.68  # of 0.1.0's


def judged(figures: Mapping[str, Figure]) -> list[str]:
    """A line for each aim, those that fall short first."""
    found = []
    for aim in AIMS:
        other = figures.get(aim.against if aim.against == HELLO else f"{aim.what} (0.1.0)")
        if aim.what in figures and other is not None and other.rate:
            found.append(
                line(f"{aim.what} ÷ {aim.against}", figures[aim.what].rate / other.rate, least=aim.least)
            )
    return sorted(found, key=lambda said: not said.startswith("short"))


def line(what: str, value: float, *, least: float | None = None, most: float | None = None) -> str:
    """Whether one figure is reached."""
    is_short = (least is not None and value < least) or (most is not None and value > most)
    wanted = f"at least {least:g}" if least is not None else f"at most {most:g}"
    return f"{'short  ' if is_short else 'reached'}  {what}: {value:.2f}, {wanted}"
