"""A line of the log: plain for a person, JSON for a machine in production, and never what somebody typed.

A line holds an allow-list of facts about our own working; exceptions carry their place, not their values. The
supervisor, which is to stay small, writes such lines too, so this module imports the standard library alone.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType

FACTS = (
    "request",
    "method",
    "route",
    "status",
    "ms",
    "delivery",
    "body",
    "reason",
    "count",
    "worker",
    "job",
    "check",
    "signup",
)


def begin(*, is_production: bool) -> None:
    """Send our logs to standard error."""
    root = logging.getLogger("portal")
    if not root.handlers:
        root.addHandler(logging.StreamHandler(sys.stderr))
        root.setLevel(logging.INFO)
        root.propagate = False
    formatter = JsonFormatter() if is_production else PlainFormatter()
    for handler in root.handlers:
        handler.setFormatter(formatter)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Only our own words and the allowed facts."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage() if record.name.startswith("portal") else record.msg,
        }
        line.update({name: getattr(record, name) for name in FACTS if hasattr(record, name)})
        if record.exc_info and record.exc_info[0]:
            line["exception"] = where(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


class PlainFormatter(logging.Formatter):
    """The same facts for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, message, facts."""
        facts = " ".join(f"{name}={getattr(record, name)}" for name in FACTS if hasattr(record, name))
        message = record.getMessage() if record.name.startswith("portal") else record.msg
        text = f"{datetime.now().astimezone():%H:%M:%S} {record.levelname:<7} {message} {facts}".rstrip()
        if record.exc_info and record.exc_info[0]:
            text += "\n  " + "\n  ".join(where(record.exc_info))
        return text


def where(exc_info: tuple[type[BaseException], BaseException, TracebackType | None]) -> list[str]:
    """An exception's type and places; its text may hold what somebody typed, so it stays out."""
    kind, _value, trace = exc_info
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    return [*places[-8:], kind.__name__]
