"""The pages of prescribers' requests: ask a pharmacist, ask for materials, see how it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, Field

from portal import addresses, tokens, web
from portal.clock import now
from portal.db import transaction
from portal.intake import patient_data, receipts, submissions
from portal.intake.catalogue import CATALOGUE
from portal.intake.forms import ConsultationForm, IntakeForm, ResourceForm
from portal.intake.models import KIND_LABELS, PUBLIC_STATUS, ContactMethod, Kind, Status
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


@bp.route(addresses.CONSULTATION, methods=["GET", "POST"])
def consultation() -> ResponseReturnValue:
    """Ask a pharmacist: write, check the answers, send."""
    form = ConsultationForm()
    page = "intake/consultation.html"
    context = _context(Kind.CONSULTATION)
    web.keep(page, form, **context)
    if not form.is_submitted():
        return web.listed(web.page(page, form=form, **context))
    is_good = form.validate()
    if (answer := _sent_before(form, page, context)) is not None:
        return answer
    if not is_good or CHANGE in request.form:
        _put_focus(form)
        return web.page(page, form=form, **context)
    kinds = patient_data.find(form.question.data or "")
    if kinds and not _has_seen():
        return _interrupt(form, "question", kinds)
    if request.form.get(CONFIRMED) != "1":
        more = {CONFIRMED: "1"} | ({SEEN: "yes"} if kinds else {})
        return web.page("intake/check.html", form=form, more=more, rows=_rows(form), **context)
    with transaction():
        _throttle(form)
        _, token = submissions.submit_consultation(**form.values(), **_circumstances(form, kinds), at=now())
    return redirect(url_for(".receipt", token=token), 303)


@bp.route(addresses.MATERIALS, methods=["GET", "POST"])
def resources() -> ResponseReturnValue:
    """Ask for materials."""
    form = ResourceForm()
    page = "intake/resources.html"
    context = {**_context(Kind.RESOURCE), "hints": {item.slug: item.hint for item in CATALOGUE}}
    web.keep(page, form, **context)
    if not form.is_submitted():
        return web.listed(web.page(page, form=form, **context))
    is_good = form.validate()
    if (answer := _sent_before(form, page, context)) is not None:
        return answer
    if not is_good or CHANGE in request.form:
        _put_focus(form)
        return web.page(page, form=form, **context)
    kinds = patient_data.find(form.note.data or "")
    if kinds and not _has_seen():
        return _interrupt(form, "note", kinds)
    with transaction():
        _throttle(form)
        _, token = submissions.submit_resource(**form.values(), **_circumstances(form, kinds), at=now())
    return redirect(url_for(".receipt", token=token), 303)


@bp.get(addresses.RECEIPT)
def receipt(token: str) -> ResponseReturnValue:
    """How one request stands, for whoever has its address; nothing a person typed is shown."""
    asked = submissions.get(token, at=now())
    response = web.page(
        "intake/receipt.html",
        asked=asked,
        is_waiting=asked.is_open or asked.status in (Status.SPAM, Status.DUPLICATE),
        status_words=PUBLIC_STATUS[Status(asked.status)],
        kind_label=KIND_LABELS[Kind(asked.kind)],
        is_consultation=asked.kind == Kind.CONSULTATION,
        address=f"{settings().BASE_URL}{receipts.path_of(token)}",
    )
    return web.private(response)


def _context(kind: Kind) -> dict[str, Any]:
    """What every page on the way to a request shows: the promise, and an earlier receipt if there is one."""
    promised = submissions.promise(kind, org=settings().ORG, at=now())
    return {"promised": promised, "first_receipt": None}


def _circumstances(form: IntakeForm, kinds: Sequence[patient_data.Kind]) -> dict[str, Any]:
    """What the verb needs besides the answers."""
    return {
        "patient_data": [kind.value for kind in kinds],
        "form_token": form.form_token.data,
        "signals": form.signals,
        "keys": settings().keys,
        "org": settings().ORG,
    }


def _throttle(form: IntakeForm) -> None:
    """Count what is new. Inside the transaction, so that of many equal posts only the first counts."""
    if submissions.find(form.form_token.data or "") is None:
        web.throttle("request")


def _sent_before(form: IntakeForm, page: str, context: dict[str, Any]) -> ResponseReturnValue | None:
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
    form.form_token.data = tokens.stamp(settings().keys[0], form.token_purpose, at=now().timestamp())
    path = receipts.path_of(token)
    return web.page(page, form=form, status=409, **{**context, "first_receipt": path})


def _interrupt(form: IntakeForm, field: str, kinds: Sequence[patient_data.Kind]) -> Response:
    """Stop once where a text seems to say who the patient is; names the kinds and repeats nothing."""
    found = [patient_data.LABELS[kind] for kind in kinds]
    return web.page("intake/patient_data.html", form=form, status=422, found=found, field=field)


def _has_seen() -> bool:
    return request.form.get(SEEN) == "yes"


def _put_focus(form: IntakeForm) -> None:
    """Coming back to change one answer, a person finds the cursor in it."""
    names = {field.short_name: field for field in form.answers()}
    field = names.get(request.form.get(CHANGE, ""))
    if field is not None and not form.errors and not hasattr(field, "choices"):
        field.render_kw = {**(field.render_kw or {}), "autofocus": True}


def _rows(form: ConsultationForm) -> list[dict[str, str]]:
    """The answers in words, each with the name of the field that changes it; left out is what was never asked."""
    left_out: set[str] = set()
    if not form.on_behalf.data:
        left_out |= {"delegate_name", "delegate_email"}
    if form.contact_method.data != ContactMethod.PHONE:
        left_out |= {"contact_window", "leave_message"}
    return [
        {
            "key": str(field.label.text).removesuffix("?"),
            "value": _in_words(field),
            "change": field.short_name,
        }
        for field in form.answers()
        if field.short_name not in left_out or (field.data and field.data != field.default)
    ]


def _in_words(field: Field) -> str:
    if isinstance(field, BooleanField):
        return "Yes" if field.data else "No"
    if hasattr(field, "choices"):
        labels = {choice.value: choice.label for choice in field.choices}
        given = field.data if isinstance(field.data, list) else [field.data]
        return ", ".join(str(labels[value]) for value in given if value)
    return field.data or ""
