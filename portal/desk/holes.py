"""The places of a stored reply that a request fills, and that nothing goes out with one of them empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portal.errors import Refused
from portal.intake.models import Request

WHOLE = "A place has two braces on each side, like {{name}}."

HALF = re.compile(r"\{\{|\}\}")  # of a place that somebody mistyped
HOLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")  # a place that a request fills


def no_holes(_request: Request, _at: datetime, given: Mapping[str, Any]) -> None:
    """No answer goes with a place in it that nobody filled."""
    if hole := HOLE.search(str(given.get("text") or "")):
        raise Refused(
            f"{hole[0]} is empty. Fill it in, or insert the stored reply with its button.", field="text"
        )
    if half := HALF.search(str(given.get("text") or "")):
        raise Refused(f"{half[0]} belongs to a place that is mistyped. {WHOLE}", field="text")
