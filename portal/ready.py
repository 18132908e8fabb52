"""Pages whose bytes are ready, answered before Flask (a WSGI layer; PEP 3333).

A page that a view marks with `web.ready` is compressed once and kept; from then on a GET costs one look-up. All
is dropped when the content changes. The static files, under hashed names, live here too: to this layer they are
the same thing. From inside a Flask view a page cannot pass 0.6 of Flask's "hello" (`docs/performance.md`).
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import mimetypes
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import brotli
import rcssmin

from portal import addresses
from portal.blank import HOLES, Blank

log = logging.getLogger(__name__)

GATE_COOKIE = "professional=yes"
SMALLEST_TO_COMPRESS = 200  # bytes; below that the headers cost more than they save
LARGEST_TO_SQUEEZE = 200_000  # bytes; beyond that the last tenth costs whoever asks first a second
MOST_SPELLINGS = 64  # of our own host, with its ports, that are remembered
ICON = "mark.svg"
LOOK_EVERY = 0.9  # seconds between two looks whether the content changed: with what a look takes, within one

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Ready:
    """One answer in each encoding it has: (headers, body, etag)."""

    gated: bool
    takes_range: bool  # a long document, which readers take page by page
    forms: Mapping[str, tuple[Headers, bytes, str]]  # by content-coding: br, gzip, identity

    @classmethod
    def make(cls, headers: Iterable[tuple[str, str]], body: bytes, *, gated: bool = False) -> Ready:
        """Compress `body` as far as it goes, once."""
        kept = [
            (name, value)
            for name, value in headers
            if name.lower() not in ("content-length", "etag", "x-ready")
        ]
        takes_range = ("Content-Type", "application/pdf") in kept
        if takes_range:
            kept.append(("Accept-Ranges", "bytes"))
        bodies = {"identity": body}
        if len(body) >= SMALLEST_TO_COMPRESS:
            bodies["gzip"] = gzip.compress(body, 9, mtime=0)
            bodies["br"] = brotli.compress(body, quality=11 if len(body) <= LARGEST_TO_SQUEEZE else 5)
        vary = ("Vary", "Accept-Encoding, Cookie" if gated else "Accept-Encoding")
        forms = {}
        for coding, content in bodies.items():
            etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            own = [vary, ("ETag", etag), ("Content-Length", str(len(content)))]
            if coding != "identity":
                own.append(("Content-Encoding", coding))
            forms[coding] = (kept + own, content, etag)
        return cls(gated, takes_range, forms)

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """200, or 304 when the visitor has these very bytes (RFC 9110, 13.1.2)."""
        forms = self.forms
        coding = _coding(environ.get("HTTP_ACCEPT_ENCODING", ""))
        headers, body, etag = forms[coding if coding in forms else "identity"]
        known = environ.get("HTTP_IF_NONE_MATCH")
        if known and (etag in known or known.strip() == "*"):
            start_response("304 Not Modified", [pair for pair in headers if pair[0] != "Content-Length"])
            return []
        if self.takes_range and (part := _part(environ, self.forms["identity"])):
            return _answer_part(self.forms["identity"], part, environ, start_response)
        start_response("200 OK", headers)
        # A list, which the server hands over whole: any other iterable is sent piece by piece, at half the speed
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


ONE_RANGE = re.compile(r"bytes=(\d{1,12})-(\d{0,12})|bytes=-(\d{1,12})")


def _part(environ: WSGIEnvironment, form: tuple[Headers, bytes, str]) -> tuple[int, int] | None:
    """First byte and the one past the last of what is asked for (RFC 9110, 14.2), or None: all of it then.

    Several ranges at once are answered with all, as one may; one beyond the end has no bytes.
    """
    asked = ONE_RANGE.fullmatch(environ.get("HTTP_RANGE") or "")
    _headers, body, etag = form
    if asked is None or environ.get("HTTP_IF_RANGE") not in (None, "", etag):
        return None
    first, last, suffix = asked.groups()
    if suffix is not None:
        return max(0, len(body) - int(suffix)), len(body)
    end = min(int(last) + 1, len(body)) if last else len(body)
    return None if int(first) >= end and int(first) < len(body) else (int(first), end)


def _answer_part(
    form: tuple[Headers, bytes, str],
    part: tuple[int, int],
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Iterable[bytes]:
    headers, body, _etag = form
    first, end = part
    kept = [pair for pair in headers if pair[0] != "Content-Length"]
    if first >= end:
        start_response("416 Range Not Satisfiable", [*kept, ("Content-Range", f"bytes */{len(body)}")])
        return []
    said = [("Content-Range", f"bytes {first}-{end - 1}/{len(body)}"), ("Content-Length", str(end - first))]
    start_response("206 Partial Content", kept + said)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body[first:end]]


@lru_cache(maxsize=256)  # browsers send a handful of spellings
def _coding(accepted: str) -> str:
    """The best content-coding a visitor takes (RFC 9110, 12.5.3)."""
    if ";" in accepted:  # the rare visitor who weighs them: refuse what is weighed with nothing
        offers = [part.replace(" ", "").partition(";q=") for part in accepted.split(",")]
        accepted = " ".join(name for name, _, weight in offers if not weight or float_or_one(weight) > 0)
    return "br" if "br" in accepted else "gzip" if "gzip" in accepted else "identity"


@lru_cache(maxsize=1024)
def _passed_gate(cookies: str) -> bool:
    return GATE_COOKIE in (cookie.strip() for cookie in cookies.split(";"))


class ReadyPages:
    """The layer itself: answers what is ready, keeps what Flask marks, passes on the rest."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        hosts: Iterable[str],
        assets: Mapping[str, Ready],
        gate: bool,
        stamp: Callable[[], object],
        refresh: Callable[[], None],
        seen: object,
    ) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._assets = dict(assets)
        self._ours: set[str] = set()  # Host headers that were found to be ours
        self._gate = gate
        self._stamp, self._refresh = stamp, refresh
        self._pages: dict[str, Ready | Blank] = dict(self._assets)
        self.frames: dict[tuple[str, ...], Any] = {}  # around pages that Flask answers (`web.framed`)
        self._seen = seen  # of what the first pages are made; any other stamp has all made anew
        self._next_look = 0.0
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or ask Flask and keep what it marks."""
        if self.is_due():
            self.look()
        answer = self.at_once(environ, start_response)
        if answer is not None:
            return answer
        path = environ.get("PATH_INFO", "")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or environ.get("QUERY_STRING"):
            return self._app(environ, start_response)
        if addresses.is_staff(path):  # none is kept, and to open one is audited (0010): a HEAD opens none
            return self._app(environ, start_response)
        return self._ask(environ, start_response, path)

    def at_once(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes] | None:
        """What is ready, without waiting for anything; None when the portal has to be asked."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD") or environ.get("QUERY_STRING"):
            return None
        known = self._pages.get(environ.get("PATH_INFO", ""))
        if (
            known is None
            or not (environ.get("HTTP_HOST") in self._ours or self._is_ours(environ))
            or (known.gated and self._gate and not _passed_gate(environ.get("HTTP_COOKIE", "")))
        ):
            return None
        return known.answer(environ, start_response)

    def is_due(self) -> bool:
        """Whether it is time to look at the content again."""
        return time.monotonic() >= self._next_look

    def keep_looking(self, first: Callable[[], object]) -> None:
        """Call `first` once whoever waited for the start is answered, then look for ever, on a thread of its own."""
        time.sleep(LOOK_EVERY)
        first()
        while True:
            time.sleep(max(0.01, self._next_look - time.monotonic()))
            try:
                self.look()
            except Exception:
                log.exception("whether the content changed could not be seen")
                time.sleep(LOOK_EVERY)

    def drop(self) -> None:
        """Forget every page that this process keeps (tests); what all must see is part of the stamp."""
        with self._lock:
            self._pages, self.frames = dict(self._assets), {}

    def _is_ours(self, environ: WSGIEnvironment) -> bool:
        """Whether the Host header names us, with whatever port; Flask refuses what does not."""
        host = environ.get("HTTP_HOST", "")
        name = host.rpartition(":")[0] if host[-1:].isdigit() and ":" in host else host
        if name.lower() not in self._hosts:
            return False
        if len(self._ours) < MOST_SPELLINGS:
            self._ours.add(host)
        return True

    def _ask(self, environ: WSGIEnvironment, start_response: StartResponse, path: str) -> Iterable[bytes]:
        pages = self._pages
        marked: list[tuple[str, str, Headers]] = []

        def watch(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
            mark = next((value for name, value in headers if name == "X-Ready"), None)
            if mark is not None:
                headers = [pair for pair in headers if pair[0] != "X-Ready"]
                if status.startswith("200"):
                    marked.append((mark, status, headers))
                    return lambda data: None  # answered below, from the kept bytes
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        # A HEAD is asked as the GET that it stands for: it says what that would (RFC 9110, 9.3.2)
        asked = environ if environ["REQUEST_METHOD"] == "GET" else {**environ, "REQUEST_METHOD": "GET"}
        chunks = self._app(asked, watch)
        if not marked:
            return chunks if environ["REQUEST_METHOD"] == "GET" else _nothing_of(chunks)
        try:
            body = b"".join(chunks)
        finally:
            if close := getattr(chunks, "close", None):
                close()
        mark, status, headers = marked[0]
        made = (
            Blank.cut(headers, body, asked[HOLES])
            if mark == "form"
            else Ready.make(headers, body, gated=mark == "gated")
        )
        if made is not None:
            pages[path] = made  # into the dict that was there when we asked: a drop meanwhile forgets it
            if (answer := made.answer(environ, start_response)) is not None:
                return answer
        start_response(status, headers)
        return [body] if environ["REQUEST_METHOD"] == "GET" else []

    def look(self) -> None:
        """Drop all pages when the content changed on disk; a faulty change is logged and the old text stays."""
        with self._lock:
            if not self.is_due():
                return
            self._next_look = time.monotonic() + LOOK_EVERY
            stamp = self._stamp()
            if stamp == self._seen:
                return
            self._seen = stamp
            try:
                self._refresh()
            except Exception:
                log.exception("the changed content has faults; the old one is still served")
                return
            self._pages, self.frames = dict(self._assets), {}


def _nothing_of(chunks: Iterable[bytes]) -> Iterable[bytes]:
    if close := getattr(chunks, "close", None):
        close()
    return []


def float_or_one(text: str) -> float:
    """A quality value (RFC 9110, 12.4.2); what is none counts as 1."""
    try:
        return float(text)
    except ValueError:
        return 1.0


class Assets:
    """The static files by hashed name, minified and compressed once at start."""

    def __init__(self, folder: Path, headers: Mapping[str, str]) -> None:
        self.by_path: dict[str, Ready] = {}
        self._names: dict[str, str] = {}
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            body = file.read_bytes()
            if file.suffix == ".css":
                body = str(rcssmin.cssmin(body.decode())).encode()
            name = file.relative_to(folder).as_posix()
            stem, dot, ending = name.rpartition(".")
            address = f"/static/{stem}.{hashlib.sha256(body).hexdigest()[:10]}{dot}{ending}"
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            if kind.startswith("text/") or kind.endswith(("javascript", "svg+xml")):
                kind += "; charset=utf-8"
            lasting = {"Content-Type": kind, "Cache-Control": "public, max-age=31536000, immutable"}
            self.by_path[address] = Ready.make([*headers.items(), *lasting.items()], body)
            self._names[name] = address
            if name == ICON:  # what browsers ask for by themselves, whatever a page says
                self.by_path["/favicon.ico"] = Ready.make(
                    [*headers.items(), ("Content-Type", kind), ("Cache-Control", "public, max-age=86400")],
                    body,
                )

    def url(self, name: str) -> str:
        """The hashed address of one file; raises KeyError for a file that is not there."""
        return self._names[name]
