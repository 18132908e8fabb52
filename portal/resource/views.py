"""Every text at its address, and the gate before the prescribers' pages.

The texts are the same for every visitor, so their bytes are kept (`web.ready`); only the pages that carry a form's
tokens are made for each, and the views of the evidence that a query asks for. A text added while the portal runs is
served after its next start.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask_babel
from flask import Blueprint, Response, current_app, g, make_response, redirect, request
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.clock import now
from portal.errors import NotFound, Unavailable
from portal.library import plans, sheet
from portal.library.evidence import Condition
from portal.library.markdown import WORDS
from portal.library.pages import EVIDENCE, Library, Page
from portal.print.guide import Guide
from portal.resource import downloads
from portal.resource.forms import GateForm, PlanForm
from portal.settings import Settings, settings

bp = Blueprint("resource", __name__)

GATE_COOKIE = "professional"
GATE_ANSWER = "yes"
GATE_SECONDS = 30 * 24 * 60 * 60
GATED_ROOT = addresses.PRESCRIBERS
PATIENTS_IN_SPANISH = addresses.PATIENTS.speaking("es")  # who signs it has read the plan's Spanish too
GUIDE_SECONDS = 30.0  # who asks for the guide waits for it


bp.add_app_template_filter(plans.weekday, "weekday")


def _give_texts_their_addresses(state: BlueprintSetupState) -> None:
    """One rule for each text: a catch-all would swallow the other rooms' 404s."""
    library: Library = state.app.extensions["library"]
    for path in library.pages:
        methods = ["GET", "POST"] if library.pages[path].gated else ["GET"]  # the gate stands at its address
        state.add_url_rule(
            path, endpoint="article", view_func=article, defaults={"path": path}, methods=methods
        )


def _bring_the_guide(state: BlueprintSetupState) -> None:
    config: Settings = state.app.extensions["settings"]
    state.app.extensions["guide"] = Guide(
        config.INSTANCE_DIR / "cache", config.ORG, config.BASE_URL.rstrip("/")
    )


bp.record(_give_texts_their_addresses)
bp.record(_bring_the_guide)


def article(path: str) -> ResponseReturnValue:
    """One text; one for professionals shows the gate first."""
    text = _library().pages[path]
    g.lang = text.language
    if not text.gated:
        return _kept(_render(text))
    if request.method == "POST":
        return gate()
    if not _is_professional():
        # Without an action a form goes to where it stands, and the browser keeps the #passage that was asked for.
        return _show_gate(action=addresses.GATE if path == GATED_ROOT else None)
    if path == EVIDENCE and "condition" in request.args:
        return _private(_one_condition(text, request.args["condition"]))
    if path == GATED_ROOT:
        guide = _guide()
        printed = guide.printed(_library(), wait=0)
        facts = printed.facts if printed else "" if guide.fault else "PDF"
        response = _render(text, tools=True, guide=facts)
        return _private(_kept(response, gated=True) if printed else response)  # not kept before it has them
    return _private(_kept(_render(text), gated=True))


@bp.get(addresses.GUIDE)
def guide_pdf() -> ResponseReturnValue:
    """The chapters as one PDF."""
    if not _is_professional():
        return _show_gate()
    printed = _guide().printed(_library(), wait=GUIDE_SECONDS)
    if printed is None:
        raise Unavailable("The guide is not ready. Read its chapters here, or try again in a minute.")
    response = make_response(printed.body)
    response.headers["Content-Type"] = "application/pdf"
    response.headers["Content-Disposition"] = 'inline; filename="ldn-prescriber-guide.pdf"'
    return _private(_kept(response, gated=True))


@bp.get(addresses.EVIDENCE_JSON)
def evidence_json() -> ResponseReturnValue:
    """The evidence table as data."""
    if not _is_professional():
        return _show_gate(status=403)
    library = _library()
    text = downloads.as_json(
        _chosen_conditions(),
        library.references,
        _circumstances(),
        address_of=f"{web.base_url()}{EVIDENCE}?condition=",
    )
    return _private(_kept(web.plain(text, "application/json"), gated=True))


@bp.get(addresses.EVIDENCE_CSV)
def evidence_csv() -> ResponseReturnValue:
    """The evidence table for a spreadsheet."""
    if not _is_professional():
        return _show_gate(status=403)
    text = downloads.as_csv(_chosen_conditions(), _library().references, _circumstances())
    response = web.plain(text, "text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="ldn-evidence.csv"'
    return _private(_kept(response, gated=True))


@bp.get(addresses.SUMMARY)
def summary() -> ResponseReturnValue:
    """The chapters' main passages, on one sheet when it is printed."""
    if not _is_professional():
        return _show_gate()
    library = _library()
    chapters = {section.address.partition("#")[0] for section in library.sheet}
    response = web.page(
        "resource/summary.html",
        sections=library.sheet,
        works=[library.references[key] for key in sheet.KEY_REFERENCES],
        articles=[library.pages[path] for path in sorted(chapters)],
        leaves=WORDS["en"]["leaves"],
        base_url=web.base_url(),
    )
    return _private(_kept(response, gated=True))


@bp.route(addresses.DOSE_PLAN, methods=["GET", "POST"])
def dose_plan() -> ResponseReturnValue:
    """Choose a documented schedule; the answer is the patient's page, and nothing of it is kept."""
    library = _library()
    if not _is_professional():  # also whose cookie was lost while they were choosing
        status = 403 if request.method == "POST" else 200
        return _show_gate(status=status, chosen=PlanForm.choices_in(request.form))
    form = PlanForm(library.schedules, _today())
    web.keep("resource/dose_plan.html", form, **_plan_context())
    if not form.validate_on_submit():
        return _choose_plan(form)
    chosen = next(one for one in library.schedules if one.id == form.schedule.data)
    g.lang = form.language.data
    flask_babel.refresh()  # the form has spoken English so far
    lines = plans.work_out(chosen, form.start_on)
    return web.private(web.page("resource/plan.html", lines=lines, start_on=form.start_on))


@bp.post(addresses.GATE)
def gate() -> ResponseReturnValue:
    """Remember for 30 days that this visitor says they are a health professional."""
    form, chosen = GateForm(), PlanForm.choices_in(request.form)
    if not form.validate_on_submit():
        return web.page("resource/gate.html", form=form, action=addresses.GATE, chosen=chosen)
    if chosen:
        response = _choose_plan(PlanForm.refilled(_library().schedules, _today(), dict(chosen)))
    else:
        response = make_response(redirect(_gated_address(form.next.data or ""), 303))
    response.set_cookie(
        GATE_COOKIE,
        GATE_ANSWER,
        max_age=GATE_SECONDS,
        path=GATED_ROOT,
        secure=settings().is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def _choose_plan(form: PlanForm) -> Response:
    return web.page("resource/dose_plan.html", form=form, **_plan_context())


def _plan_context() -> dict[str, Any]:
    library = _library()
    return {
        "article": library.pages[addresses.DOSING],
        "spanish": library.pages.get(PATIENTS_IN_SPANISH),
        "sources": {one.id: _source_words(one) for one in library.schedules},
    }


def _today() -> date:
    return now().astimezone(settings().ORG.timezone).date()


def _render(text: Page, *, query: str = "", tools: bool = False, guide: str = "", **context: Any) -> Response:
    library = _library()
    is_chapter = text.section == "prescribers"
    before, after = library.neighbours(library.pages[text.path]) if is_chapter else (None, None)
    return web.page(
        "resource/article.html",
        article=text,
        chapters=library.chapters("prescribers") if is_chapter else (),
        before=before,
        after=after,
        evidence=text.path == EVIDENCE,
        query=query,
        tools=tools,
        guide=guide,
        waits_for_pharmacist=library.waits_for_pharmacist(text),
        leaves=WORDS[text.language]["leaves"],
        base_url=web.base_url(),
        **context,
    )


def _one_condition(text: Page, condition: str) -> Response:
    """The evidence of one condition; a condition that is not listed gets a note and the whole table."""
    narrowed = _library().evidence_on(condition)
    if narrowed is None:
        heading, words = "We do not list that condition", "The table shows every condition we list."
        return _render(text, alert={"level": "info", "heading": heading, "text": words})
    return _render(narrowed, query=f"?condition={condition}")


def _chosen_conditions() -> tuple[Condition, ...]:
    """The conditions a request for data asks for; a program that asks for one we do not list gets 404."""
    library = _library()
    if "condition" not in request.args:
        return library.evidence
    chosen = tuple(one for one in library.evidence if one.id == request.args["condition"])
    if not chosen:
        raise NotFound("We do not list that condition.")
    return chosen


def _circumstances() -> downloads.Circumstances:
    page = _library().pages[EVIDENCE]
    if page.review == "signed" and page.reviewed_on:
        review = f"Reviewed {page.reviewed_on.isoformat()} by {page.reviewer}."
    else:
        review = "Draft. Not yet signed by the pharmacist-in-charge."
    return downloads.Circumstances(
        title=page.title,
        publisher=settings().ORG.name,
        address=f"{web.base_url()}{EVIDENCE}",
        changed_on=page.updated_on.isoformat(),
        review=review,
    )


def _source_words(schedule: plans.Schedule) -> str:
    works = _library().references
    cited = "; ".join(works[key].brief for key in schedule.sources)
    return f"{plans.LEVELS[schedule.level]}. {schedule.note}" + (f" Source: {cited}" if cited else "")


def _show_gate(
    *, status: int = 200, action: str | None = addresses.GATE, chosen: Sequence[tuple[str, str]] = ()
) -> Response:
    """The gate, which leads on to the address that was asked for; without an `action`, to the passage of it too."""
    asked = f"{request.path}?{request.query_string.decode('ascii', 'replace')}".rstrip("?")
    form = GateForm(formdata=None, next=_gated_address(asked))
    return web.page("resource/gate.html", form=form, status=status, action=action, chosen=chosen)


def _gated_address(asked: str) -> str:
    """The address to go on to after the gate: one of ours behind it, with a condition we list, or its front page."""
    try:
        parts = urlsplit(asked)
    except ValueError:
        return GATED_ROOT
    known = {rule.rule for rule in current_app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    is_gated = parts.path == GATED_ROOT or parts.path.startswith(f"{GATED_ROOT}/")
    if parts.scheme or parts.netloc or not is_gated or parts.path not in known:
        return GATED_ROOT
    condition = parse_qs(parts.query).get("condition", [""])[0]
    is_listed = any(one.id == condition for one in _library().evidence)
    return f"{parts.path}?condition={condition}" if is_listed else parts.path


def _kept(response: Response, *, gated: bool = False) -> Response:
    """Keep the bytes of what every visitor gets; an address with a query is asked too rarely for that."""
    return response if request.query_string else web.ready(response, gated=gated)


def _private(response: Response) -> Response:
    """No shared cache keeps what stands behind the gate, and no robot lists it."""
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Robots-Tag"] = "noindex"
    if "X-Ready" not in response.headers:  # kept bytes say it themselves
        response.vary.add("Cookie")
    return response


def _library() -> Library:
    library: Library = current_app.extensions["library"]
    return library


def _guide() -> Guide:
    guide: Guide = current_app.extensions["guide"]
    return guide


def _is_professional() -> bool:
    return not settings().PROFESSIONAL_GATE or request.cookies.get(GATE_COOKIE) == GATE_ANSWER
