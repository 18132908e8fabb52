"""The way in and out: a one-use link, password, second factor, and the button that ends it.

A view reads who it is about, counts the try, works out whether what was typed is right, and only then opens the one
transaction for what is written. No transaction is open while a password is hashed or a page is rendered.
"""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug import Response

from portal import addresses, audit, tokens, web
from portal.clock import now
from portal.db import db, transaction
from portal.errors import Refused
from portal.people import accounts, credentials, invitations
from portal.people.models import User
from portal.signin import browsers, codes, gate, passwords, sessions
from portal.signin.forms import (
    NO_MATCH,
    WRONG_CODE,
    WRONG_RECOVERY_CODE,
    CodeForm,
    InviteForm,
    RecoveryForm,
    SignInForm,
)

MOST_TRIES = 5  # wrong codes after one password
OPEN_LONG = {"level": "warn", "heading": "Sign in again", "text": "This page was open a long time."}

bp = Blueprint("signin", __name__)


@bp.route(addresses.STAFF_INVITE, methods=["GET", "POST"])
@gate.keeps_text
def invite(token: str) -> ResponseReturnValue:
    """What a one-use link opens; only the post spends it."""
    web.throttle("confirm")
    link = invitations.get_link(token, at=now())
    form = InviteForm(data={"name": link.name})
    form.address = link.email or ""
    if link.email is not None:
        del form.email
    web.keep("signin/invite.html", form, link=link)
    if form.validate_on_submit():
        values = form.values()
        password_hash = hashed(values.pop("password"))
        try:
            with transaction():
                invitations.accept(token, password_hash=password_hash, at=now(), **values)
        except Refused as refusal:
            if refusal.field != "email" or link.email is not None:
                raise
            form.refuse("email", refusal.message)
        else:
            return redirect(url_for(".login", done="welcome"), 303)
    return web.page("signin/invite.html", form=form, link=link)


@bp.route(addresses.STAFF_LOGIN, methods=["GET", "POST"])
@gate.keeps_text
def login() -> ResponseReturnValue:
    """Address and password, the first of two steps.

    An unknown address, a wrong password and a disabled account get the same answer after the same work.
    """
    if gate.signed_in():
        return redirect(after_sign_in(), 303)
    form = SignInForm()
    web.keep("signin/login.html", form)
    if form.validate_on_submit():
        email, password = accounts.normal_email(form.email.data or ""), form.password.data or ""
        _count(email)
        if response := _first_step(accounts.find_by_email(email), password):
            return response
        form.form_errors.append(NO_MATCH)
    elif "csrf_token" in form.errors:
        form = SignInForm(formdata=None, data={"email": form.email.data})
        return web.page("signin/login.html", form=form, status=400, alert=OPEN_LONG)
    return web.page("signin/login.html", form=form)


@bp.route("/staff/tf-validate", methods=["GET", "POST"])
def code() -> ResponseReturnValue:
    """The second step: what the authenticator app shows."""
    user = gate.half_signed_in()
    if user is None or user.totp_secret is None:
        return redirect(_step_of(user), 303)
    form = CodeForm()
    web.keep("signin/code.html", form)
    if form.validate_on_submit():
        count_second_factor(user)
        found = codes.match(user.totp_secret, form.code.data or "", after=user.totp_counter, at=now())
        with transaction():
            if found and credentials.burn(user, found.step, sealed=found.sealed):
                response: Response | None = enter(user, after_sign_in())
            else:
                response = miss(user, "code")
        if response:
            return response
        form.code.errors = [WRONG_CODE]
    return web.page("signin/code.html", form=form)


@bp.route("/staff/mf-recovery", methods=["GET", "POST"])
def recovery() -> ResponseReturnValue:
    """The second step without the app: one of the codes that were shown once."""
    user = gate.half_signed_in()
    if user is None or user.totp_secret is None:
        return redirect(_step_of(user), 303)
    form = RecoveryForm()
    web.keep("signin/recovery.html", form)
    if form.validate_on_submit():
        count_second_factor(user)
        with transaction():
            if credentials.spend_recovery_code(user, form.code.data or "", at=now()):
                response: Response | None = enter(user, after_sign_in())
            else:
                response = miss(user, "recovery code")
        if response:
            return response
        form.code.errors = [WRONG_RECOVERY_CODE]
    return web.page("signin/recovery.html", form=form)


@bp.post("/staff/logout")
def logout() -> ResponseReturnValue:
    """End this session, and let the browser forget what it kept of our pages."""
    user = gate.current()
    with transaction():
        audit.record(user, "staff.signed_out", user.subject, at=now())
        sessions.end()
    response = sessions.answer(redirect(url_for(".login", done="signed-out"), 303), None)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


# ---- Steps


def after_sign_in(otherwise: str = gate.HOME) -> str:
    """Where to go once signed in: the page that was asked for, when it is one of the staff pages."""
    wanted = request.args.get("next", "")
    is_ours = addresses.is_staff(wanted) and "\\" not in wanted and wanted.isprintable()
    return wanted if is_ours and not wanted.startswith("/staff/log") else otherwise


def is_password(user: User | None, password: str) -> bool:
    """Whether this is their password; takes as long when there is nobody to have one."""
    kept = user.password if user else None
    db.session.rollback()  # whoever waits for a turn to hash holds no connection
    return passwords.matches(kept, password)


def hashed(password: str) -> str:
    """The hash to keep of a new password, made while no connection is held."""
    db.session.rollback()
    return passwords.hashed(password)


def count_second_factor(user: User) -> None:
    """Count a try at one way to prove it is them; raises TooMany."""
    web.throttle("second-factor", f"{request.endpoint}/{user.id}")


def enter(user: User, place: str, *, key: str | None = None) -> Response:
    """In the transaction that used up their second factor: they are signed in, and go to that place.

    `key` is the session key that stood beside their passkey, when it was one.
    """
    at = now()
    audit.record(user, "staff.signed_in", user.subject, at=at, detail="passkey" if key else "")
    response = sessions.answer(redirect(place, 303), sessions.complete(user, at=at, key=key))
    browsers.remember(response, user.email)
    return response


def go_on_alone(user: User, *, at: datetime, **changes: object) -> str:
    """In the transaction: all their other sessions and sign-ins end, and this one goes on under a new id."""
    key = credentials.end_all_but(user, sessions.this().row_id, at=at)
    return sessions.renew(at=at, key=key, **changes)


def miss(user: User, what: str) -> Response | None:
    """Note a wrong code; the last that one password allows ends the sign-in, and leads back to its beginning."""
    if sessions.this().is_whole:
        return None
    at, tries = now(), sessions.this().get("tries", 0) + 1
    audit.record(None, "staff.sign_in_failed", user.subject, at=at, detail=what)
    if tries < MOST_TRIES:
        sessions.put(tries=tries, at=at)
        return None
    sessions.end()
    return sessions.answer(redirect(url_for("signin.login", done="tries"), 303), None)


def _count(email: str) -> None:
    """Count a try at this account, before the password is looked at; raises TooMany."""
    if mark := browsers.known(email):
        web.throttle("sign-in-account", mark)
    else:
        web.throttle("sign-in")
        web.throttle("sign-in-account", tokens.digest(email))


def _first_step(user: User | None, password: str) -> Response | None:
    """On to the second step when this is their password; else note the failure."""
    # The password and the key that stood beside it: when one of them changes meanwhile, the other opens nothing.
    kept, key = (user.password or "", user.session_key) if user else ("", "")
    if not is_password(user, password) or user is None or not user.active:
        with transaction():
            subject = user.subject if user else "user:unknown"
            audit.record(None, "staff.sign_in_failed", subject, at=now(), detail="password")
        return None
    renewed = hashed(password) if passwords.is_outdated(kept) else None
    with transaction():
        if renewed:
            credentials.keep_password_hash(user, kept, renewed)
        cookie = sessions.begin(user.id, key, at=now())
    return sessions.answer(redirect(_step_of(user), 303), cookie)


def _step_of(user: User | None) -> str:
    """The step of signing in that somebody is at who gave their password; of a stranger, the first."""
    wanted = after_sign_in()
    later = None if wanted == gate.HOME else wanted
    if user is None:
        return url_for("signin.login", next=later)
    return url_for("signin.code" if user.totp_secret else "signin.setup", next=later)
