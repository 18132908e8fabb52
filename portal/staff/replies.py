"""Stored replies: pharmacists and managers write them, everybody at the desk inserts them (`case.py`)."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField
from wtforms.validators import DataRequired

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.desk import replies
from portal.desk.models import Reply
from portal.errors import Refused
from portal.forms import LongTextField, TextField
from portal.people.rights import Right
from portal.signin.gate import current, guarded, keeps_text
from portal.staff.forms import DeskForm

bp = guarded("replies", Right.REPLIES)

PAGE = "staff/reply.html"
DONE = {"saved": "The reply is saved.", "deleted": "The reply is gone. Answers that were made of it stay."}


class ReplyForm(DeskForm):
    """One stored reply."""

    title = TextField("Title", [DataRequired("Give it a title")], max_length=100)
    text = LongTextField(
        "Text",
        [DataRequired("Write the text")],
        max_length=6_000,
        render_kw={"data-count": 6_000},
        description="Filled in from the request: " + ", ".join(f"{{{{{hole}}}}}" for hole in replies.HOLES),
    )
    is_clinical = BooleanField("Clinical: a pharmacist answers for it, and reads it again each year")


@bp.get(addresses.STAFF_REPLIES)
def all_replies() -> ResponseReturnValue:
    """All of them."""
    on, found = now().date(), replies.stored()
    overdue = {reply.id for reply in found if replies.is_overdue(reply, on)}
    done = DONE.get(request.args.get("done", ""), "")
    return web.page("staff/replies.html", replies=found, overdue=overdue, done=done)


@bp.route(f"{addresses.STAFF_REPLIES}/new", methods=["GET", "POST"])
@keeps_text
def new() -> ResponseReturnValue:
    """Write one."""
    return _write(None)


@bp.route(f"{addresses.STAFF_REPLIES}/<int:reply_id>", methods=["GET", "POST"])
@keeps_text
def reply(reply_id: int) -> ResponseReturnValue:
    """Write one anew."""
    return _write(replies.get(reply_id))


@bp.get(f"{addresses.STAFF_REPLIES}/<int:reply_id>/versions")
def versions(reply_id: int) -> ResponseReturnValue:
    """Its texts as they were saved, the newest first."""
    found = replies.get(reply_id)
    return web.page("staff/reply_versions.html", reply=found, versions=replies.versions(found))


@bp.post(f"{addresses.STAFF_REPLIES}/<int:reply_id>/delete")
def delete(reply_id: int) -> ResponseReturnValue:
    """Offer it no more."""
    found = replies.get(reply_id)
    with transaction():
        replies.delete(found, by=current(), at=now())
    return redirect(url_for(".all_replies", done="deleted"), 303)


def _write(found: Reply | None) -> ResponseReturnValue:
    form = ReplyForm(obj=found)
    form.version.of = found
    web.keep(PAGE, form, reply=found)
    if form.validate_on_submit():
        words: dict[str, Any] = {
            "title": form.title.data,
            "text": form.text.data,
            "is_clinical": form.is_clinical.data,
        }
        try:
            with transaction():
                replies.save(found, **words, version=form.version.data or 0, by=current(), at=now())
        except Refused as refusal:
            form.refuse(refusal.field or "text", refusal.message)
        else:
            return redirect(url_for(".all_replies", done="saved"), 303)
    return web.page(PAGE, form=form, reply=found)
