"""The search: over what anybody may read, and, behind the gate, over the prescribers' pages too."""

from __future__ import annotations

from flask import Response, g, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _
from wtforms import Form, SearchField

from portal import addresses, web
from portal.library import search
from portal.library.pages import Page
from portal.resource.door import bp, is_professional, private, show_gate, the_library

MOST = 100  # characters


class SearchForm(Form):
    """It changes nothing, so it carries no token."""

    q = SearchField(_("Words to look for"), render_kw={"autocomplete": "off", "spellcheck": "false"})


@bp.get(addresses.SEARCH)
@bp.get(addresses.SEARCH.twins["es"], defaults={"language": "es"}, endpoint="search_in_spanish")
def find(language: str = "en") -> ResponseReturnValue:
    """Among the texts that anybody may read."""
    g.lang = language
    response = _found([page for page in the_library().public() if page.language == language])
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@bp.get(addresses.SEARCH_GATED)
def find_for_professionals() -> ResponseReturnValue:
    """Among all English texts, the prescribers' first."""
    if not is_professional():
        return show_gate()
    library = the_library()
    pages = [*library.chapters("prescribers"), *(page for page in library.public() if page.language == "en")]
    return private(_found(pages, gated=True))


def _found(pages: list[Page], *, gated: bool = False) -> Response:
    asked = request.args.get("q", "")[:MOST].strip()
    return web.page(
        "resource/search.html",
        search=SearchForm(data={"q": asked}),
        asked=asked,
        found=search.search(pages, asked),
        is_gated=gated,
    )
