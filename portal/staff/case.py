"""One request: its page, and what staff do with it, all acts by one route.

Whoever is shown the page is in the audit trail: no free text is shown before that is written. This is the one GET
that writes anything, and it writes nothing but that row. After an act its word in the address says what was done; no
address holds a word that a person typed.
"""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.desk import perform
from portal.desk.acts import ACTS
from portal.errors import Conflict, Forbidden, Refused
from portal.people.models import Role
from portal.signin.gate import current, guarded, keeps_text
from portal.staff.casefile import CaseFile
from portal.staff.forms import ActForm, DeskForm, form_of

bp = guarded("case", Role.DESK, Role.PHARMACIST, Role.MANAGER)

PAGE = "staff/case.html"
ANSWERED_AND_CLOSED = "answer-and-close"


@bp.get(addresses.STAFF_REQUEST)
def show(reference: str) -> ResponseReturnValue:
    """One request with all that staff need; opening it is recorded."""
    case = _case(reference)
    if case.request.reference != reference:
        return redirect(_address(case), 303)
    if request.method == "GET":  # a HEAD shows nothing
        case.record_opening()
    return web.private(web.page(PAGE, case=case, done=_done(request.args.get("done", ""))))


@bp.get(f"{addresses.STAFF_REQUEST}/<act>")
def back(reference: str, act: str) -> ResponseReturnValue:
    """Whoever comes to the address of an act by GET (after signing in again, say) lands on the request."""
    perform.act_of(act)
    return redirect(_address(_case(reference)), 303)


@bp.post(f"{addresses.STAFF_REQUEST}/<act>")
@keeps_text
def do(reference: str, act: str) -> ResponseReturnValue:
    """One act in one transaction; where it fails, the page again, with the draft and with what is new."""
    chosen = perform.act_of(act)
    case = _case(reference)
    form = case.forms[act] = form_of(chosen, case.request)
    form.version.of = case.request
    web.keep(PAGE, form, case=case, done="")
    if form.validate():
        try:
            with transaction():
                perform.perform(chosen, case.request, by=case.by, at=now(), **_given(form))
        except Refused as refusal:
            if refusal.field not in form:
                case.record_opening()
                raise
            form[refusal.field].errors = [refusal.message]
        except (Conflict, Forbidden):
            case.record_opening()
            if isinstance(form, DeskForm):
                form.renew()
            raise
        else:
            closes = "close" in form and form.close.data
            return redirect(_address(case, done=ANSWERED_AND_CLOSED if closes else act), 303)
    case.record_opening()
    return web.private(web.page(PAGE, form=form, case=case, done=""))


def _given(form: ActForm | DeskForm) -> dict[str, Any]:
    """What the verb is given: the version, and what the form asked."""
    if isinstance(form, ActForm):
        return {"version": form.version.data or 0}
    return {**form.values(), "form_token": form.form_token.data or ""}


def _done(word: str) -> str:
    if word == ANSWERED_AND_CLOSED:
        return "The answer is on its way, and the request is closed."
    act = ACTS.get(word)
    return act.done if act else ""


def _case(reference: str) -> CaseFile:
    return CaseFile(perform.get(reference), current())


def _address(case: CaseFile, **args: Any) -> str:
    return url_for(".show", reference=case.request.reference, **args)
