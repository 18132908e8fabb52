"""The keys that act in the list and on a request: what each does, and the switch; off until somebody wants them."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.db import transaction
from portal.desk import away
from portal.people.rights import Right
from portal.signin.gate import current, guarded

bp = guarded("keys", Right.WORK)

KEYS = (
    ("j", "The next request in the list"),
    ("k", "The one before it"),
    ("o", "Open it"),
    ("c", "Claim it, in the list or on its page"),
    ("n", "Write a note"),
    ("a", "Write the answer"),
    ("/", "Search"),
    ("?", "This page"),
)
DONE = {"on": "The keys are on.", "off": "The keys are off."}


@bp.get(f"{addresses.STAFF_REQUESTS}/keys")
def keys() -> ResponseReturnValue:
    """What each key does, and whether they are on."""
    is_on = away.habit_of(current().id).has_keys
    done = DONE.get(request.args.get("done", ""), "")
    return web.private(web.page("staff/keys.html", keys=KEYS, is_on=is_on, done=done))


@bp.post(f"{addresses.STAFF_REQUESTS}/keys")
def switch() -> ResponseReturnValue:
    """Switch them on or off."""
    is_on = request.form.get("on") == "1"
    with transaction():
        away.use_keys(current().id, is_on)
    return redirect(url_for(".keys", done="on" if is_on else "off"), 303)
