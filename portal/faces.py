"""The two faces as one: what is under /staff is the staff app's; probes may use any name of ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask
from flask.sessions import SessionInterface

from portal import addresses
from portal.settings import Settings


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
        path = environ.get("PATH_INFO", "")
        return (self.staff if addresses.is_staff(path) else self.public)(environ, start_response)
