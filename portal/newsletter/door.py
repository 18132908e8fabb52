"""The sign-up's door, before Flask (a WSGI layer; PEP 3333): lets in what is plainly good, and judges nothing else.

It knows no error and no page. A post that the form would accept as it stands, from a person, is accepted here
by the same verb; anything else (a fault, a doubt, a limit, a repeat in an odd shape) goes on to Flask with its body,
as if the door were not there. A test sends thousands of made-up posts both ways: what the door lets in, the form lets
in, with the same row. It is here because Flask, WTForms and the session cost ten times what keeping a row costs
(docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from io import BytesIO
from typing import cast
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

from portal import addresses, domains, guard, text, tokens
from portal.clock import now
from portal.forms import FORM_LIFETIME, QUICKEST_PERSON, csrf_holds
from portal.newsletter import asked, consent, entry
from portal.newsletter.forms import SignupForm
from portal.newsletter.models import Language, Source, Topic
from portal.settings import Settings
from portal.throttle import block_of

PAGES = {path: language for language, path in addresses.NEWSLETTER.twins.items()}
NEXT = {language: addresses.CHECK_EMAIL.speaking(language) for language in PAGES.values()}
MOST_BYTES = 2048
FORM = "application/x-www-form-urlencoded"
ONCE = frozenset({"csrf_token", "form_token", "email", "language", SignupForm.TRAP})


class Door:
    """The layer itself."""

    def __init__(self, app: Flask, inner: WSGIApplication) -> None:
        self._app, self._inner = app, inner
        self._hosts = frozenset(host.strip("[]") for host in app.config["TRUSTED_HOSTS"])
        self._config = config = cast(Settings, app.extensions["settings"])
        self._keys, self._cookie = config.keys, config.form_cookie
        headers = {
            **dict(app.extensions["security_headers"]),
            "Cache-Control": "no-store",
            "Content-Length": "0",
        }
        headers["Referrer-Policy"] = "no-referrer"
        self._answers = {lang: [*headers.items(), ("Location", path)] for lang, path in NEXT.items()}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """303 for a plain sign-up; Flask for all else."""
        lang = PAGES.get(environ.get("PATH_INFO", "")) if environ["REQUEST_METHOD"] == "POST" else None
        if lang is not None and self._is_from_here(environ):
            body = _body_of(environ)
            if body is not None and (address := self._let_in(environ, lang, body)):
                cookie = ("Set-Cookie", asked.set_cookie(self._config, address, at=now()))
                start_response("303 SEE OTHER", [*self._answers[lang], cookie])
                return []
        return self._inner(environ, start_response)

    def _is_from_here(self, environ: WSGIEnvironment) -> bool:
        """No other site made the browser send it, and it was sent to us (see `guard.py`, which refuses in words)."""
        origin, host = environ.get("HTTP_ORIGIN", ""), environ.get("HTTP_HOST", "")
        there = guard.origin_of(f"{environ['wsgi.url_scheme']}://{host}")
        return (
            there is not None
            and there[1] in self._hosts
            and (not origin or guard.is_own_origin(self._config, origin, host))
            and environ.get("HTTP_SEC_FETCH_SITE", "same-origin") == "same-origin"
            and not environ.get("QUERY_STRING")
        )

    def _let_in(self, environ: WSGIEnvironment, lang: str, body: bytes) -> str:
        """The address of a sign-up that was kept, or nothing."""
        found = _answers_in(body)
        if found is None:
            return ""
        once, topics = found
        words, at = consent.current(lang), now()
        token = once["form_token"]
        age = tokens.stamp_age(self._keys, f"signup/{words.name}", token, at=at.timestamp())
        if age is None or not QUICKEST_PERSON <= age <= FORM_LIFETIME:
            return ""
        if not csrf_holds(self._keys, _cookie(environ, self._cookie), once["csrf_token"]):
            return ""
        throttle, network = self._app.extensions["throttle"], block_of(environ.get("REMOTE_ADDR", ""))
        try:
            with self._app.app_context():
                entry.accept(
                    email=once["email"],
                    topics=topics,
                    language=once["language"],
                    words=words,
                    source=Source.FORM,
                    page=environ["PATH_INFO"],
                    network=network,
                    form_token=token,
                    throttle=throttle,
                    at=at,
                )
        except Exception as error:
            # Whatever it is, nothing was saved: Flask says so in words, with what was typed, and logs no word of it.
            environ[entry.REFUSED] = error
            return ""
        return once["email"]


def _body_of(environ: WSGIEnvironment) -> bytes | None:
    """The body of a small plain form, put back for whoever reads it next; None for any other."""
    length = environ.get("CONTENT_LENGTH") or ""
    if environ.get("CONTENT_TYPE") != FORM or not length.isdigit() or not 0 < int(length) <= MOST_BYTES:
        return None
    body: bytes = environ["wsgi.input"].read(int(length))
    environ["wsgi.input"] = BytesIO(body)
    return body if len(body) == int(length) else None


def _answers_in(body: bytes) -> tuple[Mapping[str, str], list[str]] | None:
    """The fields, when each is there in the plainest form and the trap is empty."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict")
    except (UnicodeDecodeError, ValueError):
        return None
    once = {name: value for name, value in pairs if name != "topics"}
    sent = [value for name, value in pairs if name == "topics"]
    if len(once) + len(sent) != len(pairs) or not once.keys() <= ONCE:
        return None
    if once.pop(SignupForm.TRAP, "") or len(once) != len(ONCE) - 1:
        return None
    if not sent or not set(Topic).issuperset(sent) or once["language"] not in set(Language):
        return None
    if not _is_as_kept(once["email"]):
        return None
    return once, [topic.value for topic in Topic if topic in sent]


def _is_as_kept(email: str) -> bool:
    """Whether this is an address as it is written, and no slip."""
    try:
        return text.email_address(email) == email and not domains.suggestion(email)
    except text.TextFault:
        return False


def _cookie(environ: WSGIEnvironment, name: str) -> str:
    try:
        found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""
