"""One request: its page, and what staff do with it, each act a post of its own.

Whoever is shown the page is in the audit trail: no free text is shown before that is written. This is the one GET
that writes anything, and it writes nothing but that row. After an act, a word in the address, from a list, says what
was done; no address holds a word that a person typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask import redirect, url_for
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.desk import acts as desk
from portal.desk.acts import Staff
from portal.errors import Conflict, NotFound, Refused
from portal.intake.models import Request
from portal.people.models import Role
from portal.signin.gate import current, guarded, keeps_text
from portal.staff.forms import ActForm, AnswerForm, CloseForm, DeskForm, NoteForm, ReopenForm, SpamForm
from portal.staff.sheet import Sheet

bp = guarded("request", Role.DESK, Role.PHARMACIST, Role.MANAGER)

PAGE = "staff/request.html"
ACTS = ("claim", "release", "take-over", "note", "answer", "close", "reopen", "spam", "not-spam")

# What the page says after an act: the word in the address, and the sentence.
DONE = {
    "claimed": "This request is yours now.",
    "released": "The request is back in the queue.",
    "taken-over": "You took this request over. It is yours now.",
    "noted": "The note is saved. Only staff see it.",
    "answered": "The answer is on its way.",
    "answered-and-closed": "The answer is on its way, and the request is closed.",
    "closed": "The request is closed.",
    "reopened": "The request is open again, and yours.",
    "spam": "The request is now among the spam. It stays there until somebody brings it back.",
    "not-spam": "The request is back in the queue.",
}


@bp.get(addresses.STAFF_REQUEST)
def show(reference: str) -> ResponseReturnValue:
    """One request with all that staff need; opening it is recorded."""
    sheet = _sheet(reference)
    if sheet.request.reference != reference:
        return redirect(_address(sheet), 303)
    if flask.request.method == "GET":  # a HEAD shows nothing
        sheet.record_opening()
    return web.private(web.page(PAGE, sheet=sheet, done=DONE.get(flask.request.args.get("done", ""), "")))


@bp.get("/staff/requests/<reference>/<act>")
def back(reference: str, act: str) -> ResponseReturnValue:
    """Whoever comes to the address of an act by GET (after signing in again, say) lands on the request."""
    if act not in ACTS:
        raise NotFound
    return redirect(_address(_sheet(reference)), 303)


@bp.post("/staff/requests/<reference>/claim")
@keeps_text
def claim(reference: str) -> ResponseReturnValue:
    """Make a new request one's own; of many at once, one gets it."""

    def verb(asked: Request, by: Staff) -> None:
        desk.claim(asked.reference, by=by, at=now())

    return _perform(reference, "claim", ActForm(), verb, done="claimed")


@bp.post("/staff/requests/<reference>/release")
@keeps_text
def release(reference: str) -> ResponseReturnValue:
    """Give it back to the queue."""
    form = ActForm()

    def verb(asked: Request, by: Staff) -> None:
        desk.release(asked, by=by, at=now(), version=form.version.data or 0)

    return _perform(reference, "release", form, verb, done="released")


@bp.post("/staff/requests/<reference>/take-over")
@keeps_text
def take_over(reference: str) -> ResponseReturnValue:
    """Take it from whoever has it."""
    form = ActForm()

    def verb(asked: Request, by: Staff) -> None:
        desk.take_over(asked, by=by, at=now(), version=form.version.data or 0)

    return _perform(reference, "take_over", form, verb, done="taken-over")


@bp.post("/staff/requests/<reference>/note")
@keeps_text
def note(reference: str) -> ResponseReturnValue:
    """Keep an internal note; nothing written here is ever sent."""
    form = NoteForm(prefix="note")

    def verb(asked: Request, by: Staff) -> None:
        desk.add_note(
            asked, text=form.text.data or "", form_token=form.form_token.data or "", by=by, at=now()
        )

    return _perform(reference, "note", form, verb, done="noted")


@bp.post("/staff/requests/<reference>/answer")
@keeps_text
def answer(reference: str) -> ResponseReturnValue:
    """Answer by mail, and close the request if the second button was pressed."""
    form = AnswerForm(prefix="answer")

    def verb(asked: Request, by: Staff) -> None:
        desk.answer(asked, **form.values(), form_token=form.form_token.data or "", by=by, at=now())

    done = "answered-and-closed" if form.close.data else "answered"
    return _perform(reference, "answer", form, verb, done=done)


@bp.post("/staff/requests/<reference>/close")
@keeps_text
def close(reference: str) -> ResponseReturnValue:
    """End a request for a reason from a list."""
    form = CloseForm(prefix="close")

    def verb(asked: Request, by: Staff) -> None:
        desk.close(asked, **form.values(), by=by, at=now())

    return _perform(reference, "close", form, verb, done="closed")


@bp.post("/staff/requests/<reference>/reopen")
@keeps_text
def reopen(reference: str) -> ResponseReturnValue:
    """Take an ended request up again."""
    form = ReopenForm(prefix="reopen")

    def verb(asked: Request, by: Staff) -> None:
        desk.reopen(asked, **form.values(), by=by, at=now())

    return _perform(reference, "reopen", form, verb, done="reopened")


@bp.post("/staff/requests/<reference>/spam")
@keeps_text
def spam(reference: str) -> ResponseReturnValue:
    """Put it among the spam."""
    form = SpamForm(prefix="spam")

    def verb(asked: Request, by: Staff) -> None:
        desk.mark_spam(asked, **form.values(), by=by, at=now())

    return _perform(reference, "spam", form, verb, done="spam")


@bp.post("/staff/requests/<reference>/not-spam")
@keeps_text
def not_spam(reference: str) -> ResponseReturnValue:
    """Bring it back from the spam."""
    form = ActForm()

    def verb(asked: Request, by: Staff) -> None:
        desk.not_spam(asked, by=by, at=now(), version=form.version.data or 0)

    return _perform(reference, "not_spam", form, verb, done="not-spam")


def _perform(
    reference: str, act: str, form: ActForm | DeskForm, verb: Callable[[Request, Staff], None], *, done: str
) -> ResponseReturnValue:
    """One act in one transaction; where it fails, the page again, with the draft and with what is new."""
    sheet = _sheet(reference, **{act: form})
    web.keep(PAGE, form, sheet=sheet, done="")
    if form.validate():
        try:
            with transaction():
                verb(sheet.request, sheet.by)
        except Refused as refusal:
            if refusal.field not in form:
                sheet.record_opening()
                raise
            form[refusal.field].errors = [refusal.message]
        except Conflict:
            sheet.record_opening()
            raise
        else:
            return redirect(_address(sheet, done=done), 303)
    sheet.record_opening()
    return web.private(web.page(PAGE, form=form, sheet=sheet, done=""))


def _sheet(reference: str, **forms: ActForm | DeskForm) -> Sheet:
    by = current()
    return Sheet(desk.get(reference, by=by, at=now()), by, forms)


def _address(sheet: Sheet, **args: Any) -> str:
    return url_for(".show", reference=sheet.request.reference, **args)
