"""The pages of signing in that are our own: the one-use link, and the secret of an authenticator app being set up."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from portal import web
from portal.clock import now
from portal.db import transaction
from portal.errors import Refused
from portal.people import service
from portal.signin import passwords
from portal.signin.forms import CodeForm, InviteForm

bp = Blueprint("accounts", __name__)


@bp.route("/staff/invite/<token>", methods=["GET", "POST"])
def invite(token: str) -> ResponseReturnValue:
    """What a one-use link opens; only the post spends it."""
    web.throttle("confirm")
    link = service.get_link(token, at=now())
    form = InviteForm(data={"name": link.name})
    form.address = link.email or ""
    if link.email is not None:
        del form.email
    web.keep("security/invite.html", form, link=link)
    if form.validate_on_submit():
        values = form.values()
        password_hash = passwords.hashed(values.pop("password"))
        try:
            with transaction():
                service.accept(token, password_hash=password_hash, at=now(), **values)
        except Refused as refusal:
            if refusal.field != "email" or link.email is not None:
                raise
            form.refuse("email", refusal.message)
        else:
            return redirect(url_for("security.login", done="welcome"), 303)
    return web.page("security/invite.html", form=form, link=link)


invite.keeps_text = True  # type: ignore[attr-defined]


@bp.get("/staff/tf-setup/app")
def authenticator() -> ResponseReturnValue:
    """The secret for the authenticator app, as picture and text, until its first code is right."""
    user = _setting_up()
    if user is None:
        return redirect(_start())
    form = CodeForm(formdata=None)
    form.user = user
    return secret_page(form)


@bp.get("/staff/tf-setup/app.svg")
def picture() -> ResponseReturnValue:
    """The secret as a QR code."""
    user = _setting_up()
    if user is None:
        return redirect(_start())
    totp = current_app.extensions["security"].totp_factory
    response = Response(totp.picture(user.email, session["tf_totp_secret"]), mimetype="image/svg+xml")
    return web.private(response)


def secret_page(form: CodeForm) -> Response:
    """The page of the secret, with the form that takes the first code."""
    totp, user = current_app.extensions["security"].totp_factory, form.user
    key = totp.get_totp_pretty_key(session["tf_totp_secret"])
    return web.page("security/authenticator.html", form=form, key=key, email=user.email if user else "")


def _start() -> str:
    return url_for("security.two_factor_setup" if "_user_id" in session else "security.login")


def _setting_up() -> Any:
    """Whoever is in the middle of setting up the app: signed in, or past the password."""
    if session.get("tf_state") != "validating_profile" or not session.get("tf_totp_secret"):
        return None
    uniquifier = session.get("_user_id") or session.get("tf_user_id")
    user = current_app.extensions["security"].datastore.find_user(fs_uniquifier=uniquifier)
    return user if user is not None and user.active else None


def after_sign_in() -> str:
    """Where to go once signed in: the page that was asked for, when it is one of the staff pages."""
    wanted = request.args.get("next", "")
    is_ours = wanted.startswith("/staff/") and "\\" not in wanted and wanted.isprintable()
    return wanted if is_ours and not wanted.startswith("/staff/log") else "/staff/requests"
