"""The portal as the web server calls it: whole requests for threads, ready pages at once, slow ones told to go.

granian speaks RSGI to us on one event loop (its own protocol: scope and proto); behind it stands the WSGI portal. A
body is read here, within a time, before a thread is taken for it, so nobody holds a thread by sending slowly. What is
ready is answered here, so no reader waits for a thread at all; other reading has threads of its own, so it never
waits behind those who write. Heads that do not arrive and idle connections are granian's to close (`web_server.py`).
"""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Protocol
from wsgiref.types import WSGIApplication, WSGIEnvironment

from portal.ops.tally import READY, answered
from portal.ready import ReadyPages

WRITERS = 8  # threads: requests that wait for a commit let others work (docs/performance.md)
READERS = 4  # threads
HEAD_SECONDS = 10  # for the head of a request; as long an idle connection is kept (`web_server.py`)
BODY_SECONDS = 20.0  # for the whole of a form: 64 KB need 26 kbit/s
SLOWEST_UPLOAD = 16 * 1024  # bytes a second, once a file is being read
MOST_AT_ONCE = 32  # unfinished bodies of one address, where addresses are people's own
MOST_DROPPED = 2 * 1024 * 1024  # bytes of a refused body that are read, so that its sender sees our answer
DROP_SECONDS = 5.0

log = logging.getLogger(__name__)


class Proto(Protocol):
    """What granian gives for one request (RSGI 1.5)."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer."""


class Refused(Exception):
    """A body that is waited for no longer."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class Body:
    """What is sent, piece by piece: granian begins one iteration of it, and no second."""

    def __init__(self, proto: Proto) -> None:
        self._pieces = aiter(proto)

    async def piece(self) -> bytes:
        """The next one, or nothing when all is here. Raises EOFError when it breaks off, or is no HTTP."""
        try:
            while not (piece := await anext(self._pieces)):
                pass
        except StopAsyncIteration:
            return b""
        except RuntimeError as fault:  # granian's ProtocolClosed and ProtocolError
            raise EOFError from fault
        return piece


class Answer:
    """PEP 3333's start_response, which remembers."""

    status, headers = 500, list[tuple[str, str]]()

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Keep what is to be said."""
        self.status, self.headers = int(status[:3]), headers
        return lambda data: None


class Front:
    """The RSGI callable. `direct`: no proxy stands before us, so an address is a visitor's own."""

    def __init__(
        self,
        portal: WSGIApplication,
        ready: ReadyPages,
        *,
        most: int,
        headers: Iterable[tuple[str, str]],
        direct: bool,
        begin: Callable[[], object],
        later: Callable[[], object],
    ) -> None:
        self._portal, self._ready, self._most, self._direct = portal, ready, most, direct
        self._begin, self._later = begin, later
        self._headers = list(headers)
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._writers = ThreadPoolExecutor(WRITERS, "writer")
        self._sending = Counter[str]()

    def __rsgi_init__(self, _loop: object) -> None:
        """What the server calls in each of its processes before the first request."""
        self._begin()
        threading.Thread(
            target=self._ready.keep_looking, args=(self._later,), name="looks", daemon=True
        ).start()

    async def __rsgi__(self, scope: Any, proto: Proto) -> None:
        """Answer one request."""
        answer = Answer()
        if scope.method in ("GET", "HEAD"):
            if self._ready.is_due():
                self._readers.submit(self._ready.look)
            chunks = self._ready.at_once(_sketch(scope), answer)
            if chunks is not None:
                answered.count(scope.method, READY, answer.status)
                proto.response_bytes(answer.status, answer.headers, b"".join(chunks))
                return
        environ = _environ(scope)
        loop = asyncio.get_running_loop()
        if environ["REQUEST_METHOD"] in ("GET", "HEAD", "OPTIONS") and not _has_body(environ):
            body = await loop.run_in_executor(self._readers, self._ask, environ, answer)
            proto.response_bytes(answer.status, answer.headers, body)
            return
        sent = Body(proto)
        try:
            rest = await self._receive(environ, sent)
        except Refused as refused:
            self._refuse(proto, refused.status, refused.words)
            return
        if rest:
            environ["wsgi.input"] = io.BufferedReader(Upload(sent, loop))
        body = await loop.run_in_executor(self._writers, self._ask, environ, answer)
        if rest and "HTTP_EXPECT" not in environ:
            await _drop(sent)
        proto.response_bytes(answer.status, answer.headers, body)

    async def _receive(self, environ: WSGIEnvironment, sent: Body) -> bool:
        """Read what may be read before anybody is asked; whether there is more. Raises Refused."""
        sender = environ["REMOTE_ADDR"] if self._direct else ""
        if sender and self._sending[sender] >= MOST_AT_ONCE:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "Too many forms are on their way from here.")
        self._sending[sender] += 1
        try:
            return await self._take_in(environ, sent)
        except TimeoutError:
            raise Refused(
                HTTPStatus.REQUEST_TIMEOUT, "The form did not arrive in time. Send it again."
            ) from None
        except EOFError:
            raise Refused(HTTPStatus.BAD_REQUEST, "The form did not arrive whole. Send it again.") from None
        finally:
            self._sending[sender] -= 1
            if not self._sending[sender]:
                del self._sending[sender]

    async def _take_in(self, environ: WSGIEnvironment, sent: Body) -> bool:
        """Read a body of at most `most` bytes; whether there is more. Raises TimeoutError and EOFError."""
        declared = environ.get("CONTENT_LENGTH", "")
        if declared.isdigit() and int(declared) > self._most:
            environ["wsgi.input"] = io.BytesIO()
            return True  # most are refused for their length alone; a file is read by whoever lets it in
        body, wanted = bytearray(), int(declared) if declared.isdigit() else None
        async with asyncio.timeout(BODY_SECONDS):
            while len(body) <= self._most and len(body) != wanted and (piece := await sent.piece()):
                body += piece
        environ["wsgi.input"] = io.BytesIO(body)
        if wanted is not None and len(body) < wanted:
            raise EOFError
        is_long = len(body) > self._most  # and nobody said so: that is more than anybody takes
        environ["CONTENT_LENGTH"] = str(sys.maxsize if is_long else len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return is_long

    def _ask(self, environ: WSGIEnvironment, answer: Answer) -> bytes:
        """What the portal says, in a thread."""
        chunks = self._portal(environ, answer)
        try:
            return b"".join(chunks)
        finally:
            if close := getattr(chunks, "close", None):
                close()

    def _refuse(self, proto: Proto, status: HTTPStatus, words: str) -> None:
        headers = [
            *self._headers,
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
        ]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append(("Retry-After", "30"))
        answered.count("POST", "-", status)
        log.warning("a body was given up", extra={"status": status.value})
        proto.response_bytes(status, headers, f"{words}\n".encode())


class Upload(io.RawIOBase):
    """A long body, read piece by piece on the loop for a thread that wants it, no slower than SLOWEST_UPLOAD."""

    def __init__(self, sent: Body, loop: asyncio.AbstractEventLoop) -> None:
        self._sent, self._loop, self._left = sent, loop, b""
        self._seconds, self._is_over = BODY_SECONDS, False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes; raises TimeoutError when they come too slowly."""
        if not self._left and not self._is_over:
            begun = self._loop.time()
            coming = asyncio.run_coroutine_threadsafe(self._sent.piece(), self._loop)
            self._left = coming.result(max(0.0, self._seconds))
            self._seconds += len(self._left) / SLOWEST_UPLOAD - (self._loop.time() - begun)
            self._is_over = not self._left
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


async def _drop(sent: Body) -> None:
    """Read some of what nobody wants: a connection closed on a sender who still sends takes our answer with it."""
    dropped = 0
    with suppress(TimeoutError, EOFError):
        async with asyncio.timeout(DROP_SECONDS):
            while dropped < MOST_DROPPED and (piece := await sent.piece()):
                dropped += len(piece)


def _has_body(environ: WSGIEnvironment) -> bool:
    return environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ


def _sketch(scope: Any) -> WSGIEnvironment:
    """As much of an environ as a ready page asks for."""
    headers = scope.headers
    hosts = headers.get_all("host")
    return {
        "REQUEST_METHOD": scope.method,
        "QUERY_STRING": scope.query_string,
        "PATH_INFO": scope.path,
        "HTTP_HOST": hosts[0] if len(hosts) == 1 else "",
        "HTTP_COOKIE": headers.get("cookie", ""),
        "HTTP_ACCEPT_ENCODING": headers.get("accept-encoding", ""),
        "HTTP_IF_NONE_MATCH": headers.get("if-none-match"),
        "HTTP_RANGE": headers.get("range"),
        "HTTP_IF_RANGE": headers.get("if-range"),
    }


def _environ(scope: Any) -> WSGIEnvironment:
    """PEP 3333's environ of one request (RSGI's path is decoded already)."""
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    environ["SERVER_NAME"], _, environ["SERVER_PORT"] = scope.server.rpartition(":")
    for name, value in scope.headers.items():
        if "_" in name:  # it would pass for the header that a proxy sets
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if key in environ:  # RFC 9110, 5.3; RFC 6265, 5.4
            value = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
        environ[key] = value
    return environ
