"""The pages of prescribers' requests: ask a pharmacist, ask for materials, see how it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from portal import addresses, controls, domains, text, web
from portal.clock import now
from portal.controls import Mold
from portal.db import transaction
from portal.errors import Conflict, PortalError
from portal.forms import EmailField
from portal.intake import catalogue, patient_data, receipts, submissions
from portal.intake.forms import IntakeForm
from portal.intake.kinds import CHECK, ROOM_KINDS, Kind, of
from portal.intake.models import PUBLIC_STATUS, Status
from portal.intake.models import Kind as KindWord
from portal.intake.models import Request as Asked
from portal.mail import lanes
from portal.people import accounts
from portal.settings import settings

bp = Blueprint("intake", __name__)

CONFIRMED = "confirmed"
SEEN = "patient_data_seen"
CHANGE = "change"


@bp.after_request
def keep_for_going_back(response: Response) -> Response:
    """Let the person's own browser keep a form and its steps, so that Back shows them with every answer.

    Without it Back from the receipt is the browser's own error page (docs/decisions/0017).
    """
    if request.endpoint != "intake.receipt":
        response.headers["Cache-Control"] = "private, no-cache"
    return response


def _asks(kind: Kind) -> Callable[[], ResponseReturnValue]:
    def view() -> ResponseReturnValue:
        return _ask(kind)

    return view


for _kind in ROOM_KINDS:
    bp.add_url_rule(_kind.address, _kind.page, _asks(_kind), methods=["GET", "POST"])


def _ask(kind: Kind) -> ResponseReturnValue:
    """One algorithm for every kind: write, check the answers, send."""
    form, page = kind.form(), f"intake/{kind.page}.html"
    context: dict[str, Any] = {"first_receipt": None, "send": kind.send, "hints": kind.hints}
    # Before anything is read, so that nothing typed hangs on that
    web.keep(page, form, promised=None, **context)

    def shared(_mold: Any = None) -> dict[str, Any]:
        return {**context, "promised": _promise(kind)}

    if not form.is_submitted():
        return web.empty_form(page, form, form.holes, **shared())
    is_good = form.validate()
    # Most forms are sent once; only the last step finds out by itself, from the row that is in its way.
    # Whom a trap made doubtful sees the check page, which has none, and presses there.
    is_last = (
        is_good and request.form.get(CONFIRMED) == "1" and CHANGE not in request.form and not form.is_trapped
    )
    if not is_last and (answer := _sent_before(form, page, shared)) is not None:
        return answer
    if not is_good or CHANGE in request.form:
        return _show_again(form, page, shared)
    signs = {name: patient_data.find(form[name].data or "") for name in kind.typed}
    found = list(dict.fromkeys(sign for those in signs.values() for sign in those))
    if found and not _has_seen():
        return _interrupt(form, next(name for name in signs if signs[name]), found)
    if not is_last:
        return _check(form, kind, shared, {CONFIRMED: "1"} | ({SEEN: "yes"} if found else {}))
    try:
        with transaction():
            sent = submissions.submit(kind, form.values(), **_circumstances(form, found), at=now())
            if sent.is_new:  # of many equal posts only the first counts
                web.throttle("request")
    except PortalError as error:
        web.keep(page, form, **shared())
        if not isinstance(error, Conflict):
            raise
        return _sent_before(form, page, shared) or web.page(page, form=form, **shared())
    return redirect(url_for(".receipt", token=sent.receipt), 303)


@bp.get(addresses.RECEIPT)
def receipt(token: str) -> ResponseReturnValue:
    """How one request stands, for whoever has its address; nothing a person typed is shown."""
    asked = submissions.get(token, at=now())
    stands = submissions.answered_for(asked) or asked  # what is joined is answered with the other
    status = stands.status
    if status not in PUBLIC_STATUS:  # of a newer version, after a roll-back
        status = Status.ANSWERED if stands.answered_at else Status.NEW
    response = web.page(
        "intake/receipt.html",
        asked=asked,
        stands=stands,
        may_write=submissions.is_of_the_same(asked, stands),
        is_untold=submissions.is_untold(asked, stands),
        progress=[{"key": words, "value": web.when(at)} for words, at in _progress(asked, stands)],
        code_path=addresses.RECEIPT_CODE.of(token=token),
        is_waiting=status not in (Status.ANSWERED, Status.CLOSED),
        is_past=receipts.is_past(stands, now()),
        is_staffed=accounts.is_staffed(),
        receipt_mail=lanes.became(asked.subject, "intake/received"),
        answer_mail=lanes.became(stands.subject, "intake/answer") if stands is asked else None,
        status_words=_status_words(asked, stands, status),
        kind_label=of(asked).label,
        links=catalogue.links(asked.items or ()),
        is_consultation=asked.kind == KindWord.CONSULTATION,
        answer_to=text.masked(asked.reply_email),
        address=f"{settings().BASE_URL}{receipts.path_of(token)}",
    )
    return web.private(response)


def _progress(asked: Asked, stands: Asked) -> list[tuple[str, datetime]]:
    found, is_untold = receipts.progress(asked, stands), submissions.is_untold(asked, stands)
    return [one for one in found if one[0] != "Answered"] if is_untold else found


def _status_words(asked: Asked, stands: Asked, status: str) -> str:
    if asked.status != Status.DUPLICATE:
        return PUBLIC_STATUS[Status(status)]
    together = PUBLIC_STATUS[Status.DUPLICATE]
    if not submissions.is_of_the_same(asked, stands):
        together = "Handled together with another request"
    return (
        together if submissions.is_untold(asked, stands) else f"{PUBLIC_STATUS[Status(status)]}. {together}"
    )


def _promise(kind: Kind) -> datetime | None:
    """When an answer is promised by; None where nobody is told of what comes in."""
    return submissions.promise(kind, org=settings().ORG, at=now()) if accounts.is_staffed() else None


def _circumstances(form: IntakeForm, found: Sequence[patient_data.Sign]) -> dict[str, Any]:
    """What the verb needs besides the answers."""
    return {
        "patient_data": [sign.value for sign in found],
        "form_token": form.form_token.data,
        "keys": settings().keys,
        "org": settings().ORG,
    }


def _show_again(form: IntakeForm, page: str, shared: Callable[..., dict[str, Any]]) -> Response:
    """The form with what was typed."""
    if form.errors:
        return web.framed(page, form, shared, status=422, is_failed=True)
    _put_focus(form)
    return web.page(page, form=form, **shared())


def _check(
    form: IntakeForm, kind: Kind, shared: Callable[[], dict[str, Any]], carried: dict[str, str]
) -> Response:
    """The answers as they will be sent."""
    form.has_trap = False
    given = form.carried(**carried) + _draw_slips(form) + controls.answers(_rows(form, kind), form="send")

    def around(mold: Mold) -> dict[str, Any]:
        return {**shared(), "answers": mold.hole(lambda _form, given: given)}

    return web.framed("intake/check.html", form, around, status=200, given=given)


def _sent_before(
    form: IntakeForm, page: str, shared: Callable[[], dict[str, Any]]
) -> ResponseReturnValue | None:
    """The answer to a form that was sent already: its receipt, or, with other words in it, a way to send those too.

    Neither needs fresh tokens, for nothing is stored; whoever holds the form token sent the form.
    """
    sent = form.form_token.raw_data or []
    first = submissions.find(sent[0]) if len(sent) == 1 else None
    if first is None:
        return None
    token = receipts.token_of(first, settings().keys)
    has_faults = any(field.errors for field in form.answers())
    if not has_faults and submissions.is_same(first, form.values()):
        return redirect(url_for(".receipt", token=token), 303)
    form.renew()
    path = receipts.path_of(token)
    return web.page(page, form=form, status=409, **{**shared(), "first_receipt": path})


def _interrupt(form: IntakeForm, field: str, found: Sequence[patient_data.Sign]) -> Response:
    """Stop once where a text seems to say who the patient is; names the signs and repeats nothing."""
    words = [patient_data.LABELS[sign] for sign in found]
    return web.page("intake/patient_data.html", form=form, status=422, found=words, field=field)


def _draw_slips(form: IntakeForm) -> Markup:
    """Addresses that look mistyped, each with what was probably meant and the name of its field."""
    slips = [
        {"typed": field.data, "meant": meant, "change": field.short_name}
        for field in form.answers()
        if isinstance(field, EmailField) and field.data and (meant := domains.suggestion(field.data))
    ]
    return Markup(render_template("intake/_slips.html", slips=slips) if slips else "")  # noqa: S704 - our own template


def _has_seen() -> bool:
    return request.form.get(SEEN) == "yes"


def _put_focus(form: IntakeForm) -> None:
    """Coming back to change one answer, a person finds the cursor in it."""
    names = {field.short_name: field for field in form.answers()}
    field = names.get(request.form.get(CHANGE, ""))
    if field is not None and not form.errors and not hasattr(field, "choices"):
        field.render_kw = {**(field.render_kw or {}), "autofocus": True}


def _rows(form: IntakeForm, kind: Kind) -> list[dict[str, str]]:
    """The answers in words, each with the name of the field that changes it; left out is what was never asked."""
    values, rows = form.values(), []
    for fact in kind.facts:
        if CHECK in fact.hidden or not fact.is_given(values):
            continue
        key = str(form[fact.field].label.text).removesuffix("?")
        rows.append({"key": key, "value": fact.in_words(values[fact.field]), "change": fact.field})
    return rows
