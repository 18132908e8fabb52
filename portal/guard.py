"""What no page of ours sends is refused before a view reads it: odd addresses, foreign origins, other bodies."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from flask import current_app, request
from flask_babel import lazy_gettext as _l
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, SecurityError

from portal import text, uploads
from portal.errors import NotFound
from portal.settings import Settings, settings

MAX_FIELDS = 100


class BadText(HTTPException):
    """The bytes are no text."""

    code = 400
    description = _l("The form's text could not be read. Go back and send it again.")


class UnsupportedForm(HTTPException):
    """No form of ours sends files."""

    code = 415
    description = _l("This page takes a form's text, and no files.")


class ForeignOrigin(HTTPException):
    """Another site made the browser send this."""

    code = 403
    description = _l("This form was sent from another site. Open it here and send it again.")


def refuse_odd_address() -> None:
    """Raise for a Host that is not ours, and NotFound for a NUL, which no address of ours holds."""
    if isinstance(request.routing_exception, SecurityError):
        raise request.routing_exception  # a Host that is not ours: no view can make an address for it
    asked = request.environ.get("QUERY_STRING", "")
    if "%00" in asked or any("\0" in str(part) for part in (asked, *(request.view_args or {}).values())):
        raise NotFound  # no address of ours holds one, and PostgreSQL takes it in no text


def refuse_foreign_origin() -> None:
    """The second guard against forged posts, beside the token (OWASP CSRF: verifying origin)."""
    origin = request.headers.get("Origin", "")
    is_foreign = origin not in ("", "null") and not is_own_origin(settings(), origin, request.host)
    is_cross_site = request.headers.get("Sec-Fetch-Site") == "cross-site"
    if (is_foreign or is_cross_site) and not _takes_foreign_posts():
        raise ForeignOrigin


def refuse_odd_body() -> None:
    """Raise for a body that is no form of ours: another type, no text, too much of it."""
    if request.content_length is None and not uploads.declared():
        _refuse_endless()
    if request.mimetype == "application/x-www-form-urlencoded":
        body = request.get_data(cache=True)
        if not text.is_utf8_form(body):
            raise BadText
        if body.count(b"&") >= MAX_FIELDS:
            raise RequestEntityTooLarge
    elif upload := uploads.declared():
        upload.admit(request)
    elif request.mimetype == uploads.MULTIPART and _takes_foreign_posts():
        pass  # a mail program may send its one-click as multipart (RFC 8058, 3.2)
    elif request.mimetype and not (request.is_json and _takes_foreign_posts()):
        raise UnsupportedForm


def _refuse_endless() -> None:
    """A body of unknown length that is over the limit is cut by Werkzeug 3.1, which says so at the next byte only."""
    if request.environ.get("wsgi.input_terminated"):
        request.get_data(cache=True)
        request.stream.read(1)


def is_own_origin(config: Settings, origin: str, host: str) -> bool:
    """Whether a page of ours sent it: scheme, host and port (RFC 6454, 5). While developing, also by another name."""
    sent = origin_of(origin)
    known = [origin_of(config.BASE_URL)] + ([] if config.is_production else [origin_of(f"http://{host}")])
    return sent is not None and sent in known


@lru_cache(maxsize=1024)
def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an address; None for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _takes_foreign_posts() -> bool:
    """RFC 8058 posts and the JSON sign-up come from elsewhere by design."""
    return request.endpoint in current_app.extensions.get("foreign_posts", ())
