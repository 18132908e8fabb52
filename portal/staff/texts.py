"""The texts of the site, statement by statement: pharmacists sign them here, managers see how far they are."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, HiddenField, RadioField, StringField
from wtforms.validators import InputRequired

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.errors import Conflict, Forbidden, NotFound, Refused
from portal.forms import LongTextField, TextField
from portal.library.statements import Risk, Statement
from portal.people.rights import Right
from portal.review import signing
from portal.review.models import NAME_MAX, NOTE_MAX, Verdict
from portal.review.shelf import Shelf
from portal.review.signing import Standing
from portal.signin.gate import current, guarded, keeps_text
from portal.staff.forms import DeskForm, choices

bp = guarded("texts", Right.READ_TEXTS)

PAGE, STATEMENT = "staff/text.html", "staff/text_statement.html"
ALL = "all"
READ_FIRST = "Tick that you have read them"
NO_SUCH_TEXT = "There is no such text to sign."
NO_SUCH_STATEMENT = "That statement is not on the page any more."
DONE = {"agreed": "Signed.", "asked": "What you ask for is written down. The statement stays unsigned."}


class AgreeForm(DeskForm):
    """One press of the page: to one statement, or to all that it lists as not signed yet."""

    agree = StringField()
    translator = TextField(
        "Qualified translator who read the Spanish beside the English",
        max_length=NAME_MAX,
        render_kw={"form": "sign", "autocomplete": "off"},
    )
    shown = HiddenField()
    read = BooleanField("I have read each statement listed here", render_kw={"form": "sign"})


class AskForm(DeskForm):
    """What is wrong with a statement."""

    translator = TextField(
        "Qualified translator who read the Spanish beside the English",
        max_length=NAME_MAX,
        description="For a signature.",
        render_kw={"autocomplete": "off"},
    )

    verdict = RadioField(
        "What should happen to it?",
        [InputRequired("Say what should happen to it")],
        choices=choices(
            {
                Verdict.AGREE: "I agree: sign it as it stands",
                Verdict.CHANGE: "Change it",
                Verdict.REMOVE: "Remove it",
            }
        ),
    )
    note = LongTextField(
        "What it should say, or why", max_length=NOTE_MAX, render_kw={"data-count": NOTE_MAX}
    )


@bp.get(addresses.STAFF_TEXTS)
def all_texts() -> ResponseReturnValue:
    """How far each text is."""
    found = shelf().standings()
    return web.private(web.page("staff/texts.html", texts=found, risks=list(Risk), slug=_slug))


@bp.route(f"{addresses.STAFF_TEXTS}/<slug>", methods=["GET", "POST"])
def text(slug: str) -> ResponseReturnValue:
    """One text: what nobody has signed, what is asked for, what is signed."""
    _refuse_who_may_only_look()
    standing = _standing(slug)
    form = AgreeForm(data={"translator": standing.translator})
    if not standing.is_translation:
        del form.translator
    if not form.validate_on_submit():
        return _show(standing, form)
    digest = form.agree.data or ""
    try:
        with transaction():
            if digest != ALL:
                signing.agree(standing, [digest], translator=_translator(form), by=current(), at=now())
            elif form.read.data:
                shown = form.shown.data or ""
                signing.agree_to_rest(
                    standing, shown, risk=_risk(), translator=_translator(form), by=current(), at=now()
                )
            else:
                raise Refused(READ_FIRST, field="read")
    except Conflict as conflict:
        return _show(_standing(slug), form, 409, conflict.message)
    except Refused as refusal:
        form.refuse(refusal.field or "read", refusal.message)
        return _show(standing, form, 422)
    shelf().signed()
    after = _after(standing, digest)
    if after:
        return redirect(url_for(".text", slug=slug, risk=_risk(), _anchor=f"s-{after.key}"), 303)
    return redirect(url_for(".text", slug=slug, risk=_risk(), done="agreed"), 303)


@bp.route(f"{addresses.STAFF_TEXTS}/<slug>/<key>", methods=["GET", "POST"])
@keeps_text
def statement(slug: str, key: str) -> ResponseReturnValue:
    """One statement: sign it, ask for a change, ask for it to go."""
    _refuse_who_may_only_look()
    standing = _standing(slug)
    one = next((one for one in standing.statements if one.key == key), None)
    if one is None:
        raise NotFound(NO_SUCH_STATEMENT)
    said = standing.verdicts.get(one.digest)
    before = {"verdict": said.verdict, "note": said.note} if said else {}
    form = AskForm(data={**before, "translator": standing.translator})
    if not standing.is_translation:
        del form.translator
    context: dict[str, Any] = {
        "standing": standing,
        "one": one,
        "said_before": said,
        "slug": slug,
        "works": shelf().read.references,
        "may_sign": current().may(Right.SIGN_TEXTS),
    }
    web.keep(STATEMENT, form, **context)
    if form.validate_on_submit():
        verdict = Verdict(form.verdict.data)
        try:
            with transaction():
                if verdict == Verdict.AGREE:
                    signing.agree(
                        standing, [one.digest], translator=_translator(form), by=current(), at=now()
                    )
                else:
                    signing.objected(
                        standing, one.digest, verdict, form.note.data or "", by=current(), at=now()
                    )
        except Refused as refusal:
            form.refuse(refusal.field or "note", refusal.message)
        else:
            shelf().signed()
            done = "agreed" if verdict == Verdict.AGREE else "asked"
            return redirect(url_for(".text", slug=slug, done=done), 303)
    return web.private(web.page(STATEMENT, form=form, **context))


def shelf() -> Shelf:
    """The texts, and what is signed of them."""
    found: Shelf = current_app.extensions["shelf"]
    return found


def _translator(form: AgreeForm | AskForm) -> str:
    return (form.translator.data or "") if "translator" in form else ""


def _refuse_who_may_only_look() -> None:
    if request.method == "POST" and not current().may(Right.SIGN_TEXTS):
        raise Forbidden(signing.ONLY_PHARMACISTS)


def _show(standing: Standing, form: AgreeForm, status: int | None = None, conflict: str = "") -> Response:
    changed = standing.changed
    listed = signing.rest(standing, _risk())
    form.shown.data = signing.mark(listed)
    page = web.page(
        PAGE,
        form=form,
        status=status,
        alert={"level": "warn", "heading": "Not signed", "text": conflict} if conflict else None,
        done=DONE.get(request.args.get("done", ""), ""),
        standing=standing,
        changed=[(one, changed[one.digest]) for one in standing.to_read if one.digest in changed],
        rest=listed,
        risk=_risk(),
        left={risk: len(signing.rest(standing, risk)) for risk in Risk},
        slug=_slug(standing),
        works=shelf().read.references,
        may_sign=current().may(Right.SIGN_TEXTS),
    )
    return web.private(page)


def _risk() -> Risk | None:
    """The class that the page is narrowed to."""
    asked = request.args.get("risk", "")
    return Risk(asked) if asked in set(Risk) else None


def _after(standing: Standing, digest: str) -> Statement | None:
    """What is read next: whoever signs one after another stays where they are."""
    read = iter(signing.rest(standing, _risk()))
    return next(read, None) if any(one.digest == digest for one in read) else None


def _standing(slug: str) -> Standing:
    for standing in shelf().standings():
        if _slug(standing) == slug:
            return standing
    raise NotFound(NO_SUCH_TEXT)


def _slug(standing: Standing) -> str:
    return standing.page.path.strip("/").replace("/", "-")
