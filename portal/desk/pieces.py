"""A list in which few of very many rows may stand: each of its pages looks at so many of them, and no further."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select, tuple_

from portal.db import db
from portal.desk.cursor import Cursor
from portal.intake.models import Request

LOOKED_AT = 1000  # at most so many requests on one page
PASSED_BY = (
    3000  # the same where an index holds all that narrows the list, and no request has to be read for it
)


def edge(
    key: Any,
    order: Sequence[Any],
    cursor: Cursor | None,
    downwards: bool,
    among: Sequence[ColumnElement[bool]],
    most: int,
) -> Cursor | None:
    """How far a page looks that may find little, from where it begins, at `most` of these; None: to the end."""
    query = select(key, Request.id).where(*among).order_by(*order).offset(most - 1).limit(1)
    if cursor is not None:
        place = tuple_(key, Request.id)
        query = query.where(place < cursor.bound if downwards else place > cursor.bound)
    row = db.session.execute(query).first()
    return Cursor(row[0], row[1], backwards=False) if row else None
