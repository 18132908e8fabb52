"""The places of a stored reply that a request fills, and that nothing goes out with one of them empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portal.errors import Refused
from portal.intake.models import Request

HOLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")  # a place that a request fills


def no_holes(_request: Request, _at: datetime, given: Mapping[str, Any]) -> None:
    """No answer goes with a place in it that nobody filled."""
    if hole := HOLE.search(str(given.get("text") or "")):
        raise Refused(
            f"{hole[0]} is empty. Fill it in, or insert the stored reply with its button.", field="text"
        )
