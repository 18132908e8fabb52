"""What one is told by mail, and when: everybody chooses for themselves."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.errors import Refused
from portal.people import wishes
from portal.people.models import When
from portal.people.rights import Right
from portal.signin.gate import current, guarded, keeps_text
from portal.staff.forms import DeskForm, choices

bp = guarded("notices", Right.WORK)

PAGE = "staff/notices.html"
WHENS = {When.NOW: "At once", When.MORNING: "In one mail each morning", When.NEVER: "Not by mail"}
HOURS = [SelectChoice("", "–")] + [
    SelectChoice(str(hour), f"{hour % 12 or 12} {'am' if hour < 12 else 'pm'}") for hour in range(24)
]
HINTS = {
    "heard": "They added something, asked again or withdrew.",
    "due": "In two hours of ours, or on the last day where no hours are set.",
    "refused": "A mail to whoever asked did not arrive.",
    "handed_back": "Somebody who had it no longer may, or left.",
}


class NoticesForm(DeskForm):
    """One choice for each kind, and the hours in which nothing comes."""

    honeypot = None
    quiet_from = SelectField("Quiet from", choices=HOURS)
    quiet_to = SelectField("Quiet until", choices=HOURS)


for _kind, _label in wishes.KINDS.items():
    setattr(NoticesForm, _kind, SelectField(_label, choices=choices(WHENS)))


@bp.route(f"{addresses.STAFF_ACCOUNT}/notices", methods=["GET", "POST"])
@keeps_text
def notices() -> ResponseReturnValue:
    """See and change it."""
    user = current()
    wish = wishes.of(user.id)
    kept = {name: getattr(wish, name) for name in wishes.KINDS}
    quiet = {
        name: "" if getattr(wish, name) is None else str(getattr(wish, name))
        for name in ("quiet_from", "quiet_to")
    }
    form = NoticesForm(data=kept | quiet)
    if form.validate_on_submit():
        try:
            with transaction():
                wishes.save(
                    current(),
                    kinds={name: form[name].data for name in wishes.KINDS},
                    quiet_from=_hour(form.quiet_from.data),
                    quiet_to=_hour(form.quiet_to.data),
                    at=now(),
                )
        except Refused as refusal:
            form.refuse(refusal.field or "quiet_to", refusal.message)
        else:
            return redirect(url_for(".notices", saved=1), 303)
    done = "It is kept." if "saved" in request.args and request.method == "GET" else ""
    return web.private(web.page(PAGE, form=form, kinds=wishes.KINDS, hints=HINTS, done=done))


def _hour(chosen: str | None) -> int | None:
    return int(chosen) if chosen else None
