"""One act with several requests of a list: each by itself, so that one that cannot does not stop the others."""

from __future__ import annotations

from typing import Any

from flask import redirect, request
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.desk import perform, planning, telling
from portal.desk.acts import Act
from portal.desk.filters import Filters
from portal.errors import Conflict, Forbidden, PortalError, Unavailable
from portal.people import accounts
from portal.people.models import User
from portal.people.rights import Right
from portal.signin.gate import current, guarded, keeps_text
from portal.staff import queue
from portal.staff.bulk_forms import BULK_ACTS, CHOOSE, NOT_AN_ACT, BulkForm, Outcome
from portal.staff.ways import list_address

bp = guarded("bulk", Right.WORK)

UNTOLD = "The mail that tells {name} could not be kept. Tell them yourself."


@bp.get(f"{addresses.STAFF_REQUESTS}/bulk")
def back() -> ResponseReturnValue:
    """Whoever comes here by GET (after signing in again, say) lands on the list."""
    return redirect(list_address({}), 303)


@bp.post(f"{addresses.STAFF_REQUESTS}/bulk")
@keeps_text
def act() -> ResponseReturnValue:
    """Do it with each that was ticked; the same list again, with what became of each."""
    form = BulkForm()
    filters, after = Filters.parse(form.here), form.here.get("after")
    chosen = next((one for one in BULK_ACTS if one.word == request.form.get("act")), None)
    outcomes: list[Outcome] = []
    untold = ""
    if form.validate() and chosen is not None:
        value = form[form.field_of(chosen)].data
        if not form.references:
            form.refuse("chosen", CHOOSE)
        elif not value:
            form.refuse(form.field_of(chosen), chosen.missing)
        else:
            outcomes = [_do(chosen, *each, value, current()) for each in form.references]
            untold = _tell(chosen, outcomes, value, current())
    elif chosen is None and not form.errors:
        form.refuse("chosen", NOT_AN_ACT)
    again = form if form.errors else None
    shown = queue.the_list(filters, after, bulk=again, outcomes=outcomes)
    if not shown["lines"] and after:
        shown = queue.the_list(filters, bulk=again, outcomes=outcomes)
    return web.private(web.page(queue.PAGE, form=again, done="", claimed="", untold=untold, **shown))


def _do(act: Act, reference: str, version: int, value: object, by: User) -> Outcome:
    given: dict[str, Any] = {"version": version, act.asks: value}
    try:
        with transaction():
            found = perform.get(reference)
            perform.perform(act, found, by=by, at=now(), is_one_of_many=True, **given)
    except (Conflict, Forbidden) as refused:
        if perform.was_last(act, found, by=by, **given):
            return Outcome(found.reference, True, act.told, is_repeat=True)
        return Outcome(reference, False, refused.message)
    except PortalError as refused:
        return Outcome(reference, False, refused.message)
    return Outcome(found.reference, True, act.told)


def _tell(act: Act, outcomes: list[Outcome], value: object, by: User) -> str:
    """One mail of all that somebody was given; a sentence where it could not be kept, for they have them already.

    A second press tries again what the first could not.
    """
    done = [outcome for outcome in outcomes if outcome.is_done]
    new = [outcome.reference for outcome in done if not outcome.is_repeat]
    given = new or [outcome.reference for outcome in done]
    if act is planning.ASSIGN and given:
        to = accounts.get(int(str(value)))
        if to.id != by.id:
            try:
                with transaction():
                    if new or not telling.was_given(given, to):
                        telling.given(given, to, at=now())
            except Unavailable:
                return UNTOLD.format(name=to.name)
    return ""
