"""What has come since somebody looked at a list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from portal.db import db
from portal.desk import finding, pieces, search
from portal.desk.filters import Filters
from portal.intake.models import Request

MOST = 100  # counted no further


def count(filters: Filters, seen: int, *, by: Any, at: datetime) -> int:
    """How many that came after that one the list has now; no more than MOST, and of the latest LOOKED_AT alone."""
    wanted = search.conditions(filters, by.id, at, finding.reads(by), leads=False)
    latest = select(Request.id).where(Request.id > seen).order_by(Request.id.desc()).limit(pieces.LOOKED_AT)
    found = select(Request.id).where(Request.id.in_(latest), *wanted).limit(MOST)
    return db.session.scalar(select(func.count()).select_from(found.subquery())) or 0
