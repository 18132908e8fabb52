"""The public archive and its feeds: the same bytes for everybody, in each language at its own address."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal import addresses, web
from portal.editions import archive, pictures
from portal.errors import Expired
from portal.newsletter.models import Language

bp = Blueprint("archive", __name__)


@bp.url_value_preprocessor
def _speak(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    g.lang = (values or {}).pop("language", addresses.USUAL)


def editions() -> ResponseReturnValue:
    """All that was sent in this language."""
    return web.current(
        web.page("newsletter/archive.html", pages=archive.pages(Language(g.lang)), base_url=web.base_url())
    )


def edition(slug: str) -> ResponseReturnValue:
    """One of them, with what was said about it since."""
    try:
        page = archive.page(slug, Language(g.lang))
    except Expired:
        way_on = [(addresses.EDITIONS.speaking(g.lang), _("Past newsletters"))]
        title, message = _("This newsletter was taken back"), _("The pharmacy does not show it any more.")
        return web.private(
            web.page("errors/page.html", status=410, title=title, message=message, way_on=way_on)
        )
    return web.current(web.page("newsletter/edition.html", page=page, base_url=web.base_url()))


def feed() -> ResponseReturnValue:
    """The latest, for programs that ask now and then (RFC 4287)."""
    pages = archive.pages(Language(g.lang), archive.IN_FEED)
    text = render_template("newsletter/feed.xml", pages=pages, base_url=web.base_url())
    return web.current(web.plain(text, "application/atom+xml"))


@bp.get(addresses.EDITION_PICTURE)
def picture(slug: str) -> ResponseReturnValue:
    """A picture of an edition: the same bytes at this address for ever, wherever a mail is read."""
    found = pictures.get(slug)
    response = make_response(found.content)
    response.headers["Content-Type"] = pictures.kind_of(found.slug)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.set_etag(found.slug)
    return response.make_conditional(request)


for _address, _view in ((addresses.EDITIONS, editions), (addresses.EDITION, edition), (addresses.FEED, feed)):
    for _language, _path in _address.twins.items():
        bp.add_url_rule(_path, view_func=_view, defaults={"language": _language})
