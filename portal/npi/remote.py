"""The registry's own look-up over the network (NPPES read API 2.1), where NPI_REGISTRY_URL names it.

What it answers is believed only in the shapes that are known: it gives its errors, and numbers that were withdrawn,
with the status 200, and whatever is none of its answers is never read as "not found".
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from portal.errors import Unavailable
from portal.npi.names import Registered
from portal.npi.verdicts import Answer, Provider

HOSTS = frozenset({"npiregistry.cms.hhs.gov"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SECONDS = 3.0  # for one try, from the connection to the last byte
PAUSES = (0.0, 0.3, 1.0)  # before each try
ANSWER_MOST = 1 << 20
VALUE_MOST = 200
WITHDRAWN = "15"  # the number of its error
NO_DAY = "day not given"
DOWN = "The registry does not answer."
ODD = "The registry's answer was not understood."


def fault(url: str) -> str:
    """Why this address is not asked; empty when it is."""
    parts = urlsplit(url)
    if parts.hostname not in HOSTS | LOOPBACK:
        return f"must name the host {', '.join(sorted(HOSTS))}, or this machine"
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        return "must begin with https://"
    if not parts.path.strip("/"):
        return "must be the whole address of the look-up, with its path"
    if parts.username or parts.query or parts.fragment:
        return "takes neither a user nor a query"
    return ""


class Remote:
    """The look-up at an address that has no fault."""

    def __init__(self, url: str) -> None:
        self.parts = urlsplit(url)
        self.host = self.parts.hostname or ""

    def ask(self, npi: str, today: date) -> Answer:
        """What it says of a well-formed number; raises Unavailable where it says nothing that is understood."""
        path = f"{self.parts.path}?{urlencode({'version': '2.1', 'number': npi})}"
        for pause in PAUSES:
            time.sleep(pause)
            try:
                with self._connected() as connection:
                    connection.request(
                        "GET", path, headers={"Accept": "application/json", "Connection": "close"}
                    )
                    response = connection.getresponse()
                    body = response.read(ANSWER_MOST + 1)
            except (OSError, HTTPException):
                continue
            if response.status == 200:
                return Answer(_read(npi, body), today, self.host)
            if response.status not in (429, 500, 502, 503, 504):  # a redirect too: nobody else is asked
                break
        raise Unavailable(DOWN)

    @contextmanager
    def _connected(self) -> Iterator[HTTPConnection]:
        """A connection that is cut when its time is over, however slowly bytes come."""
        kind = HTTPSConnection if self.parts.scheme == "https" else HTTPConnection
        connection = kind(self.host, self.parts.port, timeout=SECONDS)
        try:
            connection.connect()
            timer = threading.Timer(SECONDS, _cut, (connection.sock,))
            timer.start()
            try:
                yield connection
            finally:
                timer.cancel()
        finally:
            connection.close()


def _cut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _read(npi: str, body: bytes) -> Provider | None:
    try:
        said = json.loads(body) if len(body) <= ANSWER_MOST else None
    except (ValueError, RecursionError) as error:
        raise Unavailable(ODD) from error
    if not isinstance(said, dict):
        raise Unavailable(ODD)
    if errors := _list(said, "Errors"):
        if any(str(error.get("number")) == WITHDRAWN for error in errors):
            return Provider(npi=npi, deactivated=NO_DAY)
        raise Unavailable(ODD)
    if said.get("result_count") == 0 and said.get("results") == []:
        return None
    found = [row for row in _list(said, "results") if str(row.get("number")) == npi]
    if len(found) != 1:
        raise Unavailable(ODD)
    return _provider(npi, found[0])


def _provider(npi: str, row: dict[str, Any]) -> Provider:
    basic = row["basic"] if isinstance(row.get("basic"), dict) else {}
    places = [place for place in _list(row, "addresses") if place.get("address_purpose") == "LOCATION"]
    kinds = sorted(_list(row, "taxonomies"), key=lambda one: one.get("primary") is not True)
    others = [name for name in _list(row, "other_names") if _text(name, "last_name")][:1] or [{}]
    states = [_text(place, "state") for place in (*places, *kinds)]
    gone = NO_DAY if _text(basic, "status") not in ("", "A") else ""
    names = {"last": "last_name", "first": "first_name", "middle": "middle_name"}
    is_organisation = row.get("enumeration_type") == "NPI-2"
    if not (is_organisation or row.get("enumeration_type") == "NPI-1"):
        raise Unavailable(ODD)
    return Provider(
        npi=npi,
        organisation=(_text(basic, "organization_name") or "?") if is_organisation else "",
        names=Registered(
            **{name: _text(basic, key) for name, key in names.items()},
            other_last=_text(others[0], "last_name"),
            other_first=_text(others[0], "first_name"),
        ),
        credential=_text(basic, "credential"),
        taxonomies=tuple(filter(None, (_text(kind, "code") for kind in kinds))),
        states=tuple(dict.fromkeys(filter(None, states))),
        phone="".join(filter(str.isdigit, _text(places[0], "telephone_number") if places else "")),
        deactivated=gone,
    )


def _list(of: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = of.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(of: dict[str, Any], key: str) -> str:
    found = of.get(key)
    return found.strip()[:VALUE_MOST] if isinstance(found, str) and found != "--" else ""
