"""The pages of whoever asked: have a code sent, enter it, read everything, and write more. A GET changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, redirect, request
from flask.typing import ResponseReturnValue
from wtforms import Form

from portal import addresses, text, web
from portal.asker import anew, codes
from portal.asker.forms import WRONG_CODE, CodeForm, SendForm, WordsForm
from portal.asker.story import Story
from portal.clock import now
from portal.db import transaction
from portal.desk import perform
from portal.desk.actors import ASKER
from portal.desk.acts import Act
from portal.desk.asking import ADD, ASK_AGAIN, REPLY, WITHDRAW
from portal.errors import Conflict, NotFound, Refused
from portal.intake import patient_data, receipts, submissions
from portal.intake.models import PUBLIC_STATUS, CloseReason, Request, Status
from portal.settings import settings

bp = Blueprint("asker", __name__)

ACTS = {act.word: act for act in (ADD, REPLY, ASK_AGAIN, WITHDRAW)}


@bp.route(addresses.RECEIPT_CODE, methods=["GET", "POST"])
def code(token: str) -> ResponseReturnValue:
    """One button: send a code to where the answer goes. What follows is the same whatever came of it."""
    asked = submissions.get(token, at=now())
    form = SendForm()
    context: dict[str, Any] = {
        "asked": asked,
        "token": token,
        "answer_to": text.masked(asked.reply_email),
        "typed": "",
        "send": form,
    }
    web.keep("asker/code.html", form, **context)
    if not form.is_submitted() or not form.validate():
        return web.private(web.page("asker/code.html", form=form, **context))
    web.throttle("code")
    web.throttle("code-request", asked.reference)
    with transaction():
        codes.send(asked, at=now())
    return redirect(addresses.RECEIPT_ENTER.of(token=token), 303)


@bp.route(addresses.RECEIPT_ENTER, methods=["GET", "POST"])
def enter(token: str) -> ResponseReturnValue:
    """The code; a right one opens the request in this browser, for an hour."""
    asked, form = submissions.get(token, at=now()), CodeForm()
    context: dict[str, Any] = {
        "asked": asked,
        "token": token,
        "answer_to": text.masked(asked.reply_email),
        "send": SendForm(),
    }
    web.keep("asker/enter.html", form, **context)
    if form.is_submitted() and form.validate():
        web.throttle("code-try")
        with transaction():
            is_right = codes.is_right(asked, form.code.data or "", keys=settings().keys, at=now())
        if is_right:
            response = redirect(addresses.RECEIPT_READ.of(token=token), 303)
            response.headers.add("Set-Cookie", codes.set_cookie(settings(), asked, token, at=now()))
            return response
        form.refuse("code", WRONG_CODE)
    return web.private(web.page("asker/enter.html", form=form, **context))


@bp.get(addresses.RECEIPT_READ)
def read(token: str) -> ResponseReturnValue:
    """What was asked and answered, for the browser in which the code was entered; else to the code."""
    asked = submissions.get(token, at=now())
    if not _has_entered(asked, codes.READS_FOR):
        return redirect(addresses.RECEIPT_CODE.of(token=token), 303)
    done = ACTS.get(request.args.get("done", ""))
    return web.private(_page(Story(asked, token), None, done))


@bp.get(addresses.RECEIPT_ACT)
def back(token: str, act: str) -> ResponseReturnValue:
    """Whoever comes to an act's address otherwise than by its button reads on."""
    submissions.get(token, at=now())
    if act not in ACTS:
        raise NotFound
    return redirect(addresses.RECEIPT_READ.of(token=token), 303)


@bp.post(addresses.RECEIPT_ACT)
def do(token: str, act: str) -> ResponseReturnValue:
    """Add, ask again or withdraw; what was typed is kept whatever becomes of it."""
    asked = submissions.get(token, at=now())
    if act not in ACTS:
        raise NotFound
    if not _has_entered(asked, codes.WRITES_FOR):
        return _ask_for_code(asked, token)
    story, chosen = Story(asked, token), ACTS[act]
    form = story.withdrawal if chosen is WITHDRAW else story.words
    web.keep("asker/read.html", form, story=story, done=None)
    if not form.validate():
        return web.private(_page(story, form))
    given: dict[str, Any] = {"reason": CloseReason.WITHDRAWN.value}
    if isinstance(form, WordsForm):
        found = patient_data.find(form.text.data or "")
        if found and not form.seen.data:
            story.has_signs = True
            names = ", ".join(patient_data.LABELS[sign] for sign in found)
            form.refuse("text", f"This may include {names}. Take it out, or tick the box below")
            return web.private(_page(story, form))
        given = {"text": form.text.data, "form_token": form.form_token.data, "patient_data": found}
    try:
        with transaction():
            if chosen is ASK_AGAIN and story.is_past:
                sent = anew.ask(story.request, story.stands, given.pop("text"), at=now(), **given)
                return redirect(receipts.path_of(sent.receipt), 303)
            perform.perform(chosen, story.stands, by=ASKER, at=now(), **given)
    except (Conflict, Refused) as refusal:
        form.renew()
        raise Conflict(_stands(story.stands)) from refusal
    return redirect(f"{addresses.RECEIPT_READ.of(token=token)}?done={act}", 303)


def _page(story: Story, form: Form | None, done: Act | None = None) -> Response:
    return web.page("asker/read.html", form=form, story=story, done=done)


def _ask_for_code(asked: Request, token: str) -> Response:
    """Nothing is done for a browser in which no code was entered; what was typed stands on the page, to be copied."""
    typed = (request.form.get("text") or "")[: codes.TYPED_MOST]
    send = SendForm(formdata=None)
    send.renew()
    context: dict[str, Any] = {
        "asked": asked,
        "token": token,
        "answer_to": text.masked(asked.reply_email),
        "typed": typed,
    }
    return web.private(web.page("asker/code.html", status=403, send=send, **context))


def _has_entered(asked: Request, within: timedelta) -> bool:
    age = codes.age(settings(), asked, request.cookies.get(codes.COOKIE, ""), at=now())
    return age is not None and age <= within


def _stands(asked: Request) -> str:
    """How it stands now, in the words of the receipt."""
    words = PUBLIC_STATUS.get(Status(asked.status)) if asked.status in set(Status) else None
    return f"Your request changed while you were writing. It is now: {words or PUBLIC_STATUS[Status.NEW]}."
