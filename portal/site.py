"""The front page, and what robots ask for: the one room that knows every public page."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from portal import addresses, web
from portal.editions import archive
from portal.newsletter.models import Language

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
        editions=[page for language in Language for page in archive.pages(language)],
        base_url=web.base_url(),
    )
    return web.current(web.plain(text, "application/xml"))


@bp.before_app_request
def _find_the_page() -> ResponseReturnValue | None:
    """308 to the page that an address means: typed from paper, in capitals, with a slash behind, or just `/es`."""
    if not isinstance(request.routing_exception, NotFound) or "/." in request.path:
        return None
    adapter = current_app.create_url_adapter(request)
    for path in _other_spellings(request.path.rstrip("/")):
        if path != request.path and adapter and adapter.test(path, "GET"):
            query = request.query_string.decode("ascii", "replace")
            return redirect(f"{path}?{query}" if query else path, 308)
    return None


def _other_spellings(path: str) -> list[str]:
    """What an address may mean; the secret in one keeps its capitals."""
    small = path.lower()
    if (code := small.removeprefix("/")) in addresses.LANGUAGES:
        return [addresses.PATIENTS.speaking(code)]
    roots = [one.root for one in addresses.ALL if one.is_one_persons and small.startswith(f"{one.root}/")]
    return [path, *(f"{root}{path[len(root) :]}" for root in roots), *([] if roots else [small])]
