"""How somebody looks after what they sign in with: password, authenticator app, recovery codes.

The app is set up on the way in, the first time, or by somebody who is signed in already and has another.
"""

from __future__ import annotations

from typing import Any

from flask import Response, redirect, url_for
from flask.typing import ResponseReturnValue
from werkzeug import Response as AnyResponse

from portal import audit, web
from portal.clock import now
from portal.db import transaction
from portal.people import credentials
from portal.people.models import User
from portal.signin import codes, gate, sessions, views
from portal.signin.forms import (
    WRONG_CODE,
    WRONG_PASSWORD,
    ButtonForm,
    CodeForm,
    NewPasswordForm,
    PasswordAgainForm,
)
from portal.signin.views import (
    after_sign_in,
    count_second_factor,
    enter,
    go_on_alone,
    hashed,
    is_password,
    miss,
)

bp = views.bp  # one blueprint: its addresses and templates bear one name


@bp.route("/staff/verify", methods=["GET", "POST"])
def verify() -> ResponseReturnValue:
    """The password once more, before something that needs it."""
    user, form = gate.current(), PasswordAgainForm()
    web.keep("signin/verify.html", form)
    if form.validate_on_submit():
        _count_password(user)
        if is_password(user, form.password.data or ""):
            at = now()
            with transaction():
                cookie = sessions.renew(password_at=at.timestamp(), at=at)
            return sessions.answer(redirect(after_sign_in(gate.ACCOUNT), 303), cookie)
        _refuse_password(user, form)
    return web.page("signin/verify.html", form=form)


@bp.route("/staff/change", methods=["GET", "POST"])
def change_password() -> ResponseReturnValue:
    """A new password; every other session and sign-in of theirs ends."""
    user, form = gate.current(), NewPasswordForm()
    form.about = (user.name, user.email)
    web.keep("signin/change_password.html", form)
    if form.validate_on_submit():
        _count_password(user)
        earlier = user.password or ""
        if is_password(user, form.password.data or ""):
            password_hash, at = hashed(form.new_password.data or ""), now()
            with transaction():
                credentials.change_password(user, earlier=earlier, password_hash=password_hash, at=at)
                cookie = go_on_alone(user, password_at=at.timestamp(), at=at)
            return sessions.answer(redirect(f"{gate.ACCOUNT}?done=password", 303), cookie)
        _refuse_password(user, form)
    return web.page("signin/change_password.html", form=form)


@bp.route("/staff/tf-setup", methods=["GET", "POST"])
def setup() -> ResponseReturnValue:
    """Begin to set up an app: make its secret."""
    if gate.signed_in():
        if first := gate.ask_password():
            return first
    elif (user := gate.half_signed_in()) is None or user.totp_secret is not None:
        return redirect(url_for(".code" if user else ".login"), 303)
    form = ButtonForm()
    if form.validate_on_submit():
        with transaction():
            sessions.put(secret=codes.new_secret(), at=now())
        return redirect(url_for(".authenticator"), 303)
    return web.page("signin/setup.html", form=form)


@bp.route("/staff/tf-setup/app", methods=["GET", "POST"])
def authenticator() -> ResponseReturnValue:
    """The secret for the app, as picture and text, until its first code is right."""
    user, secret = _setting_up()
    if user is None:
        return redirect(url_for(".setup" if sessions.this().owner else ".login"), 303)
    form = CodeForm()
    shown: dict[str, Any] = {
        "key": codes.key(secret),
        "email": user.email,
        "link": codes.link(secret, user.email),
    }
    web.keep("signin/authenticator.html", form, **shown)
    if form.validate_on_submit():
        count_second_factor(user)
        found = codes.match(secret, form.code.data or "", after=None, at=now())
        with transaction():
            response = _set_up(user, secret, found) if found else miss(user, "code")
        if response:
            return response
        form.code.errors = [WRONG_CODE]
    return web.page("signin/authenticator.html", form=form, **shown)


@bp.get("/staff/tf-setup/app.svg")
def picture() -> ResponseReturnValue:
    """The secret as a QR code."""
    user, secret = _setting_up()
    if user is None:
        return redirect(url_for(".setup" if sessions.this().owner else ".login"))
    return web.private(Response(codes.picture(secret, user.email), mimetype="image/svg+xml"))


@bp.route("/staff/mf-recovery-codes", methods=["GET", "POST"])
def recovery_codes() -> ResponseReturnValue:
    """Recovery codes: made by a post, and shown in its answer, this once."""
    if first := gate.ask_password():
        return first
    user, form, made = gate.current(), ButtonForm(), []
    if form.validate_on_submit():
        with transaction():
            made = credentials.make_recovery_codes(user, at=now())
    left = credentials.recovery_codes_left(user)
    return web.page("signin/recovery_codes.html", form=form, recovery_codes=made, left=left)


def _setting_up() -> tuple[User | None, str]:
    """Whoever is in the middle of setting up an app, signed in or past the password, and its secret."""
    session = sessions.this()
    secret = session.get("secret", "")
    return (session.owner if secret else None), secret


def _set_up(user: User, secret: str, found: codes.Match) -> AnyResponse:
    at, is_first = now(), not sessions.this().is_whole
    key = sessions.this()["key"]
    credentials.set_authenticator(user, key=key, secret=secret, step=found.step, is_first=is_first, at=at)
    if is_first:
        return enter(user, url_for(".recovery_codes"))
    return sessions.answer(redirect(f"{gate.ACCOUNT}?done=authenticator", 303), go_on_alone(user, at=at))


def _count_password(user: User) -> None:
    web.throttle("sign-in-account", f"again/{user.id}")


def _refuse_password(user: User, form: PasswordAgainForm | NewPasswordForm) -> None:
    with transaction():
        audit.record(None, "staff.sign_in_failed", user.subject, at=now(), detail="password")
    form.password.errors = [WRONG_PASSWORD]
