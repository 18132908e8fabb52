"""Who is out of office: everybody says it of themselves, pharmacists and managers of others too."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.desk import away, perform
from portal.desk.cursor import is_id
from portal.errors import NotFound, Refused
from portal.people import accounts
from portal.people.models import User
from portal.people.rights import Right
from portal.signin.gate import current, guarded, keeps_text
from portal.staff.bulk_forms import AwayForm
from portal.staff.forms import choices

bp = guarded("away", Right.WORK)

PAGE = "staff/away.html"
KEEP, QUEUE = "", "queue"
DONE = {"away": "It is noted. They get no new work until they are back.", "back": "They are back."}


@bp.get(f"{addresses.STAFF_REQUESTS}/away")
def people() -> ResponseReturnValue:
    """Everybody, and who is not there."""
    return web.private(web.page(PAGE, form=None, **_context(_form(formdata=None))))


@bp.post(f"{addresses.STAFF_REQUESTS}/away")
@keeps_text
def leave() -> ResponseReturnValue:
    """Mark somebody away, and hand over what they have."""
    form = _form()
    web.keep(PAGE, form, **_context(form))
    if form.validate():
        who = _who(form.person.data or "")
        try:
            if form.until.data is None:
                raise Refused(away.GIVE_DAY, field="until")
            with transaction():
                away.leave(who, form.until.data, by=current(), at=now())
                if form.work.data != KEEP:
                    perform.hand_over(who, _heir(form.work.data), at=now(), by=current())
        except Refused as refusal:
            form.refuse({"to": "work"}.get(refusal.field or "", refusal.field or "until"), refusal.message)
        else:
            return redirect(url_for(".people", done="away"), 303)
    return web.private(web.page(PAGE, form=form, **_context(form)))


@bp.post(f"{addresses.STAFF_REQUESTS}/away/back")
def back() -> ResponseReturnValue:
    """Somebody is there again, sooner than they said."""
    who = _who(request.form.get("person") or str(current().id))
    with transaction():
        away.leave(who, None, by=current(), at=now())
    return redirect(url_for(".people", done="back"), 303)


def _who(chosen: str) -> User:
    """Somebody of whom this person may say it."""
    if not is_id(chosen):
        raise NotFound
    found = accounts.get(int(chosen))
    if found.id != current().id and not current().may(Right.LEAD):
        raise NotFound  # told with the same page as who is not there
    return found


def _heir(chosen: str | None) -> User | None:
    if chosen == QUEUE:
        return None
    if not is_id(chosen or ""):
        raise NotFound
    return accounts.get(int(chosen or ""))


def _form(**more: Any) -> AwayForm:
    by, at = current(), now()
    form = AwayForm(data={"person": str(by.id)}, **more)
    here = {str(user.id): user.name for user in away.colleagues(at)}
    who = {str(user.id): user.name for user in accounts.people() if user.active}
    form.person.choices = choices(who if by.may(Right.LEAD) else {str(by.id): by.name})
    form.work.choices = choices(
        {KEEP: "Stay with them, marked as away", QUEUE: "Go back to the queue"}
        | {number: f"Go to {name}" for number, name in here.items()}
    )
    return form


def _context(form: AwayForm) -> dict[str, Any]:
    at = now()
    absent, by = away.who(at), current()
    return {
        "away_form": form,
        "people": [(user, absent.get(user.id)) for user in accounts.people() if user.active],
        "may_all": by.may(Right.LEAD),
        "me": by,
        "done": DONE.get(request.args.get("done", ""), "") if request.method == "GET" else "",
    }
