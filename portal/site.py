"""The front page, and what robots ask for: the one room that knows every public page."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, render_template

from portal import addresses, web

bp = Blueprint("site", __name__)


@bp.get(addresses.HOME)
def home() -> Response:
    """Three doors."""
    return web.ready(web.page("site/home.html", base_url=web.base_url()))


@bp.get(addresses.ROBOTS)
def robots() -> Response:
    """Which pages robots are asked to leave alone (RFC 9309)."""
    text = render_template("site/robots.txt", base_url=web.base_url())
    return web.ready(web.plain(text, "text/plain"))


@bp.get(addresses.SITEMAP)
def sitemap() -> Response:
    """The public pages, each with its translation (sitemaps.org, with hreflang)."""
    text = render_template(
        "site/sitemap.xml",
        texts=current_app.extensions["library"].public(),
        base_url=web.base_url(),
    )
    return web.ready(web.plain(text, "application/xml"))
