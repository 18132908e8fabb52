"""One request: its page, and what staff do with it, all acts by one route.

Whoever is shown the page is in the audit trail: no free text is shown before that is written. This is the one GET
that writes anything, and it writes nothing but that row. After an act its word in the address says what was done; no
address holds a word that a person typed, but for the search of the list that they came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import addresses, tokens, web
from portal.clock import now
from portal.db import db, transaction
from portal.desk import drafts, perform, replies
from portal.desk.acts import ACTS, Act
from portal.desk.cursor import is_id
from portal.desk.redaction import REDACT, TAKEN_OUT_MEANWHILE, is_older, mails_of
from portal.desk.undoing import BOX, UNDO
from portal.errors import Conflict, Forbidden, Refused
from portal.intake.models import Request
from portal.mail import promise as mail
from portal.people.models import User
from portal.people.rights import Right
from portal.settings import settings
from portal.signin.gate import ask_password, current, guarded, keeps_text, rescues
from portal.staff import redacting, ways
from portal.staff.casefile import PASS_FOR, CaseFile, pass_purpose
from portal.staff.forms import LINK, ActForm, DeskForm, InsertForm, form_of

bp = guarded("case", Right.WORK)

PAGE = "staff/case.html"
DRAFT = "draft"
INSERTED = "insert"
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


@bp.get(f"{addresses.STAFF_REQUEST}/label")
def label(reference: str) -> ResponseReturnValue:
    """What goes on and into the envelope, to be printed; opening it is recorded, for it shows an address."""
    case = _case(reference)
    if not case.request.address:
        return redirect(_address(case), 303)
    if request.method == "GET":
        case.record_opening()
    return web.private(web.page("staff/label.html", case=case))


@bp.get(f"{addresses.STAFF_REQUEST}/<act>")
def back(reference: str, act: str) -> ResponseReturnValue:
    """Whoever comes to the address of an act by GET (after signing in again, say) lands on the request."""
    if act not in (DRAFT, INSERTED):
        perform.act_of(act)
    return redirect(_address(_case(reference)), 303)


def _rescue(reference: str, act: str = DRAFT) -> bool:
    """Keep the draft of somebody whose session ended: the pass that their page held says whose it is."""
    writer, _, stamp = request.form.get("draft_pass", "").partition(".")
    known = writer.isascii() and writer.isdigit() and len(writer) < 10
    user = db.session.get(User, int(writer)) if known else None
    if user is None or not user.active:
        return False
    asked, at = perform.get(reference), now()
    age = tokens.stamp_age(settings().keys, pass_purpose(user, asked), stamp, at=at.timestamp())
    if age is None or age > PASS_FOR.total_seconds() or _holds_old_words(asked):
        return False
    with transaction():
        drafts.keep(asked, user.id, _typed(), at=at)
    return True


@bp.post(f"{addresses.STAFF_REQUEST}/{DRAFT}")
@rescues(_rescue)
def draft(reference: str) -> ResponseReturnValue:
    """Keep what stands in the boxes, and do nothing else; the page's script comes here while one types."""
    case = _case(reference)
    web.keep(PAGE, case.forms["note"], case=case, done="")
    _refuse_old_words(case)
    with transaction():
        drafts.keep(case.request, case.by.id, _typed(), at=now())
    return redirect(_address(case, done=DRAFT), 303)


@bp.post(f"{addresses.STAFF_REQUEST}/insert")
@rescues(_rescue)
@keeps_text
def insert(reference: str) -> ResponseReturnValue:
    """Put a stored reply under what stands in the answer's box, as a draft: nothing is sent by it."""
    case, form = _case(reference), InsertForm(prefix="insert")
    case.insert_form = form
    web.keep(PAGE, form, case=case, done="")
    _refuse_old_words(case)
    if form.validate():
        chosen, typed = form.reply.data or "", _typed()
        try:
            words = _inserted(chosen, case)
        except Refused as refusal:
            form.refuse("reply", refusal.message)
        else:
            typed["answer"] = "\n\n".join(part for part in (typed.get("answer", "").rstrip(), words) if part)
            with transaction():
                drafts.keep(case.request, case.by.id, typed, at=now())
            return redirect(_address(case, done=INSERTED), 303)
    case.record_opening(_typed() if "csrf_token" not in form.errors else None)
    return web.private(web.page(PAGE, form=form, case=case, done=""))


@bp.post(f"{addresses.STAFF_REQUEST}/<act>")
@rescues(_rescue)
@keeps_text
def do(reference: str, act: str) -> ResponseReturnValue:
    """One act in one transaction; where it fails, the page again, with the draft and with what is new."""
    chosen = perform.act_of(act)
    case = _case(reference)
    form = case.forms[chosen.box] = form_of(chosen, case.request)
    form.version.of = case.request
    web.keep(PAGE, form, case=case, done="")
    _refuse_old_words(case)
    if chosen is REDACT and (first := _password_first(case)):
        return first
    if form.validate():
        try:
            mails = mail.numbers_of(mails_of(case.request)) if chosen is REDACT else ()
            with transaction():
                sent = {chosen.box: ""} if chosen.writes else {}
                drafts.keep(case.request, case.by.id, _typed() | sent, at=now())
                _verb(form)(chosen, case.request, by=case.by, at=now(), **_given(form))
        except Refused as refusal:
            if refusal.field not in form:
                case.record_opening(_typed())
                raise
            form[refusal.field].errors = [refusal.message]
        except (Conflict, Forbidden):
            if perform.was_last(chosen, case.request, by=case.by, **_given(form)):
                _keep_between(case, chosen)
                return _after(case, act, form)
            case.seen_at = _seen_at(case)
            case.record_opening(_typed())
            if isinstance(form, DeskForm):
                form.renew()
            raise
        else:
            if chosen is REDACT:
                return _redacted(case, form, mails)
            return _after(case, act, form)
    case.record_opening(_typed() if "csrf_token" not in form.errors else None)
    return web.private(web.page(PAGE, form=form, case=case, done=""))


def _keep_between(case: CaseFile, chosen: Act) -> None:
    """What was typed between two presses; where words came back into a box, that page does not hold them."""
    typed = {box: words for box, words in _typed().items() if not (chosen is UNDO and box == BOX)}
    with transaction():
        drafts.keep(case.request, case.by.id, typed, at=now())


def _after(case: CaseFile, act: str, form: ActForm | DeskForm) -> ResponseReturnValue:
    """Where one is after an act."""
    if request.form.get("stay") and case.way:  # pressed in the list
        return redirect(ways.back_to(case.way, claimed=case.request.reference), 303)
    closes = "close" in form and form.close.data
    return redirect(_address(case, done=ANSWERED_AND_CLOSED if closes else act), 303)


def _password_first(case: CaseFile) -> ResponseReturnValue | None:
    """Where to go before words are taken out, with what was typed kept; None when the password was given just now."""
    first = ask_password() if case.may(REDACT.word) else None
    if first:
        with transaction():
            drafts.keep(case.request, case.by.id, _typed(), at=now())
    return first


def _verb(form: ActForm | DeskForm) -> Callable[..., Any]:
    """What is done with an act: of one that is shown first, nothing yet."""
    return perform.would if "sure" in form and not form["sure"].data else perform.perform


def _redacted(case: CaseFile, form: ActForm | DeskForm, mails: Sequence[int]) -> ResponseReturnValue:
    """What would go; once somebody saw that and pressed again, it is gone."""
    words = form["words"].data
    if form["sure"].data:
        return redirect(_address(case, done=redacting.sweep(case.request, words, mails)), 303)
    case.record_opening()
    going = redacting.what_goes(case.request, words, case.by.id)
    return web.private(web.page("staff/redact.html", form=form, case=case, going=going))


def _holds_old_words(asked: Request) -> bool:
    """Whether text was typed on a page from before words were taken out: they may stand in it, so it is not kept."""
    sent = request.form.get("version", "")
    version = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else 0
    return any(words.strip() for words in _typed().values()) and is_older(asked, version)


def _refuse_old_words(case: CaseFile) -> None:
    if _holds_old_words(case.request):
        case.seen_at = _seen_at(case)
        case.record_opening()
        raise Conflict(TAKEN_OUT_MEANWHILE)


def _inserted(chosen: str, case: CaseFile) -> str:
    """The words of what was chosen: a link, or a stored reply with its holes filled."""
    if chosen.startswith(LINK):
        return replies.linked(chosen.removeprefix(LINK))
    return replies.filled(replies.get(int(chosen) if is_id(chosen) else 0), case.request, case.by)


def _given(form: ActForm | DeskForm) -> dict[str, Any]:
    """What the verb is given: the version, and what the form asked."""
    if isinstance(form, ActForm):
        return {"version": form.version.data or 0}
    return {**form.values(), "form_token": form.form_token.data or ""}


def _seen_at(case: CaseFile) -> datetime | None:
    """When the page was opened that this was sent from."""
    at, stamp = now(), request.form.get("draft_pass", "").partition(".")[2]
    purpose = pass_purpose(case.by, case.request)
    age = tokens.stamp_age(settings().keys, purpose, stamp, at=at.timestamp())
    return None if age is None else at - timedelta(seconds=age)


def _typed() -> dict[str, str]:
    """What stands in the boxes of the page, whichever button sent it."""
    boxes = {act.box: request.form.get(f"{act.box}-text") for act in ACTS if act.writes}
    return {box: words for box, words in boxes.items() if words is not None}


def _done(word: str) -> str:
    if word == DRAFT:
        return "Your draft is kept. Only you see it."
    if word == INSERTED:
        return "It stands in the answer. Read it before you send it."
    if word == ANSWERED_AND_CLOSED:
        return "The answer is on its way, and the request is closed."
    if word.startswith(REDACT.word):
        return redacting.said(word)
    act = ACTS.get(word)
    return act.done if act else ""


def _case(reference: str) -> CaseFile:
    return CaseFile(perform.get(reference), current(), ways.known(request.values.get("list", "")))


def _address(case: CaseFile, **args: Any) -> str:
    return url_for(".show", reference=case.request.reference, **args, list=case.way or None)
