"""Every text at its address, and the gate before the prescribers' pages.

The texts are the same for every visitor, so their bytes are kept (`web.ready`); only the pages that carry a form's
tokens are made for each, and the views of the evidence that a query asks for. A text added while the portal runs is
served after its next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Response, current_app, g, make_response, redirect, request
from flask.sansio.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.errors import N_, NotFound, Unavailable
from portal.library import citations, pictures, plans
from portal.library.evidence import SCALES, SORTS, Condition
from portal.library.markdown import WORDS
from portal.library.pages import EVIDENCE, Library, Page
from portal.library.references import Reference
from portal.library.typography import typeset
from portal.print.guide import LEAFLETS, Guide
from portal.resource import downloads, sheets
from portal.resource.door import (
    GATE_ANSWER,
    GATE_COOKIE,
    GATED_ROOT,
    gated_address,
    is_professional,
    kept,
    private,
    show_gate,
    the_library,
)
from portal.resource.door import bp as bp
from portal.resource.forms import GateForm
from portal.settings import Settings, settings

GATE_SECONDS = 30 * 24 * 60 * 60
CITATIONS: dict[str, tuple[Callable[[Iterable[Reference]], str], str]] = {
    "ris": (citations.ris, "application/x-research-info-systems"),
    "bib": (citations.bibtex, "application/x-bibtex"),
    "json": (citations.csl, "application/vnd.citationstyles.csl+json"),
}
NOT_PRINTED = N_("This sheet is not ready. Try again in a minute.")
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
    whose = (config.INSTANCE_DIR / "cache", config.ORG, config.BASE_URL.rstrip("/"))
    state.app.extensions["guide"] = Guide(*whose)
    state.app.extensions["leaflets"] = {one.name: Guide(*whose, one) for one in LEAFLETS}


bp.record(_give_texts_their_addresses)
bp.record(_bring_the_guide)


def article(path: str) -> ResponseReturnValue:
    """One text; one for professionals shows the gate first."""
    text = the_library().pages[path]
    g.lang = text.language
    if not text.gated:
        return kept(_render(text))
    if request.method == "POST":
        return gate()
    if not is_professional():
        # Without an action a form goes to where it stands, and the browser keeps the #passage that was asked for.
        return show_gate(action=addresses.GATE if path == GATED_ROOT else None)
    if path == EVIDENCE and {"condition", "sort"} & request.args.keys():
        return private(_chosen_studies(text, request.args.get("condition"), request.args.get("sort", "")))
    if path == GATED_ROOT:
        guide = _guide()
        printed = guide.printed(the_library(), wait=0)
        facts = printed.facts if printed else "" if guide.fault else "PDF"
        response = _render(text, tools=True, guide=facts)
        return private(kept(response, gated=True) if printed else response)  # not kept before it has them
    return private(kept(_render(text), gated=True))


@bp.get(addresses.GUIDE)
def guide_pdf() -> ResponseReturnValue:
    """The chapters as one PDF."""
    if not is_professional():
        return show_gate()
    printed = _guide().printed(the_library(), wait=GUIDE_SECONDS)
    if printed is None:
        raise Unavailable("The guide is not ready. Read its chapters here, or try again in a minute.")
    return private(kept(_pdf(printed.body, "ldn-prescriber-guide.pdf"), gated=True))


@bp.get(addresses.LEAFLET, defaults={"name": "leaflet-en"})
@bp.get(addresses.LEAFLET.speaking("es"), defaults={"name": "leaflet-es"})
@bp.get(addresses.CARD, defaults={"name": "card-en"})
@bp.get(addresses.CARD.speaking("es"), defaults={"name": "card-es"})
def leaflet_pdf(name: str) -> ResponseReturnValue:
    """What patients print: the leaflet and the wallet card."""
    g.lang = name[-2:]
    leaflets: dict[str, Guide] = current_app.extensions["leaflets"]
    printed = leaflets[name].printed(the_library(), wait=GUIDE_SECONDS)
    if printed is None:
        raise Unavailable(NOT_PRINTED)
    return kept(_pdf(printed.body, f"ldn-{name}.pdf"))


@bp.get(addresses.EVIDENCE_JSON)
def evidence_json() -> ResponseReturnValue:
    """The evidence table as data."""
    if not is_professional():
        return show_gate(status=403)
    library = the_library()
    text = downloads.as_json(
        _chosen_conditions(),
        library.references,
        _circumstances(),
        address_of=f"{web.base_url()}{EVIDENCE}?condition=",
    )
    return private(kept(web.plain(text, "application/json"), gated=True))


@bp.get(addresses.PICTURE)
def picture(slug: str) -> ResponseReturnValue:
    """A picture of the evidence, in the colours of the light or of the dark."""
    if not is_professional():
        return show_gate(status=403)
    found = the_library().pictures.get(slug.removesuffix("-dark"))
    if found is None:
        raise NotFound("There is no such picture.")
    drawn = found.in_the_dark() if slug.endswith("-dark") else found.svg
    return private(kept(web.plain(drawn, "image/svg+xml"), gated=True))


@bp.get(addresses.CITATIONS)
def cited(slug: str) -> ResponseReturnValue:
    """The works for a reference manager: all, or one."""
    if not is_professional():
        return show_gate(status=403)
    works = the_library().references
    wanted = request.args.get("work")
    if slug not in CITATIONS or (wanted is not None and wanted not in works):
        raise NotFound("We do not list that work.")
    chosen = [works[wanted]] if wanted else sorted(works.values(), key=lambda work: work.id)
    write, media = CITATIONS[slug]
    response = web.plain(write(work for work in chosen if work.may_be_cited), media)
    response.headers["Content-Disposition"] = f'attachment; filename="{wanted or "ldn-references"}.{slug}"'
    return private(kept(response, gated=True))


@bp.get(addresses.EVIDENCE_CSV)
def evidence_csv() -> ResponseReturnValue:
    """The evidence table for a spreadsheet."""
    if not is_professional():
        return show_gate(status=403)
    text = downloads.as_csv(_chosen_conditions(), the_library().references, _circumstances())
    response = web.plain(text, "text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="ldn-evidence.csv"'
    return private(kept(response, gated=True))


@bp.post(addresses.GATE)
def gate() -> ResponseReturnValue:
    """Remember for 30 days that this visitor says they are a health professional."""
    form, chosen = GateForm(), sheets.choices_in(request.form)
    if not form.validate_on_submit():
        return web.page("resource/gate.html", form=form, action=addresses.GATE, chosen=chosen)
    if chosen:
        response = sheets.refilled(form.next.data or "", dict(chosen))
    else:
        response = make_response(redirect(gated_address(form.next.data or ""), 303))
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


def _pdf(body: bytes, name: str) -> Response:
    response = make_response(body)
    response.headers["Content-Type"] = "application/pdf"
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    return response


def _render(
    text: Page, *, query: str = "", sort: str = "", tools: bool = False, guide: str = "", **context: Any
) -> Response:
    library = the_library()
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
        sort=sort,
        sorts=SORTS,
        pictures=() if query or sort else tuple(library.pictures.values()),
        effects=[(one, pictures.words_of(one)) for one in pictures.effects(library.evidence)],
        scales=SCALES,
        conditions=[(one.id, typeset(one.name)[0]) for one in library.evidence],
        tools=tools,
        guide=guide,
        waits_for_pharmacist=library.waits_for_pharmacist(text),
        leaves=WORDS[text.language]["leaves"],
        base_url=web.base_url(),
        **context,
    )


def _chosen_studies(text: Page, condition: str | None, sort: str) -> Response:
    """The evidence of one condition, or in another order; one that is not listed gets a note and the whole table."""
    sort = sort if sort in SORTS else ""
    narrowed = the_library().evidence_on(condition, sort)
    if narrowed is None:
        heading, words = "We do not list that condition", "The table shows every condition we list."
        return _render(text, alert={"level": "info", "heading": heading, "text": words})
    return _render(narrowed, query=f"?condition={condition}" if condition else "", sort=sort)


def _chosen_conditions() -> tuple[Condition, ...]:
    """The conditions a request for data asks for; a program that asks for one we do not list gets 404."""
    library = the_library()
    if "condition" not in request.args:
        return library.evidence
    chosen = tuple(one for one in library.evidence if one.id == request.args["condition"])
    if not chosen:
        raise NotFound("We do not list that condition.")
    return chosen


def _circumstances() -> downloads.Circumstances:
    page = the_library().pages[EVIDENCE]
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


def _guide() -> Guide:
    guide: Guide = current_app.extensions["guide"]
    return guide
