"""Sign up from another site's own page, in JSON: any origin, no cookie, always the same bytes (docs/api.md)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, g, make_response, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnsupportedMediaType

from portal import addresses, text, tokens
from portal.clock import now
from portal.forms import QUICKEST_PERSON
from portal.newsletter import consent, entry
from portal.newsletter.forms import SignupForm
from portal.newsletter.models import Source
from portal.settings import settings
from portal.throttle import block_of

bp = Blueprint("newsletter_api", __name__)

MAX_BYTES = 4096
CONSENT_MAX = 2000


@bp.route(addresses.SIGN_UP_API, methods=["OPTIONS"])
def preflight() -> ResponseReturnValue:
    """What a browser asks before it lets another site's page send JSON (Fetch standard, CORS-preflight)."""
    response = make_response("", 204)
    response.headers["Access-Control-Allow-Methods"] = "POST"
    response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    response.headers["Access-Control-Max-Age"] = "86400"
    return response


@bp.after_request
def _let_other_sites_read(response: Response) -> Response:
    """In success and in failure: no cookie is taken here, so there is nothing to guard."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = "Retry-After"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@bp.post(addresses.SIGN_UP_API)
def sign_up() -> ResponseReturnValue:
    """One sign-up; a robot's trap that was filled is said to be so, like any other fault."""
    request.max_content_length = MAX_BYTES
    request.get_data()
    if not request.is_json:
        raise UnsupportedMediaType
    g.lang = "en"
    try:
        fields, shown = _fields(request.get_json(silent=True))
    except RecursionError:
        return _invalid({}, detail="send a JSON object that is not nested so deep")
    except ValueError as fault:
        return _invalid({}, detail=str(fault))
    form = SignupForm(formdata=fields, meta={"csrf": False}, words=consent.current(g.lang))
    if not form.validate():
        return _invalid({name: [str(fault) for fault in found] for name, found in form.errors.items()})
    if form.is_trapped:
        return _invalid({SignupForm.TRAP: ["This field is for robots. Leave it empty and send again."]})
    entry.accept(
        **form.values(),
        words=consent.shown_elsewhere(shown, form.language.data),
        source=Source.API,
        page=request.path,
        network=block_of(request.remote_addr or ""),
        form_token=str(form.form_token.data),
        throttle=current_app.extensions["throttle"],
        at=now(),
    )
    return make_response({"status": "check_mail"}, 202)


def _invalid(fields: dict[str, list[str]], **more: str) -> Response:
    return make_response({"error": "invalid", "fields": fields, **more}, 422)


def _fields(sent: Any) -> tuple[MultiDict[str, str], str]:
    """The JSON as the form's fields, and the words its site showed; raises ValueError saying what is wrong."""
    if not isinstance(sent, dict):
        raise ValueError("send a JSON object")
    fields: MultiDict[str, str] = MultiDict()
    for name in ("email", "topics", "language", SignupForm.TRAP):
        if name in sent:
            values = sent[name] if name == "topics" and isinstance(sent[name], list) else [sent[name]]
            if not all(isinstance(value, str) for value in values):
                raise ValueError(f"{name} must be text")
            fields.setlist(name, values)
    shown = sent.get("consent_text", "")
    if not isinstance(shown, str):
        raise ValueError("consent_text must be text")
    try:
        shown = text.check(shown, max_length=CONSENT_MAX, multiline=True)
    except text.TextFault as fault:
        raise ValueError(f"consent_text {fault}") from fault
    # A program has no page to keep a form token from; its sign-up is one of its own, seen long enough ago.
    opened = now().timestamp() - QUICKEST_PERSON
    purpose = f"signup/{consent.current(g.lang).name}"
    fields["form_token"] = tokens.stamp(settings().keys[0], purpose, at=opened)
    return fields, shown
