"""The only source of time, so that tests can set it."""

from collections.abc import Callable
from datetime import UTC, datetime


def _system() -> datetime:
    return datetime.now(UTC)


source: Callable[[], datetime] = _system  # replaced by tests, and by nobody else


def now() -> datetime:
    """This moment, aware, in UTC."""
    return source()
