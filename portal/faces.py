"""The two faces as one: what is under /staff is the staff app's; probes may use any name of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask
from flask.sessions import SessionInterface

from portal import addresses, tokens
from portal.settings import Settings

_LINKS = {one.root for one in addresses.ALL if "<token>" in one}
_WITH_PAGES = {one.root for one in addresses.ALL if "<token>/" in one}
_LINK = re.compile(rf"({'|'.join(sorted(map(re.escape, _LINKS)))})/([A-Za-z0-9_-]*)(.*)", re.DOTALL)
_PAGE = re.compile(r"/[a-z-]+")


class NoSession(SessionInterface):
    """The public face keeps none: whatever asks for one raises."""

    def open_session(self, app: Flask, request: Any) -> None:
        """None, so that Flask makes one that refuses."""


class Probes:
    """A monitor asks the few addresses that are for it by whatever name it has for us: its own list of hosts, or none
    at all (HTTP/1.0). What they answer does not depend on the name; every other page is refused under another."""

    def __init__(self, app: WSGIApplication, config: Settings) -> None:
        self.app, self.own = app, urlsplit(config.BASE_URL).netloc
        self.names = {"", "localhost", "127.0.0.1", "::1", *(name.strip("[]") for name in config.PROBE_HOSTS)}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        if environ.get("PATH_INFO") in addresses.PROBES and self._name(environ) in self.names:
            environ["HTTP_HOST"] = self.own
        return self.app(environ, start_response)

    def _name(self, environ: WSGIEnvironment) -> str:
        host = str(environ.get("HTTP_HOST", "")).lower()
        return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


class Faces:
    """Which of the two answers; the path is not shifted, so a rule reads as its address."""

    def __init__(self, public: WSGIApplication, staff: WSGIApplication) -> None:
        self.public, self.staff = public, staff

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        path = environ["PATH_INFO"] = as_sent(environ.get("PATH_INFO", ""))
        return (self.staff if addresses.is_staff(path) else self.public)(environ, start_response)


def as_sent(path: str) -> str:
    """The address of a link as we sent it out: without what a mail program or a hand put behind its secret.

    A bracket, a full stop, a quote, `</a>`, also one written as %3E: no token holds them (RFC 4648, 5), and all of a
    kind are as long. A link that is cut stays so, and whoever answers says it.
    """
    found = _LINK.fullmatch(path)
    if found is None or not (found[2] or found[3].strip("/")):
        return path
    root, token, rest = found.groups()
    length = tokens.INVITATION_LENGTH if addresses.is_staff(root) else tokens.LENGTH
    is_page = root in _WITH_PAGES and _PAGE.fullmatch(rest)
    return f"{root}/{token[:length] or '-'}{rest if is_page else ''}"
