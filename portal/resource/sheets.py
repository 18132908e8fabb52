"""What is printed on a sheet of its own: the one-page summary, the dose plan, the text of a prescription."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import flask_babel
from flask import Response, g, request
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.clock import now
from portal.library import plans, prescriptions, sheet
from portal.library.markdown import WORDS
from portal.resource.door import bp, is_professional, kept, private, show_gate, the_library
from portal.resource.forms import OWN, PlanForm, PrescriptionForm
from portal.settings import settings

PATIENTS_IN_SPANISH = addresses.PATIENTS.speaking("es")  # who signs it has read the plan's Spanish too


@bp.get(addresses.SUMMARY)
def summary() -> ResponseReturnValue:
    """The chapters' main passages, on one sheet when it is printed."""
    if not is_professional():
        return show_gate()
    library = the_library()
    chapters = {section.address.partition("#")[0] for section in library.sheet}
    response = web.page(
        "resource/summary.html",
        sections=library.sheet,
        works=[library.references[key] for key in sheet.KEY_REFERENCES],
        articles=[library.pages[path] for path in sorted(chapters)],
        leaves=WORDS["en"]["leaves"],
        base_url=web.base_url(),
    )
    return private(kept(response, gated=True))


@bp.route(addresses.DOSE_PLAN, methods=["GET", "POST"])
def dose_plan() -> ResponseReturnValue:
    """Choose a documented schedule; the answer is the patient's page, and nothing of it is kept."""
    library = the_library()
    if not is_professional():  # also whose cookie was lost while they were choosing
        status = 403 if request.method == "POST" else 200
        return show_gate(status=status, chosen=PlanForm.choices_in(request.form))
    form = PlanForm(library.schedules, _today())
    web.keep("resource/dose_plan.html", form, **_plan_context())
    if not form.validate_on_submit():
        return _choose_plan(form)
    chosen = next(one for one in library.schedules if one.id == form.schedule.data)
    g.lang = form.language.data
    flask_babel.refresh()  # the form has spoken English so far
    lines = plans.work_out(chosen, form.start_on)
    return web.private(web.page("resource/plan.html", lines=lines, start_on=form.start_on))


@bp.route(addresses.PRESCRIPTION, methods=["GET", "POST"])
def prescription() -> ResponseReturnValue:
    """Choose steps, a form and a length; the answer is text to copy, and nothing of it is kept."""
    if not is_professional():
        status = 403 if request.method == "POST" else 200
        return show_gate(status=status, chosen=PrescriptionForm.choices_in(request.form))
    form = PrescriptionForm(the_library().schedules)
    web.keep("resource/prescription.html", form, **_prescription_context())
    if form.validate_on_submit():
        return web.private(_choose_prescription(form))
    return _choose_prescription(form)


def choices_in(sent: Mapping[str, str]) -> list[tuple[str, str]]:
    """What was chosen on either page, as the gate carried it."""
    return list(dict.fromkeys((*PlanForm.choices_in(sent), *PrescriptionForm.choices_in(sent))))


def refilled(address: str, chosen: dict[str, str]) -> Response:
    """The page at `address` with a form as it was left."""
    schedules = the_library().schedules
    if address == addresses.PRESCRIPTION:
        return _choose_prescription(PrescriptionForm.refilled(schedules, chosen))
    return _choose_plan(PlanForm.refilled(schedules, _today(), chosen))


def _choose_prescription(form: PrescriptionForm) -> Response:
    return web.page("resource/prescription.html", form=form, **_prescription_context())


def _prescription_context() -> dict[str, Any]:
    library = the_library()
    return {
        "article": library.pages[addresses.COMPOUNDING],
        "sources": {one.id: _source_words(one) for one in library.schedules} | {OWN: prescriptions.limits()},
    }


def _choose_plan(form: PlanForm) -> Response:
    return web.page("resource/dose_plan.html", form=form, **_plan_context())


def _plan_context() -> dict[str, Any]:
    library = the_library()
    return {
        "article": library.pages[addresses.DOSING],
        "spanish": library.pages.get(PATIENTS_IN_SPANISH),
        "sources": {one.id: _source_words(one) for one in library.schedules},
    }


def _today() -> date:
    return now().astimezone(settings().ORG.timezone).date()


def _source_words(schedule: plans.Schedule) -> str:
    works = the_library().references
    cited = "; ".join(works[key].brief for key in schedule.sources)
    return f"{plans.LEVELS[schedule.level]}. {schedule.note}" + (f" Source: {cited}" if cited else "")
