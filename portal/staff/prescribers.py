"""The card of one prescriber: what they asked, how sure we are of them, and what staff keep about them."""

from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import addresses, tokens, web
from portal.clock import now
from portal.db import transaction
from portal.desk import prescribers
from portal.desk.models import CardKind
from portal.desk.prescribers import Card
from portal.errors import Conflict
from portal.intake.reference import normalise
from portal.people.rights import Right
from portal.signin.gate import current, guarded, keeps_text
from portal.staff import provider, ways
from portal.staff.card_forms import FORMS
from portal.staff.forms import DeskForm
from portal.staff.lines import with_credential

bp = guarded("prescribers", Right.WORK)

PAGE = "staff/prescriber.html"
DONE = {
    CardKind.NOTE: "The note is on the card. Only staff see it.",
    CardKind.NO_CONTACT: "Marked. Every page about their requests says so.",
    CardKind.CONTACT: "The mark is gone.",
}


@bp.get(addresses.STAFF_PRESCRIBER)
def card(who: str) -> ResponseReturnValue:
    """One prescriber, under the NPI or, without one, the reference of a request."""
    found = prescribers.get(who)
    if found.key != who:
        return redirect(url_for(".card", who=found.key, **_way()), 303)
    return _page(found, done=DONE.get(CardKind(word), "") if (word := _done()) else "")


@bp.post(f"{addresses.STAFF_PRESCRIBER}/note")
@keeps_text
def note(who: str) -> ResponseReturnValue:
    """Write on the card."""
    return _write(who, CardKind.NOTE)


@bp.post(f"{addresses.STAFF_PRESCRIBER}/no-contact")
@keeps_text
def no_contact(who: str) -> ResponseReturnValue:
    """Mark that they want to hear nothing but answers."""
    return _write(who, CardKind.NO_CONTACT)


@bp.post(f"{addresses.STAFF_PRESCRIBER}/contact")
@keeps_text
def contact(who: str) -> ResponseReturnValue:
    """Take that mark away."""
    return _write(who, CardKind.CONTACT)


def _write(who: str, kind: CardKind) -> ResponseReturnValue:
    found = prescribers.get(who)
    forms = {word: make(prefix=word.value) for word, make in FORMS.items()}
    form = forms[kind]
    web.keep(PAGE, form, **_context(found, forms, ""))
    if form.validate():
        words = form.text.data or "" if "text" in form else ""
        token = form.form_token.data or tokens.new_token()
        given: dict[str, Any] = {
            "form_token": token,
            "version": form.version.data or 0,
            "by": current(),
            "at": now(),
        }
        try:
            with transaction():
                prescribers.write(found, kind, words, **given)
        except Conflict:
            form.renew()
            raise
        return redirect(url_for(".card", who=found.key, done=kind.value, **_way()), 303)
    return _page(found, forms=forms, form=form)


def _page(
    found: Card,
    *,
    forms: dict[CardKind, DeskForm] | None = None,
    form: DeskForm | None = None,
    done: str = "",
) -> ResponseReturnValue:
    if forms is None:
        forms = {word: make(prefix=word.value, formdata=None) for word, make in FORMS.items()}
    return web.private(web.page(PAGE, form=form, **_context(found, forms, done)))


def _context(found: Card, forms: dict[CardKind, DeskForm], done: str) -> dict[str, Any]:
    newest, way = found.newest, _way()
    registry = provider.Registry(newest, now()) if newest.npi else None
    for form in forms.values():
        form.version.of = found
    return {
        "card": found,
        "way": way,
        "came_from": way["of"] or newest.reference,
        "done": done,
        "forms": {word.value: form for word, form in forms.items()},
        "registry": registry,
        "trust": provider.trust(registry),
        "who": with_credential(newest),
        "facts": [
            ("NPI", newest.npi),
            ("Practice", _all(one.practice for one in found.requests)),
            ("Names", _all(with_credential(one) for one in found.requests)),
            ("Answers go to", _all(one.reply_email for one in found.requests)),
            ("Phone", _all(one.phone for one in found.requests)),
        ],
        "kin": [(prescribers.key_of(one), with_credential(one)) for one in found.kin],
    }


def _way() -> dict[str, Any]:
    """From which request and which list somebody came here, as addresses say it."""
    return {
        "of": normalise(request.args.get("of", "")),
        "list": ways.known(request.args.get("list", "")) or None,
    }


def _all(words: Any) -> str:
    """Each once, the newest first."""
    return "; ".join(dict.fromkeys(word for word in words if word))


def _done() -> str:
    word = request.args.get("done", "")
    return word if word in {kind.value for kind in CardKind} else ""
