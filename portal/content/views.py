"""The front page, every text at its address, the gate before the prescribers' pages, and what robots ask for.

The texts are the same for every visitor, so their bytes are kept (`web.ready`); only the gate page, which carries
a form's tokens, is made for each. A text added while the portal runs is served after its next start.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app, g, make_response, redirect, render_template, request
from flask.sansio.blueprints import BlueprintSetupState
from wtforms import HiddenField

from portal import web
from portal.content.markdown import WORDS
from portal.content.pages import Library, Page
from portal.forms import BaseForm

bp = Blueprint("content", __name__)

GATE_COOKIE = "professional"
GATE_ANSWER = "yes"
GATE_SECONDS = 30 * 24 * 60 * 60
GATED_ROOT = "/prescribers"

# Pages of other rooms that search engines may list.
OTHER_PUBLIC = ("/", "/requests/consultation", "/requests/resources", "/newsletter", "/es/boletin")
# What robots are asked to leave alone: pages for professionals, for staff, and for one person each.
DISALLOWED = (
    GATED_ROOT,
    "/staff",
    "/r/",
    "/newsletter/confirm/",
    "/newsletter/preferences/",
    "/newsletter/unsubscribe/",
)


class GateForm(BaseForm):
    """One button, and where to go after it."""

    next = HiddenField()


def _give_texts_their_addresses(state: BlueprintSetupState) -> None:
    """One rule for each text: a catch-all would swallow the other rooms' 404s."""
    library: Library = state.app.extensions["content"]
    for path in library.pages:
        state.add_url_rule(path, endpoint="article", view_func=article, defaults={"path": path})


bp.record(_give_texts_their_addresses)


@bp.get("/")
def home() -> Response:
    """Three doors."""
    return web.ready(web.page("content/home.html", base_url=_base_url()))


def article(path: str) -> Response:
    """One text; one for professionals shows the gate first."""
    text = _library().pages[path]
    g.lang = text.language
    if not text.gated:
        return web.ready(_render(text))
    if not _is_professional():
        return web.page("content/gate.html", form=GateForm(next=path))
    response = web.ready(_render(text), gated=True)
    response.headers["Cache-Control"] = "private, no-cache"  # no shared cache keeps it
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@bp.post(f"{GATED_ROOT}/gate")
def gate() -> Response:
    """Remember for 30 days that this visitor says they are a health professional."""
    form = GateForm()
    if not form.validate_on_submit():
        return web.page("content/gate.html", form=form)
    known = _library().pages.get(form.next.data or "")
    response = make_response(redirect(known.path if known and known.gated else GATED_ROOT, 303))
    response.set_cookie(
        GATE_COOKIE,
        GATE_ANSWER,
        max_age=GATE_SECONDS,
        path=GATED_ROOT,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )
    return response


@bp.get("/robots.txt")
def robots() -> Response:
    """Which pages robots are asked to leave alone (RFC 9309)."""
    text = render_template("content/robots.txt", disallowed=DISALLOWED, base_url=_base_url())
    return web.ready(_plain(text, "text/plain"))


@bp.get("/sitemap.xml")
def sitemap() -> Response:
    """The public pages, each with its translation (sitemaps.org, with hreflang)."""
    text = render_template(
        "content/sitemap.xml", texts=_library().public(), others=OTHER_PUBLIC, base_url=_base_url()
    )
    return web.ready(_plain(text, "application/xml"))


def _render(text: Page) -> Response:
    library = _library()
    before, after = library.neighbours(text) if text.section == "prescribers" else (None, None)
    return web.page(
        "content/article.html",
        article=text,
        chapters=library.chapters("prescribers") if text.section == "prescribers" else (),
        before=before,
        after=after,
        leaves=WORDS[text.language]["leaves"],
        base_url=_base_url(),
    )


def _library() -> Library:
    library: Library = current_app.extensions["content"]
    return library


def _is_professional() -> bool:
    return not current_app.config["PROFESSIONAL_GATE"] or request.cookies.get(GATE_COOKIE) == GATE_ANSWER


def _base_url() -> str:
    return str(current_app.config["BASE_URL"]).rstrip("/")


def _plain(text: str, kind: str) -> Response:
    response = make_response(text)
    response.headers["Content-Type"] = f"{kind}; charset=utf-8"
    return response
