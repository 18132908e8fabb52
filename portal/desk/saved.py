"""Views of one's own: a list that somebody comes back to, kept as the filters in its address."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import bindparam, delete, func, select

from portal.db import db
from portal.desk.filters import Filters
from portal.desk.models import SavedView
from portal.errors import Refused

MOST = 20
QUERY_MAX = 500
GIVE_NAME = "Give the view a name"
NAME_TAKEN = "You have a view with this name already"
TOO_MANY = f"You have {MOST} views already. Forget one of them first."
NOTHING_CHOSEN = "Choose filters first: this is the list of all that is open"


def mine(user_id: int) -> Sequence[SavedView]:
    """Somebody's views, by name."""
    return db.session.scalars(_mine(), {"user": user_id}).all()


@lru_cache  # to write it down takes longer than to ask it
def _mine() -> Any:
    query = select(SavedView).where(SavedView.user_id == bindparam("user"))
    return query.order_by(func.lower(SavedView.name), SavedView.id)


def filters_of(view: SavedView) -> Filters:
    """Its filters as this version understands them."""
    return Filters.parse(dict(parse_qsl(view.query)))


def save(user_id: int, name: str, filters: Filters) -> SavedView:
    """Keep these filters under a name. Raises Refused, with the field."""
    query = urlencode(filters.args())
    views = mine(user_id)
    if not query or len(query) > QUERY_MAX:
        raise Refused(NOTHING_CHOSEN, field="name")
    if name.casefold() in {view.name.casefold() for view in views}:
        raise Refused(NAME_TAKEN, field="name")
    if len(views) >= MOST:
        raise Refused(TOO_MANY, field="name")
    view = SavedView(user_id=user_id, name=name, query=query)
    db.session.add(view)
    db.session.flush()
    return view


def forget(user_id: int, view_id: int) -> None:
    """Let one of somebody's own go; one that is gone is gone."""
    db.session.execute(delete(SavedView).where(SavedView.id == view_id, SavedView.user_id == user_id))
