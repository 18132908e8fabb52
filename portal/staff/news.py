"""What the page of a list asks every 20 seconds while somebody looks at it: how many more there are by now."""

from __future__ import annotations

import json

from flask import request
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.clock import now
from portal.desk import news
from portal.desk.cursor import is_id
from portal.desk.filters import Filters
from portal.people.rights import Right
from portal.signin import sessions
from portal.signin.gate import current, guarded

bp = guarded("news", Right.WORK)


@bp.get(f"{addresses.STAFF_REQUESTS}/news")
def since() -> ResponseReturnValue:
    """The number alone, and 304 while it is the same (RFC 9110, 13.1.2). A page that asks by itself keeps no session
    alive."""
    sessions.leave_alone()
    seen = request.args.get("seen", "")
    filters = Filters.parse(request.args)
    found = news.count(filters, int(seen), by=current(), at=now()) if is_id(seen) else 0
    response = web.private(web.plain(json.dumps({"new": found}), "application/json"))
    response.set_etag(f"{seen if is_id(seen) else 0}-{found}")
    return response.make_conditional(request)
