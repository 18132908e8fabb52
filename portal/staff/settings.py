"""Settings: what a manager changes without a deploy, and every version of it."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import addresses, office, web
from portal.clock import now
from portal.db import transaction
from portal.errors import Refused
from portal.intake.catalogue import LABELS as MATERIAL_LABELS
from portal.intake.kinds import KINDS
from portal.intake.models import TOPIC_LABELS
from portal.people.rights import Right
from portal.signin.gate import current, guarded, keeps_text
from portal.staff.setting_forms import PutBackForm, SettingsForm

bp = guarded("settings", Right.SETTINGS)

PAGE, VERSIONS = "staff/settings.html", "staff/setting_versions.html"
DONE = {
    "back": "That version holds again, on every page within a second.",
    "same": "Nothing was saved: all is as it was.",
    "saved": "Saved. Every page shows it within a second.",
}


@bp.route(addresses.STAFF_SETTINGS, methods=["GET", "POST"])
@keeps_text
def edit() -> ResponseReturnValue:
    """What holds, to change."""
    last = office.newest()
    held = office.now_held(office.laid_over(office.of_the_environment(), last.values if last else {}))
    form = SettingsForm(held)
    form.version.of = office.Seen(last.id if last else 0)
    done = DONE.get(request.args.get("done", ""), "") if request.method == "GET" else ""
    shown: dict[str, Any] = {"last": last, "from_where": _from_where(last), "done": done}
    web.keep(PAGE, form, **shown)
    if form.validate_on_submit():
        try:
            with transaction():
                made = office.save(form.typed(), seen=form.version.data or 0, by=current(), at=now())
        except Refused as refusal:
            form.refuse_value(refusal.field or office.HOURS, refusal.message)
        else:
            office.keep_up(at_once=True)
            return redirect(url_for(".edit", done="saved" if made else "same"), 303)
    return web.page(PAGE, form=form, **shown)


@bp.get(f"{addresses.STAFF_SETTINGS}/versions")
def versions() -> ResponseReturnValue:
    """Each as it was saved, the newest first."""
    return web.page(VERSIONS, form=None, **_versions())


@bp.post(f"{addresses.STAFF_SETTINGS}/versions/<int:number>/put-back")
@keeps_text
def put_back(number: int) -> ResponseReturnValue:
    """Let an earlier one hold again; 0 is what the machine's own settings say."""
    if number:
        office.get(number)
    form, shown = PutBackForm(), _versions()
    web.keep(VERSIONS, form, **shown)
    if not form.validate_on_submit():
        return web.page(VERSIONS, form=form, **shown)
    with transaction():
        office.put_back(number, seen=form.version.data or 0, by=current(), at=now())
    office.keep_up(at_once=True)
    return redirect(url_for(".edit", done="back"), 303)


def _from_where(last: office.OfficeVersion | None) -> dict[str, str]:
    """Under each field: whether a manager saved it, or where its first value stands."""
    saved = last.values if last else {}
    return {
        name: "Saved by a manager"
        if name in saved
        else f"Not saved yet: from {office.FROM[name]} in the machine’s settings"
        if name in office.FROM
        else "Not saved yet: as the portal comes"
        for name in office.NAMES
    }


def _versions() -> dict[str, Any]:
    found = office.versions()
    form = PutBackForm(formdata=None)
    form.version.of = office.Seen(found[0].id if found else 0)
    return {"versions": [(one, _in_words(one.values)) for one in found], "back": form}


def _in_words(values: office.Values) -> list[tuple[str, str]]:
    """What one version says, as its reader would."""
    words = [(office.LABELS[name], values[name] or "none") for name in office.FROM if name in values]
    if office.ANSWER_DAYS in values:
        days = values[office.ANSWER_DAYS].items()
        said = "; ".join(f"{kind.label}: {_days(count)}" for word, count in days if (kind := KINDS.get(word)))
        words.append((office.LABELS[office.ANSWER_DAYS], said))
    for name, labels in ((office.MATERIALS, MATERIAL_LABELS), (office.TOPICS, TOPIC_LABELS)):
        if name in values:
            off = [str(label) for word, label in labels.items() if word in values[name]]
            said = f"all but {', '.join(off)}" if off else "all"
            words.append((office.LABELS[name], said))
    return words


def _days(count: int) -> str:
    return f"{count} business day{'' if count == 1 else 's'}"
