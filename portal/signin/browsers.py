"""Browsers somebody signed in with before, so that guessing at an account cannot lock its owner out.

Tries are counted for each account, from wherever they come. A browser that signed in to it carries a signed mark,
and its tries are counted apart. The mark opens nothing: password and code are asked all the same.
"""

from __future__ import annotations

import secrets

from flask import request
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug import Response

from portal import tokens
from portal.settings import settings

LIFETIME_SECONDS = 90 * 24 * 60 * 60


def known(email: str) -> str | None:
    """This browser's mark when it signed in to the account before: the key under which its tries are counted."""
    account = tokens.digest(email)
    try:
        owner, mark = _signer().loads(request.cookies.get(_name(), ""), max_age=LIFETIME_SECONDS)
    except (BadData, ValueError, TypeError):
        return None
    return f"{account}/{mark}" if owner == account else None


def remember(response: Response, email: str) -> None:
    """Mark this browser as one that signed in to the account."""
    response.set_cookie(
        _name(),
        str(_signer().dumps([tokens.digest(email), secrets.token_hex(8)])),
        max_age=LIFETIME_SECONDS,
        path="/",
        secure=settings().is_secure,
        httponly=True,
        samesite="Lax",
    )


def _name() -> str:
    return "__Host-known" if settings().is_secure else "known"


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings().signing_keys, salt="staff-known-browser")
