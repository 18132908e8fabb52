"""The door of the prescribers' section: who may pass, where it leads on to, and how its pages are kept."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from flask import Blueprint, Response, current_app, request

from portal import addresses, web
from portal.library.pages import Library
from portal.resource.forms import GateForm
from portal.settings import settings

bp = Blueprint("resource", __name__)

GATE_COOKIE = "professional"
GATE_ANSWER = "yes"
GATED_ROOT = addresses.PRESCRIBERS


def is_professional() -> bool:
    """Whether this visitor has passed the gate, or there is none."""
    return not settings().PROFESSIONAL_GATE or request.cookies.get(GATE_COOKIE) == GATE_ANSWER


def show_gate(
    *, status: int = 200, action: str | None = addresses.GATE, chosen: Sequence[tuple[str, str]] = ()
) -> Response:
    """The gate, which leads on to the address that was asked for; without an `action`, to the passage of it too."""
    asked = f"{request.path}?{request.query_string.decode('ascii', 'replace')}".rstrip("?")
    form = GateForm(formdata=None, next=gated_address(asked))
    return web.page("resource/gate.html", form=form, status=status, action=action, chosen=chosen)


def gated_address(asked: str) -> str:
    """The address to go on to after the gate: one of ours behind it, with a condition we list, or its front page."""
    try:
        parts = urlsplit(asked)
    except ValueError:
        return GATED_ROOT
    known = {rule.rule for rule in current_app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    is_gated = parts.path == GATED_ROOT or parts.path.startswith(f"{GATED_ROOT}/")
    if parts.scheme or parts.netloc or not is_gated or parts.path not in known:
        return GATED_ROOT
    condition = parse_qs(parts.query).get("condition", [""])[0]
    is_listed = any(one.id == condition for one in the_library().evidence)
    return f"{parts.path}?condition={condition}" if is_listed else parts.path


def kept(response: Response, *, gated: bool = False) -> Response:
    """Keep the bytes of what every visitor gets; an address with a query is asked too rarely for that."""
    return response if request.query_string else web.ready(response, gated=gated)


def private(response: Response) -> Response:
    """No shared cache keeps what stands behind the gate, and no robot lists it."""
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Robots-Tag"] = "noindex"
    if "X-Ready" not in response.headers:  # kept bytes say it themselves
        response.vary.add("Cookie")
    return response


def the_library() -> Library:
    """The texts as they are now."""
    library: Library = current_app.extensions["library"]
    return library
