"""The schemas that this version knows, read as text: Alembic is 10 MiB and a fifth of a start for two words."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

VERSIONS = Path(__file__).resolve().parents[2] / "migrations" / "versions"


def head() -> str:
    """The schema of this version."""
    steps = _steps()
    return next(iter(steps.keys() - steps.values()))


def revisions() -> set[str]:
    """Every schema up to it."""
    return set(_steps())


@cache
def _steps() -> dict[str, str]:
    """Each migration, and the one before it."""
    texts = [path.read_text("utf-8") for path in VERSIONS.glob("*.py")]
    return {_named("revision", text): _named("down_revision", text) for text in texts}


def _named(name: str, text: str) -> str:
    found = re.search(rf"^{name} = ['\"](\w+)['\"]", text, re.MULTILINE)
    return found[1] if found else ""
