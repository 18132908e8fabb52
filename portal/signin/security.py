"""Signing in, by Flask-Security with its six holes closed, on the staff app alone.

Deny by default: whatever is not in PUBLIC answers only somebody who passed both factors in this session. The
library's posts run inside one transaction each, so what it writes, our audit row and our mail are kept together
or not at all. Its pages are ours, its redirects stay on our paths, and it never speaks JSON.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from flask import (
    Flask,
    Response,
    current_app,
    g,
    has_request_context,
    make_response,
    redirect,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_security import (
    MailUtil,
    Security,
    password_changed,
    tf_code_confirmed,
    tf_profile_changed,
    user_authenticated,
    user_failed_authn,
)
from flask_security.tf_plugin import tf_clean_session
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import NotFound, UnsupportedMediaType

from portal import audit, uploads, web
from portal.clock import now
from portal.db import db, transaction
from portal.errors import Unavailable
from portal.people import service
from portal.settings import Settings
from portal.signin import browsers, passwords, views
from portal.signin.factors import HashedRecoveryCodes, OnceTotp, OwnPasswords, totp_keys
from portal.signin.forms import (
    WRONG_CODE,
    WRONG_PASSWORD,
    WRONG_RECOVERY_CODE,
    CodeForm,
    NewPasswordForm,
    PasswordAgainForm,
    RecoveryForm,
    SetUpForm,
    SignInForm,
)
from portal.signin.members import Member, Members
from portal.signin.sessions import SAFE_METHODS, Sessions

HOME = "/staff/requests"
ACCOUNT = "/staff/account"

# All that answers somebody who is not, or only half, signed in.
PUBLIC = frozenset(
    {
        "accounts.authenticator",
        "accounts.invite",
        "accounts.picture",
        "security.login",
        "security.mf_recovery",
        "security.two_factor_setup",
        "security.two_factor_token_validation",
    }
)
# Routes of the library that we have no use for: there is one second factor, and no mail instead of it.
CLOSED = frozenset({"security.tf_select", "security.two_factor_rescue", "security.two_factor_setup_validate"})
# Posts that try a secret, by what is counted before it is looked at.
TRIES = {
    "security.change_password": "sign-in-account",
    "security.mf_recovery": "second-factor",
    "security.two_factor_token_validation": "second-factor",
    "security.verify": "sign-in-account",
}
MOST_TRIES = 5  # wrong codes after one password
FRESH_FOR = timedelta(minutes=10)

# Which of a page's forms is the one its errors belong to.
PAGE_FORMS = {
    "security/change_password.html": "change_password_form",
    "security/login_user.html": "login_user_form",
    "security/mf_recovery.html": "mf_recovery_form",
    "security/mf_recovery_codes.html": "mf_recovery_codes_form",
    "security/two_factor_setup.html": "two_factor_setup_form",
    "security/two_factor_verify_code.html": "two_factor_verify_code_form",
    "security/verify.html": "verify_form",
}

# What a page says first after `?done=…`; whatever else stands there says nothing.
DONE = {
    "authenticator": "Your new authenticator app is set up. Other places where you were signed in are signed out.",
    "password": "Your password is changed. Other places where you were signed in are signed out.",
    "session": "That session is ended.",
    "sessions": "All other sessions are ended.",
    "signed-out": "You are signed out.",
    "tries": "There were too many wrong codes. Sign in again.",
    "welcome": "Your password is set. Sign in with it; then you set up an authenticator app.",
}

csrf = CSRFProtect()


class OutboxMail(MailUtil):
    """The library's mails, as rows of our outbox in the transaction of what they tell about."""

    SENTENCES = {"password_changed": service.PASSWORD_CHANGED}

    def send_mail(
        self, template: str, subject: str, recipient: Any, sender: Any, body: Any, html: Any, **kwargs: Any
    ) -> None:
        """Queue the notice; a mail that we do not know, or outside a transaction, raises rather than being lost."""
        service.notify(kwargs["user"], self.SENTENCES[template], at=now())
        db.session.flush()


def set_up(app: Flask) -> None:
    """Make the app one that staff sign in to; call it before the staff's blueprints are registered."""
    app.config.update(pinned(app.extensions["settings"]))
    app.session_interface = Sessions()
    app.before_request(_refuse_what_is_no_form)
    app.before_request(_deny)
    csrf.init_app(app)
    app.before_request(_check_token)
    app.register_error_handler(CSRFError, _stale)
    security = Security(
        app,
        Members(),
        login_form=SignInForm,
        two_factor_verify_code_form=CodeForm,
        two_factor_setup_form=SetUpForm,
        mf_recovery_form=RecoveryForm,
        verify_form=PasswordAgainForm,
        change_password_form=NewPasswordForm,
        totp_cls=OnceTotp,
        mf_recovery_codes_util_cls=HashedRecoveryCodes,
        password_util_cls=OwnPasswords,
        mail_util_cls=OutboxMail,
        render_template=_page,
    )
    security.want_json(lambda _request: False)
    security.unauthn_handler(_unauthenticated)
    security.login_manager.request_loader(lambda _request: None)  # no tokens in headers
    for endpoint, view in list(app.view_functions.items()):
        if endpoint.startswith("security."):
            app.view_functions[endpoint] = _act(endpoint, view)
    user_authenticated.connect(_signed_in, app)
    user_failed_authn.connect(_failed, app)
    password_changed.connect(_password_changed, app)
    tf_code_confirmed.connect(_code_confirmed, app)
    tf_profile_changed.connect(_authenticator_changed, app)
    app.register_blueprint(views.bp)
    app.context_processor(_context)


def pinned(config: Settings) -> dict[str, Any]:
    """Every setting of Flask-Security that we rely on, pinned."""
    secure = config.is_secure
    ours: dict[str, Any] = {
        "URL_PREFIX": "/staff",
        "STATIC_FOLDER": None,
        "CLI_USERS_NAME": None,
        "CLI_ROLES_NAME": None,
        "FLASH_MESSAGES": False,
        "CACHE_CONTROL": None,  # every staff answer is no-store already
        "RETURN_GENERIC_RESPONSES": True,
        "API_ENABLED_METHODS": ["session"],
        "JOIN_USER_ROLES": False,
        "REGISTERABLE": False,
        "RECOVERABLE": False,  # a manager sends a one-use link: /reset tells by its time who has an account
        "CONFIRMABLE": False,
        "PASSWORDLESS": False,
        "UNIFIED_SIGNIN": False,
        "CHANGE_EMAIL": False,
        "OAUTH_ENABLE": False,
        "TRACKABLE": False,
        "WEBAUTHN": False,
        "CHANGEABLE": True,
        "PASSWORD_HASH": "argon2",
        "PASSWORD_SCHEMES": ["argon2"],
        "PASSWORD_SINGLE_HASH": ["argon2"],
        "PASSWORD_HASH_PASSLIB_OPTIONS": {
            "argon2__type": "ID",
            "argon2__memory_cost": passwords.MEMORY_KIB,
            "argon2__time_cost": passwords.ROUNDS,
            "argon2__parallelism": passwords.LANES,
        },
        "PASSWORD_LENGTH_MIN": passwords.LENGTH_MIN,
        "PASSWORD_NORMALIZE_FORM": None,
        "PASSWORD_CHECK_BREACHED": False,  # it would ask a foreign host
        "TWO_FACTOR": True,
        "TWO_FACTOR_REQUIRED": True,
        "TWO_FACTOR_ALWAYS_VALIDATE": True,
        "TWO_FACTOR_ENABLED_METHODS": ["authenticator"],
        "TWO_FACTOR_IMPLEMENTATIONS": {"code": "flask_security.twofactor.CodeTfPlugin"},
        "TWO_FACTOR_RESCUE_EMAIL": False,
        "TWO_FACTOR_AUTHENTICATOR_VALIDITY": 30,
        "TWO_FACTOR_POST_SETUP_VIEW": f"{ACCOUNT}?done=authenticator",
        "TOTP_SECRETS": totp_keys(config.keys),
        "TOTP_ISSUER": config.ORG.name,
        "MULTI_FACTOR_RECOVERY_CODES": True,
        "MULTI_FACTOR_RECOVERY_CODES_N": service.RECOVERY_CODES,
        "FRESHNESS": FRESH_FOR,
        "FRESHNESS_GRACE_PERIOD": timedelta(0),
        "LOGOUT_METHODS": ["POST"],
        "DEFAULT_REMEMBER_ME": False,
        "REDIRECT_ALLOW_SUBDOMAINS": False,
        "POST_LOGIN_VIEW": HOME,
        "POST_LOGOUT_VIEW": "/staff/login?done=signed-out",
        "POST_CHANGE_VIEW": f"{ACCOUNT}?done=password",
        "POST_VERIFY_VIEW": ACCOUNT,
        "EMAIL_HTML": False,
        "EMAIL_PLAINTEXT": False,  # our own templates render the mail
        "EMAIL_TEMPLATE_PASSWORD_CHANGE_NOTICE": "password_changed",
        "MSG_TWO_FACTOR_INVALID_TOKEN": (WRONG_CODE, "error"),
        "MSG_INVALID_RECOVERY_CODE": (WRONG_RECOVERY_CODE, "error"),
        "MSG_INVALID_PASSWORD": (WRONG_PASSWORD, "error"),
    }
    return {
        **{f"SECURITY_{name}": value for name, value in ours.items()},
        "SESSION_COOKIE_NAME": "__Host-staff" if secure else "staff",
        "SESSION_COOKIE_SECURE": secure,
        "SESSION_PROTECTION": None,  # an address that changes ends no session
        "WTF_CSRF_CHECK_DEFAULT": False,  # `_check_token` does, so that a form may keep what was typed
    }


def signed_in() -> Member | None:
    """Whoever passed both factors in this session, or None."""
    if getattr(session, "is_broken", False) or not current_user or not current_user.is_authenticated:
        return None
    user: Member = current_user._get_current_object()
    is_whole = g.get("fs_authn_via") == "session" and session.get("second_factor") == user.id
    return user if is_whole else None


def is_fresh() -> bool:
    """Whether the password was given in the last ten minutes (by the library's clock, which wrote it down)."""
    given_at: float = session.get("fs_paa", 0)
    return -60 < time.time() - given_at < FRESH_FOR.total_seconds()


# ---- Before a view


def _refuse_what_is_no_form() -> None:
    if getattr(session, "is_broken", False):
        raise Unavailable
    if request.method in SAFE_METHODS or uploads.declared() or not request.get_data(cache=True):
        return
    if request.mimetype != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType


def _deny() -> ResponseReturnValue | None:
    if request.endpoint in CLOSED:
        raise NotFound
    if request.endpoint in PUBLIC or signed_in() is not None:
        return None
    return _unauthenticated()


def _unauthenticated(*_args: Any, **_more: Any) -> Response:
    """To the sign-in page; what was being sent is shown, so that it is not lost with the session."""
    if request.method in ("GET", "HEAD"):
        wanted = request.full_path.rstrip("?")
        is_root = wanted.rstrip("/") == "/staff"
        return make_response(redirect(url_for("security.login", next=None if is_root else wanted)))
    return web.private(web.page("security/signed_out.html", status=401, typed=_typed()))


def _check_token() -> None:
    try:
        csrf.protect()
    except CSRFError:
        # A form of ours finds it out by itself, and shows the page again with a fresh token.
        view = current_app.view_functions.get(request.endpoint or "")
        if not getattr(view, "keeps_text", False):
            raise


def _stale(error: CSRFError) -> ResponseReturnValue:
    """The page's token was lost: nothing was done, and what was typed is still there."""
    if request.endpoint == "security.login" and signed_in() is None:
        form = SignInForm(formdata=None)
        form.email.data = request.form.get("email", "")
        alert = {"level": "warn", "heading": "Sign in again", "text": "This page was open a long time."}
        return web.page("security/login_user.html", form=form, status=400, alert=alert)
    return web.private(web.page("security/stale.html", status=400, typed=_typed()))


def _typed() -> list[tuple[str, str]]:
    """The words of a post, but for tokens and secrets."""
    hidden = ("csrf_token", "form_token", "password", "new_password", "code", "office_code", "version")
    found = []
    for name, value in request.form.items(multi=True):
        form, _, field = name.rpartition("-")  # `note-text` is the text of the form named note
        if value.strip() and field not in hidden:
            words = form if field == "text" else field
            found.append((words.replace("_", " ").capitalize(), value))
    return found


# ---- Around the library's views


def _act(endpoint: str, view: Callable[..., Any]) -> Callable[..., Any]:
    """One of the library's views: its post in one transaction, counted first, answered on our paths."""

    @wraps(view)
    def run(**values: Any) -> Response:
        if request.method in SAFE_METHODS:
            return _on_our_paths(make_response(view(**values)))
        if name := TRIES.get(endpoint):
            web.throttle(name, f"{endpoint}/{session.get('_user_id') or session.get('tf_user_id')}")
        was_setting_up = session.get("tf_state") == "validating_profile" and signed_in() is None
        try:
            response = _run(endpoint, view, values)
        except BaseException:
            session.undo()  # type: ignore[attr-defined]
            raise
        if endpoint == "security.login" and "tf_user_id" in session:
            session.pop("tries", None)
            session.needs_new_id = True  # type: ignore[attr-defined]
        if endpoint in ("security.two_factor_token_validation", "security.mf_recovery"):
            response = _second_factor(response, was_setting_up)
        return _on_our_paths(response)

    return run


def _run(endpoint: str, view: Callable[..., Any], values: dict[str, Any]) -> Response:
    if endpoint == "security.login":
        # It hashes first and writes after, in transactions of its own: no lock is held while a hash is made.
        return make_response(view(**values))
    with transaction():
        if endpoint == "security.logout" and (user := signed_in()):
            audit.record(user, "staff.signed_out", f"user:{user.id}", at=now())
        response = make_response(view(**values))
        if endpoint == "security.logout":
            response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response


def _second_factor(response: Response, was_setting_up: bool) -> Response:
    if user := g.get("just_signed_in"):
        response.headers["Location"] = (
            url_for("security.mf_recovery_codes") if was_setting_up else views.after_sign_in()
        )
        browsers.remember(response, user.email)
    elif response.status_code == 422 and signed_in() is None:
        session["tries"] = session.get("tries", 0) + 1
        if session["tries"] >= MOST_TRIES:
            tf_clean_session()  # type: ignore[no-untyped-call]
            return make_response(redirect(url_for("security.login", done="tries")))
    return response


def _on_our_paths(response: Response) -> Response:
    """A post that worked answers 303; nobody is sent anywhere but to a staff page."""
    if response.status_code not in (302, 303):
        return response
    if request.method not in SAFE_METHODS:
        response.status_code = 303
    path = response.headers["Location"].partition("?")[0]
    ask_code = url_for("security.two_factor_token_validation")
    if path == ask_code:
        wanted = views.after_sign_in()
        response.headers["Location"] = (
            ask_code if wanted == HOME else f"{ask_code}?{urlencode({'next': wanted})}"
        )
    elif not path.startswith("/staff/") or "//" in path:
        response.headers["Location"] = HOME
    return response


def _page(template: str, **context: Any) -> Any:
    """One of the library's pages, as one of ours."""
    form = context.get(PAGE_FORMS[template])
    if request.method in SAFE_METHODS and form is not None:
        for field in form:
            field.errors = []
    if template == "security/two_factor_setup.html" and context.get("chosen_method"):
        return redirect(url_for("accounts.authenticator"), 303)
    if template == "security/two_factor_verify_code.html" and session.get("tf_state") == "validating_profile":
        return views.secret_page(context["two_factor_verify_code_form"])
    if isinstance(form, SignInForm):
        form.say_again()
    if template == "security/mf_recovery_codes.html":
        context["left"] = service.recovery_codes_left(current_user)
    return web.page(template, form=form, **context)


def _context() -> dict[str, Any]:
    if not has_request_context():
        return {"staff_user": None}
    done = DONE.get(request.args.get("done", "")) if request.method == "GET" else None
    return {
        "staff_user": signed_in(),
        "alert": {"level": "ok", "heading": "", "text": done} if done else None,
    }


# ---- What the library tells


def _signed_in(app: Flask, user: Member, authn_via: list[str] | None = None, **_more: Any) -> None:
    if authn_via == ["change"]:
        return
    g.just_signed_in = user
    audit.record(user, "staff.signed_in", f"user:{user.id}", at=now())


def _failed(app: Flask, user: Member, auth_type: str = "", **_more: Any) -> None:
    audit.record(None, "staff.sign_in_failed", f"user:{user.id}", at=now(), detail=auth_type)


def _password_changed(app: Flask, user: Member, **_more: Any) -> None:
    audit.record(user, "staff.password_changed", f"user:{user.id}", at=now())
    service.end_other_sessions(user, session.row_id, at=now())  # type: ignore[attr-defined]


def _code_confirmed(app: Flask, user: Member, **_more: Any) -> None:
    """Signed in with a code; the first one is what sets the authenticator up."""
    if session.get("tf_state") == "validating_profile":
        audit.record(user, "staff.authenticator_set", f"user:{user.id}", at=now())


def _authenticator_changed(app: Flask, user: Member, **_more: Any) -> None:
    audit.record(user, "staff.authenticator_set", f"user:{user.id}", at=now())
    service.notify(user, service.AUTHENTICATOR_SET, at=now())
    service.end_other_sessions(user, session.row_id, at=now())  # type: ignore[attr-defined]
