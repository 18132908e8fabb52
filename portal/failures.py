"""What went wrong, as a page: the only map from an error to a status code.

A failed POST shows the page it came from again, with every typed value (`web.keep` says which that is); if that fails
too, plain words that stand on nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from portal import addresses, uploads
from portal.db import db, is_storage_fault
from portal.errors import Conflict, Expired, Forbidden, NotFound, PortalError, Refused, TooMany, Unavailable
from portal.guard import BadText, ForeignOrigin, UnsupportedForm
from portal.web import private

log = logging.getLogger(__name__)

WORDED = (BadText, UnsupportedForm, ForeignOrigin, uploads.WrongFiles)

STATUS = {
    NotFound: 404,
    Forbidden: 403,
    Refused: 422,
    Conflict: 409,
    Expired: 410,
    Unavailable: 503,
    TooMany: 429,
}


RETRY_AFTER_SECONDS = 30


# What a page says when it is shown again; an error page words itself (`errors/page.html`).
NOTICES = {
    403: (_l("You may not do this"), _l("Nothing was changed.")),
    409: (_l("Somebody else was first"), _l("Look at the page again before you go on.")),
    422: (_l("There is a problem"), _l("Check what you entered and send it again.")),
    429: (_l("Try again in a little while"), _l("There were many requests from your connection.")),
    503: (
        _l("We could not save that"),
        _l("Nothing was saved. Your answers are still here. Try again in a minute."),
    ),
}


def set_up(app: Flask) -> None:
    """Let an app answer every failure with a page in words."""
    app.register_error_handler(PortalError, told)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(DBAPIError, _storage_error)
    app.register_error_handler(Exception, _unexpected)


def last_resort(app: WSGIApplication, headers: Mapping[str, str]) -> WSGIApplication:
    """The same layers, with plain words for an error that one of them lets through: no trace, no bare answer."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return app(environ, start_response)
        except Exception:
            log.exception("an error outside the pages")
            kept = [
                *headers.items(),
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Cache-Control", "no-store"),
            ]
            start_response("500 Internal Server Error", kept)
            return [b"This did not work, and we have noted it. Try again in a minute.\n"]

    return answer


def refuse() -> Response:
    """What is not there and what is not allowed read the same, so that nobody learns which it is."""
    return _failed(403, "")


def told(error: PortalError) -> Response:
    """The page of an error that has words for a person."""
    status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    message = gettext(error.message) if error.message else ""  # nothing stands for the catalogue's own header
    return _failed(status, message, retry_after=getattr(error, "retry_after", None))


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:  # a redirect raised by the router
        return make_response(error.get_response())
    words = str(error.description) if isinstance(error, WORDED) else ""
    if status == 413 and (upload := uploads.declared()):
        words = upload.too_large
    response = _failed(status, words)
    if status == 405 and (allowed := getattr(error, "valid_methods", None)):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _storage_error(error: DBAPIError) -> Response:
    if is_storage_fault(error):
        log.error(
            "storage fault", extra={"reason": type(error.orig).__name__, "request": g.get("request_id")}
        )
        return _failed(503, "")
    return _unexpected(error)


def _unexpected(error: Exception) -> Response:
    log.exception("unexpected error", extra={"request": g.get("request_id", "")})
    return _failed(500, "")


def _failed(status: int, message: str, *, retry_after: int | None = None) -> Response:
    """The page that failed with its typed values, or an error page, or, if even that fails, plain words."""
    try:
        db.session.rollback()
    except Exception:
        log.warning("roll-back failed", extra={"request": g.get("request_id", "")})
    try:
        response = _failed_page(status, message)
    except Exception:
        log.exception("the error page failed", extra={"request": g.get("request_id", "")})
        template = current_app.jinja_env.get_template("errors/standalone.html")
        response = make_response(template.render(), status)
    if status == 503 and retry_after is None:
        retry_after = RETRY_AFTER_SECONDS
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return private(response)


def _failed_page(status: int, message: str) -> Response:
    if request.path.startswith(addresses.API):
        return make_response({"error": message or HTTP_STATUS_CODES.get(status, "Error")}, status)
    kept = g.pop("kept", None)
    if kept is not None and status in NOTICES:
        template, form, context = kept
        heading, words = NOTICES[status]
        alert = {"level": "danger", "heading": heading, "text": message or words}
        return make_response(render_template(template, form=form, **{**context, "alert": alert}), status)
    reference = g.get("request_id", "") if status >= 500 else ""
    return make_response(
        render_template("errors/page.html", status=status, message=message, reference=reference), status
    )
