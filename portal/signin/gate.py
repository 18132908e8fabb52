"""The gate of the staff pages: a blueprint made here answers only those who are signed in and have the role.

The staff app as a whole refuses already whatever is not public (`accounts.security`); this says who may what, in one
place for each blueprint. A role that may not gets the same 403 for what is there and what is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, Unauthorized

from portal.people.models import ROLES
from portal.signin import security
from portal.signin.members import Member

PUBLIC_STAFF = security.PUBLIC

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])


def guarded(name: str, *roles: str, fresh: bool = False) -> Blueprint:
    """A blueprint for these roles, or for all staff when none is named.

    With `fresh` its pages ask for the password again when it was given more than ten minutes ago.
    """
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise ValueError(f"there is no role {', '.join(sorted(unknown))}")
    blueprint = Blueprint(name, "portal.staff")

    def guard() -> ResponseReturnValue | None:
        user = current()
        if roles and user.role not in roles:
            raise Forbidden
        if fresh and not security.is_fresh():
            if request.method == "GET":
                return redirect(url_for("security.verify", next=request.full_path.rstrip("?")))
            return redirect(url_for("security.verify", next=request.path.rpartition("/")[0]), 303)
        return None

    blueprint.before_request(guard)
    return blueprint


def current() -> Member:
    """Whoever is signed in: .id, .name, .role, .email. Raises 401 when nobody is."""
    user = security.signed_in()
    if user is None:
        raise Unauthorized
    return user


def keeps_text(view: View) -> View:
    """Mark a view whose post begins with a `BaseForm`: the form refuses a lost token itself, and keeps the words."""
    view.keeps_text = True  # type: ignore[attr-defined]
    return view
