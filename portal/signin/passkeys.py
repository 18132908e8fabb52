"""Signing in with a passkey, and looking after one's own.

A challenge stands in the session's row and is used once: its answer ends the row, or gives the session a new one. The
pages are forms like all others; the script between them asks the authenticator (`static/passkey.js`).
"""

from __future__ import annotations

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug import Response

from portal import audit, web
from portal.clock import now
from portal.db import transaction
from portal.people import passkeys
from portal.people.models import User
from portal.signin import ceremony, gate, own, sessions
from portal.signin.forms import CredentialForm, PasskeyForm
from portal.signin.views import after_sign_in, enter, go_on_alone

NOT_ADDED = "The passkey was not added. Try again, or use another device"

bp = own.bp  # one blueprint: its addresses and templates bear one name
bp.add_app_template_global(ceremony.is_possible, "passkeys_work")


@bp.post("/staff/login/passkey/ask")
def ask_passkey() -> ResponseReturnValue:
    """Somebody wants to sign in with a passkey: make what it is to sign."""
    if gate.signed_in():
        return redirect(after_sign_in(), 303)
    web.throttle("sign-in")
    with transaction():
        cookie = sessions.begin_passkey(ceremony.new_challenge(), at=now(), lasts=ceremony.LASTS)
    return sessions.answer(redirect(url_for(".passkey", next=request.args.get("next")), 303), cookie)


@bp.route("/staff/login/passkey", methods=["GET", "POST"])
def passkey() -> ResponseReturnValue:
    """What the browser is asked, and its answer: whoever signed is signed in, for the device asked who holds it."""
    if gate.signed_in():
        return redirect(after_sign_in(), 303)
    challenge, form = sessions.this().get("challenge"), CredentialForm()
    if challenge is None:
        return redirect(url_for(".login", next=request.args.get("next")), 303)
    if not form.validate_on_submit():
        return web.page("signin/passkey.html", form=form, options=ceremony.to_sign_in(challenge))
    answer = form.credential.data or ""
    known, count = passkeys.find(ceremony.credential_id(answer)), None
    if known is not None:
        count = ceremony.signed(answer, challenge, user_id=known.user_id, public_key=known.public_key)
    with transaction():
        user = None if known is None or count is None else passkeys.use(known, count, at=now())
        if user is not None and known is not None:
            return enter(user, after_sign_in(), key=known.session_key)
        return _missed(
            f"user:{known.user_id}" if known else "user:unknown",
            "passkey" if count is None else "passkey count",
        )


@bp.route("/staff/account/passkey", methods=["GET", "POST"])
def new_passkey() -> ResponseReturnValue:
    """A name for one more, before it is made."""
    if first := gate.ask_password():
        return first
    user, form = gate.current(), PasskeyForm()
    web.keep("signin/passkey_new.html", form)
    if form.validate_on_submit():
        passkeys.need_room(user)
        until = (now() + ceremony.LASTS).timestamp()
        asked = {"challenge": ceremony.new_challenge(), "name": form.name.data, "until": until}
        with transaction():
            sessions.put(adding=asked, at=now())
        return redirect(url_for(".add_passkey"), 303)
    return web.page("signin/passkey_new.html", form=form)


@bp.route("/staff/account/passkey/add", methods=["GET", "POST"])
def add_passkey() -> ResponseReturnValue:
    """What the browser is asked to make, and what it made; every other session and sign-in of theirs ends."""
    user, asked, at = gate.current(), sessions.this().get("adding"), now()
    if asked is None or asked["until"] < at.timestamp():
        return redirect(url_for(".new_passkey"), 303)
    form = CredentialForm()
    if not form.validate_on_submit():
        options = ceremony.to_add(user, passkeys.of(user), asked["challenge"])
        return web.page("signin/passkey_add.html", form=form, options=options, name=asked["name"])
    made = ceremony.added(form.credential.data or "", asked["challenge"])
    again = PasskeyForm(formdata=None, data={"name": asked["name"]})
    if made is None:
        with transaction():
            sessions.put(adding=None, at=at)
        again.name.errors = [NOT_ADDED]
        return web.page("signin/passkey_new.html", form=again)
    web.keep("signin/passkey_new.html", again)
    with transaction():
        passkeys.add(user, name=asked["name"], at=at, **vars(made))
        return _changed(user, "passkey-added")


@bp.post("/staff/account/remove-passkey-<int:passkey_id>")
def remove_passkey(passkey_id: int) -> ResponseReturnValue:
    """Let one of one's own go; every other session and sign-in of theirs ends. One that is gone is no fault."""
    if first := gate.ask_password():
        return first
    user = gate.current()
    with transaction():
        if passkeys.remove(user, passkey_id, at=now()):
            return _changed(user, "passkey-removed")
    return redirect(gate.ACCOUNT, 303)


def _changed(user: User, done: str) -> Response:
    """In the transaction: other sessions end, and this one, its challenge gone, goes on under a new id."""
    return sessions.answer(redirect(f"{gate.ACCOUNT}?done={done}", 303), go_on_alone(user, at=now()))


def _missed(subject: str, what: str) -> Response:
    """In the transaction: the challenge is spent, and the trail says why nobody was signed in."""
    audit.record(None, "staff.sign_in_failed", subject, at=now(), detail=what)
    sessions.end()
    return sessions.answer(redirect(url_for(".login", done="passkey"), 303), None)
