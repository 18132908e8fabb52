"""The edge both faces share: pages and their status, errors into pages, security headers, template globals.

The only map from what went wrong to a status code stands here. A failed POST shows the page it came from again,
with every typed value: a view says which page that is with `keep`, and the error handlers do the rest.
"""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import Callable, Mapping, MutableMapping
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask.templating import Environment
from flask_babel import format_date, format_datetime, get_locale
from jinja2 import StrictUndefined
from markupsafe import Markup
from werkzeug.local import LocalProxy
from werkzeug.routing import IntegerConverter
from wtforms import Form

from portal import addresses, blank, catalogues, controls, guard, hours
from portal.blank import HOLES, Holes
from portal.clock import now
from portal.compiled import Compiled
from portal.controls import Mold
from portal.frames import Frame
from portal.organisation import zone_name
from portal.settings import Settings, settings
from portal.throttle import Throttle, block_of

log = logging.getLogger(__name__)

# No inline script or style anywhere, so no nonce: the same bytes serve everybody.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
}
_PROCESS, _numbers = secrets.token_hex(2), itertools.count(1)
Here = tuple[ZoneInfo, int, str]
LARGEST, LARGEST_DIGITS = 2**31 - 1, 10
STRICT_TRANSPORT = "max-age=63072000; includeSubDomains"


def page(template: str, *, form: Form | None = None, status: int | None = None, **context: Any) -> Response:
    """Render a page: 400 when its tokens were lost, 422 when its form has errors, else 200."""
    if status is None:
        status = 200
        if form is not None:
            status = 400 if getattr(form, "is_stale", False) else 422 if form.errors else 200
    response = make_response(render_template(template, form=form, **context), status)
    if form is not None:
        private(response)
    return response


def framed(
    template: str,
    form: Any,
    shared: Callable[[Mold], Mapping[str, Any]] = lambda _mold: {},
    *,
    status: int,
    given: str = "",
    is_failed: bool = False,
) -> Response:
    """The page of a form that came in well or badly typed, around what `shared` says to everybody who sent one there.

    `shared` gets what stands for the form, and is asked once a minute; `given` is what is drawn besides. Where the
    page's tokens failed, it is rendered for itself.
    """
    if form.is_stale:
        return page(template, form=form, **shared(form))
    frames: dict[tuple[str, ...], Frame] = current_app.extensions["ready"].frames
    place = template, request.path, _language()
    frame = frames.get(place)
    if frame is None or request.query_string or not frame.holds():
        mold = Mold(form.empty(), is_failed=is_failed)
        frame = Frame(render_template(template, **{"form": mold, **shared(mold)}), mold.holes)
        if not request.query_string:  # which the page repeats
            frames[place] = frame
    return private(make_response(frame.around(form, given), status))


def private(response: Response) -> Response:
    """Mark a page that is one person's: no cache keeps it, no link from it says where one came from."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def empty_form(template: str, form: Form, holes: Holes, **context: Any) -> Response:
    """The page of an empty form: nobody's answers stand in it, so search engines may list it.

    But for its two tokens it is everybody's, and so kept for the minute. An answer to a POST is neither.
    """
    response = page(template, form=form, **context)
    if request.method in ("GET", "HEAD"):
        response.headers.pop("X-Robots-Tag", None)
        response.headers["X-Ready"] = "form"
        request.environ[HOLES] = holes
    return response


def ready(response: Response, *, gated: bool = False) -> Response:
    """Mark a page that is the same for everybody, so that its bytes are kept and answered before Flask."""
    response.headers["X-Ready"] = "gated" if gated else "public"
    return response


def current(response: Response) -> Response:
    """Mark a page that is the same for everybody and may change at any time: a visitor who has these very bytes is
    told so (RFC 9110, 13.1.2)."""
    response.add_etag()
    response.headers["Cache-Control"] = "no-cache"
    return cast(Response, response.make_conditional(request))


def plain(words: str, kind: str) -> Response:
    """An answer that is text and no page, of that media type."""
    response = make_response(words)
    response.headers["Content-Type"] = f"{kind}; charset=utf-8"
    return response


def base_url() -> str:
    """What every full address of ours begins with."""
    return settings().BASE_URL.rstrip("/")


def keep(template: str, form: Form, **context: Any) -> None:
    """Name the page to show again, with what was typed, should this request fail."""
    g.kept = (template, form, context)


def throttle(name: str, key: str | None = None) -> None:
    """Count a try from this connection's network block (or `key`); raises TooMany."""
    counters: Throttle = current_app.extensions["throttle"]
    counters.hit(name, block_of(request.remote_addr or "") if key is None else key)


class Templates(Environment):
    """Flask's, whose templates share one dictionary of globals."""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """None of a template's own: each import in a page asks whether there are, which took a chained map longer
        than the macros that were imported."""
        return super().make_globals(d) if d else self.globals


class RowNumber(IntegerConverter):
    """The number of a row in an address; one that no row can have is taken for the largest, which none has."""

    def to_python(self, value: str) -> int:
        """As the database takes it."""
        return LARGEST if len(value) > LARGEST_DIGITS else min(int(value), LARGEST)


def set_up(app: Flask) -> None:
    """Give an app the edge: settings, templates, languages, headers, limits and error pages."""
    config: Settings = app.extensions["settings"]
    app.url_map.converters["int"] = RowNumber
    app.config.update(
        TRUSTED_HOSTS=trusted_hosts(config),
        WTF_CSRF_TIME_LIMIT=None,  # it is the session's, and ends with it; a clock set back makes none too old
        WTF_I18N_ENABLED=False,  # our messages are our own; it would read a catalogue for every form
        WTF_CSRF_SSL_STRICT=False,  # our own check of Origin below is stricter, and kinder to no-referrer pages
        BABEL_DEFAULT_TIMEZONE=str(config.ORG.timezone),
    )
    app.jinja_environment = Templates
    app.extensions.setdefault("throttle", Throttle(config.REDIS_URL))
    app.extensions["security_headers"] = list(security_headers(config).items())
    found = catalogues.load(config.INSTANCE_DIR / "cache")
    catalogues.Catalogues(app, found=found, locale_selector=_language)
    env = app.jinja_env
    catalogues.speak(env, found)
    env.undefined = StrictUndefined
    env.trim_blocks = env.lstrip_blocks = True
    env.add_extension("jinja2.ext.do")
    env.bytecode_cache = Compiled(config.INSTANCE_DIR / "cache", Path(__file__).read_bytes())
    # A manager may change the facts of the pharmacy while templates and their macros stay loaded.
    org = LocalProxy(lambda: app.extensions["settings"].ORG)
    env.globals.update(addresses=addresses, reply_to=config.REPLY_TO, org=org, now=now, form=None, alert=None)
    env.globals.update(draw_field=controls.field, draw_tokens=controls.tokens)
    env.globals.update(draw_errors=controls.errors, draw_answers=controls.answers)
    env.filters.update(when=when, by=by, day=day, isodate=lambda value: value.isoformat())
    app.context_processor(
        lambda: {"lang": str(get_locale() or "en"), "url_path": request.path if request else addresses.HOME}
    )
    app.before_request(_guard)
    app.after_request(_finish)


def _language() -> str:
    """What the view chose, or what the address says: an address that leads nowhere has no view."""
    path = request.path if request else ""
    return str(g.get("lang") or addresses.language_of(path))


def trusted_hosts(config: Settings) -> list[str]:
    """The names we answer to; every other Host header gets 400."""
    names = {urlsplit(config.BASE_URL).hostname or ""}
    if not config.is_production:
        names |= {config.HOST, "localhost", "127.0.0.1", "[::1]"}
    return sorted(name for name in names if name)


def security_headers(config: Settings) -> dict[str, str]:
    """The headers of every answer, of whatever status and from whichever layer."""
    headers = dict(SECURITY_HEADERS)
    if config.is_secure:
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    return headers


def when(at: datetime, here: Here | None = None) -> Markup:
    """`Tue Nov 24, 6:00 pm Pacific` as a `<time>` in the pharmacy's zone, with the year when it is another one.

    No line ends between `6:00` and `pm`. Who says many asks once for `here`.
    """
    return _when(at, *(here or where_we_are()))


def by(at: datetime, here: Here | None = None) -> Markup:
    """A promised moment, after "by": as `when` has it, or `the end of Tue Nov 24` where whole days count."""
    return _by(at, *(here or where_we_are()))


def where_we_are() -> Here:
    """What the words for a moment depend on: the pharmacy's zone, this year, the page's language."""
    zone, locale = settings().ORG.timezone, get_locale()
    return zone, now().astimezone(zone).year, locale.language if locale else addresses.USUAL


@lru_cache(maxsize=2048)  # a page of the queue says 25 of them, and the next one the same
def _when(at: datetime, zone: ZoneInfo, this_year: int, language: str) -> Markup:
    name, at = zone_name(zone, at), at.astimezone(zone)
    is_now = at.year == this_year
    if language == "es":
        words = format_datetime(at, f"EEE d 'de' MMM{'' if is_now else ' y'}, h:mm\u00a0a")
    else:
        words = format_datetime(at, f"EEE MMM d{'' if is_now else ', y'}, h:mm\u00a0a")
        words = words.replace("AM", "am").replace("PM", "pm")
    return Markup('<time datetime="{}">{} {}</time>').format(at.isoformat(timespec="minutes"), words, name)


@lru_cache(maxsize=2048)
def _by(at: datetime, zone: ZoneInfo, this_year: int, language: str) -> Markup:
    local = at.astimezone(zone)
    if local.time() != hours.END_OF_DAY:
        return _when(at, zone, this_year, language)
    day_ = format_date(local.date(), "EEE MMM d" if local.year == this_year else "EEE MMM d, y")
    return Markup('the end of <time datetime="{}">{}</time>').format(local.date().isoformat(), day_)


def day(on: date) -> str:
    """`November 24, 2026`, or as the language has it."""
    return str(format_date(on, "long"))


def _guard() -> None:
    """Refuse what no page of ours sends, before any view reads it."""
    g.request_id = f"{_PROCESS}-{next(_numbers):x}"
    guard.refuse_odd_address()
    if request.method in ("GET", "HEAD", "OPTIONS") or request.endpoint in current_app.extensions.get(
        "takes_any_post", ()
    ):
        return
    guard.refuse_foreign_origin()
    throttle("post")
    guard.refuse_odd_body()


def _finish(response: Response) -> Response:
    headers = response.headers
    there = {name.lower() for name, _value in headers}
    for name, value in current_app.extensions["security_headers"]:
        if name.lower() not in there:
            headers.add(name, value)
    if "cache-control" not in there:
        headers.add("Cache-Control", "no-store" if addresses.is_staff(request.path) else "no-cache")
    if cookie := g.pop("new_form_cookie", None):
        headers.add("Set-Cookie", blank.set_cookie(settings(), cookie))
    return response
