"""The front page, and what robots ask for: the one room that knows every public page."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, render_template

from portal import web
from portal.resource.views import GATED_ROOT

bp = Blueprint("site", __name__)

# Pages of other rooms that search engines may list.
OTHER_PUBLIC = ("/", "/requests/consultation", "/requests/resources", "/newsletter", "/es/boletin")
OTHER_TWINS = {"en": "/newsletter", "es": "/es/boletin"}
# What robots are asked to leave alone: pages for professionals, for staff, and for one person each.
DISALLOWED = (
    GATED_ROOT,
    "/staff",
    "/r/",
    "/newsletter/confirm/",
    "/newsletter/preferences/",
    "/newsletter/unsubscribe/",
)


@bp.get("/")
def home() -> Response:
    """Three doors."""
    return web.ready(web.page("site/home.html", base_url=web.base_url()))


@bp.get("/robots.txt")
def robots() -> Response:
    """Which pages robots are asked to leave alone (RFC 9309)."""
    text = render_template("site/robots.txt", disallowed=DISALLOWED, base_url=web.base_url())
    return web.ready(web.plain(text, "text/plain"))


@bp.get("/sitemap.xml")
def sitemap() -> Response:
    """The public pages, each with its translation (sitemaps.org, with hreflang)."""
    text = render_template(
        "site/sitemap.xml",
        texts=current_app.extensions["library"].public(),
        others=OTHER_PUBLIC,
        twins=OTHER_TWINS,
        base_url=web.base_url(),
    )
    return web.ready(web.plain(text, "application/xml"))
