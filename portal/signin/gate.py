"""The gate of the staff pages: who is signed in, and what only they may open.

Deny by default: whatever is not in PUBLIC answers only somebody who passed both factors in this session (a passkey is
both). A blueprint made by `guarded` says besides who may what, in one place for all its pages; whoever may not
gets the same 403 for what is there and what is not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from flask import Blueprint, Flask, current_app, has_request_context, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from werkzeug import Response
from werkzeug.exceptions import Forbidden, Unauthorized, UnsupportedMediaType

from portal import addresses, failures, uploads, web
from portal.clock import now
from portal.errors import NotFound, Unavailable
from portal.people.models import User
from portal.people.rights import Right
from portal.signin import sessions

HOME = addresses.STAFF_REQUESTS
ACCOUNT = addresses.STAFF_ACCOUNT
FRESH_FOR = timedelta(minutes=10)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

# All that answers somebody who is not, or only half, signed in.
PUBLIC = frozenset(
    f"signin.{name}"
    for name in (
        "ask_passkey",
        "authenticator",
        "code",
        "invite",
        "login",
        "passkey",
        "picture",
        "recovery",
        "setup",
    )
)

# What a page says first after `?done=…`; whatever else stands there says nothing.
DONE = {
    "authenticator": "Your new authenticator app is set up. Other places where you were signed in are signed out.",
    "passkey": "The passkey did not sign you in. Try again, or sign in with your password.",
    "passkey-added": "Your passkey is added. Other places where you were signed in are signed out.",
    "passkey-removed": "The passkey is removed. Other places where you were signed in are signed out.",
    "password": "Your password is changed. Other places where you were signed in are signed out.",
    "session": "That session is ended.",
    "sessions": "All other sessions are ended.",
    "signed-out": "You are signed out.",
    "tries": "There were too many wrong codes. Sign in again.",
    "welcome": "Your password is set. Sign in with it; then you set up an authenticator app.",
}

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

csrf = CSRFProtect()


def set_up(app: Flask) -> None:
    """Make the app one that staff sign in to; call it before its blueprints are registered."""
    app.config["WTF_CSRF_CHECK_DEFAULT"] = (
        False  # `_check_token` does, so that a form may keep what was typed
    )
    app.session_interface = sessions.Sessions()
    app.before_request(_refuse_what_is_no_form)
    app.before_request(_deny)
    csrf.init_app(app)
    app.before_request(_check_token)
    app.register_error_handler(CSRFError, _stale)
    app.register_error_handler(NotFound, _not_there)
    app.context_processor(_context)


def signed_in() -> User | None:
    """Whoever passed both factors in this session, or None."""
    session = sessions.this()
    return session.owner if session.is_whole else None


def half_signed_in() -> User | None:
    """Whoever gave the password in this session, and not the second factor yet; or None."""
    session = sessions.this()
    return None if session.is_whole else session.owner


def current() -> User:
    """Whoever is signed in: .id, .name, .roles, .email. Raises 401 when nobody is."""
    user = signed_in()
    if user is None:
        raise Unauthorized
    return user


def is_fresh() -> bool:
    """Whether the password was given in the last ten minutes."""
    given_at: float = sessions.this().get("password_at", 0)
    return -60 < now().timestamp() - given_at < FRESH_FOR.total_seconds()


def ask_password() -> Response | None:
    """Where to go first when what is asked for needs the password again; None when it was given just now."""
    if is_fresh():
        return None
    if request.method == "GET":
        return redirect(url_for("signin.verify", next=request.full_path.rstrip("?")))
    return redirect(url_for("signin.verify", next=request.path.rpartition("/")[0]), 303)


def guarded(name: str, right: Right, *, fresh: bool = False) -> Blueprint:
    """A blueprint for whoever has this right.

    With `fresh` its acts ask for the password again when it was given more than ten minutes ago; looking never does.
    """
    blueprint = Blueprint(name, "portal.staff")

    def guard() -> ResponseReturnValue | None:
        if not current().may(right):
            raise Forbidden
        return ask_password() if fresh and request.method not in SAFE_METHODS else None

    blueprint.before_request(guard)
    return blueprint


def keeps_text(view: View) -> View:
    """Mark a view whose post begins with a form that refuses a lost token itself, and keeps the words."""
    view.keeps_text = True  # type: ignore[attr-defined]
    return view


def rescues(keep: Callable[..., bool]) -> Callable[[View], View]:
    """Mark a view with what keeps the words of somebody whose session ended while they wrote.

    `keep` gets what the view gets and says whether it knew whose words they are; it trusts nothing but the post.
    """

    def mark(view: View) -> View:
        view.rescue = keep  # type: ignore[attr-defined]
        return view

    return mark


# ---- Before a view


def _refuse_what_is_no_form() -> None:
    if sessions.this().is_broken:
        raise Unavailable
    if request.method in SAFE_METHODS or uploads.declared() or not request.get_data(cache=True):
        return
    if request.mimetype != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType


def _deny() -> ResponseReturnValue | None:
    """To the sign-in page; what was being sent is shown, so that it is not lost with the session."""
    if request.endpoint in PUBLIC or signed_in() is not None:
        return None
    if request.method in ("GET", "HEAD"):
        wanted = request.full_path.rstrip("?")
        is_root = wanted.rstrip("/") == addresses.STAFF
        return redirect(url_for("signin.login", next=None if is_root else wanted))
    keep = getattr(current_app.view_functions.get(request.endpoint or ""), "rescue", None)
    kept = bool(keep and keep(**(request.view_args or {})))
    page = web.page("signin/signed_out.html", status=401, typed=_typed(), kept=kept, back=_page_of_post())
    return web.private(page)


def _page_of_post() -> str | None:
    """The page that a post came from, as far as its address says."""
    adapter = current_app.create_url_adapter(request)
    paths = (request.path, request.path.rpartition("/")[0])
    return next((path for path in paths if adapter and path and adapter.test(path, "GET")), None)


def _check_token() -> None:
    try:
        csrf.protect()
    except CSRFError:
        view = current_app.view_functions.get(request.endpoint or "")
        if not getattr(view, "keeps_text", False):
            raise


def _stale(error: CSRFError) -> ResponseReturnValue:
    """The page's token was lost: nothing was done, and what was typed is still there."""
    return web.private(web.page("signin/stale.html", status=400, typed=_typed()))


def _not_there(error: NotFound) -> ResponseReturnValue:
    """A record that is missing: to those who are signed in the same as a right that is missing."""
    return failures.refuse() if signed_in() else failures.told(error)


def _typed() -> list[tuple[str, str]]:
    """The words of a post, but for tokens and secrets."""
    hidden = (
        "csrf_token",
        "form_token",
        "password",
        "new_password",
        "code",
        "office_code",
        "credential",
        "version",
    )
    found = []
    for name, value in request.form.items(multi=True):
        form, _, field = name.rpartition("-")  # `note-text` is the text of the form named note
        if value.strip() and field not in hidden:
            words = form if field == "text" else field
            found.append((words.replace("_", " ").capitalize(), value))
    return found


def _context() -> dict[str, Any]:
    if not has_request_context():
        return {"staff_user": None}
    done = DONE.get(request.args.get("done", "")) if request.method == "GET" else None
    return {
        "staff_user": signed_in(),
        "alert": {"level": "ok", "heading": "", "text": done} if done else None,
    }
