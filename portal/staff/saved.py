"""Views of one's own: kept from the list that one looks at, and forgotten there."""

from __future__ import annotations

from flask import redirect, request
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.db import transaction
from portal.desk import saved
from portal.desk.cursor import is_id
from portal.desk.filters import Filters
from portal.errors import Refused
from portal.people.rights import Right
from portal.signin.gate import current, guarded, keeps_text
from portal.staff import queue
from portal.staff.bulk_forms import ViewForm
from portal.staff.ways import list_address

bp = guarded("saved", Right.WORK)


@bp.get(f"{addresses.STAFF_REQUESTS}/views")
@bp.get(f"{addresses.STAFF_REQUESTS}/views/forget")
def back() -> ResponseReturnValue:
    """Whoever comes here by GET (after signing in again, say) lands on the list."""
    return redirect(list_address({}), 303)


@bp.post(f"{addresses.STAFF_REQUESTS}/views")
@keeps_text
def save() -> ResponseReturnValue:
    """Keep the filters of the list under a name; the same list again."""
    form = ViewForm()
    filters = Filters.parse(form.here)
    if form.validate():
        try:
            with transaction():
                saved.save(current().id, form.name.data or "", filters)
        except Refused as refusal:
            form.refuse("name", refusal.message)
        else:
            return redirect(list_address(filters.args()), 303)
    return web.private(
        web.page(queue.PAGE, form=form, done="", claimed="", **queue.the_list(filters, naming=form))
    )


@bp.post(f"{addresses.STAFF_REQUESTS}/views/forget")
def forget() -> ResponseReturnValue:
    """Let one of one's own go; the whole list again."""
    chosen = request.form.get("view", "")
    with transaction():
        saved.forget(current().id, int(chosen) if is_id(chosen) else 0)
    return redirect(list_address({}), 303)
