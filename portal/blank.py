"""The page of an empty form: bytes kept for a minute, with holes for what is one visitor's.

All that two visitors of an empty form see differently is the pair of tokens in it and the cookie that one of them is
bound to. So the page is rendered once, cut where its tokens stand, and joined again around fresh ones before Flask
(`ready.py`): the cut is by position, so nothing a page says can be taken for a hole. What the page promises by the
clock ("answer by …") is true for the minute in which it was rendered, and so long it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import AnyStr, Self
from wsgiref.types import StartResponse, WSGIEnvironment

from portal import tokens
from portal.clock import now
from portal.settings import Settings

CSRF_PURPOSE = "csrf"
HOLES = "portal.holes"  # where a view leaves them, in its request's environment
COOKIE_LENGTH = len(tokens.new_token())

Headers = list[tuple[str, str]]


def csrf_token(config: Settings, cookie: str) -> str:
    """The token that belongs to a visitor's form cookie (OWASP: signed double submit)."""
    return tokens.derive(config.SECRET_KEY, CSRF_PURPOSE, cookie)


def form_token(config: Settings, purpose: str, *, age: float = 0.0) -> str:
    """A token for one view of a form, as if it had been shown `age` seconds ago."""
    return tokens.stamp(config.SECRET_KEY, purpose, at=now().timestamp() - age)


def is_cookie(value: str) -> bool:
    """Whether a form cookie has the shape of ours; any other is replaced."""
    return len(value) == COOKIE_LENGTH and value.isascii()


def cookie_of(header: str, name: str) -> str:
    """The first value of that name in a Cookie header (RFC 6265, 4.2.1), or nothing."""
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""


def set_cookie(config: Settings, value: str) -> str:
    """The Set-Cookie header of a new form cookie (RFC 6265, 4.1)."""
    return f"{config.form_cookie}={value}; {'Secure; ' if config.is_secure else ''}HttpOnly; Path=/; SameSite=Lax"


@dataclass(frozen=True)
class Holes:
    """What one rendered page holds of its visitor."""

    config: Settings
    purpose: str  # of its form token
    csrf_token: str
    form_token: str


class Blank:
    """One empty form, ready to be answered to anybody within its minute."""

    gated = False

    def __init__(self, headers: Headers, parts: Sequence[bytes], holes: Holes) -> None:
        self._headers, self._parts = headers, parts
        self._config, self._purpose = holes.config, holes.purpose
        self._minute = minute()

    @classmethod
    def cut(cls, headers: Iterable[tuple[str, str]], body: bytes, holes: Holes) -> Self | None:
        """The page around its two tokens, or None when they do not stand in it once each, in the usual order."""
        parts = cut(body, (holes.form_token.encode(), holes.csrf_token.encode()))
        kept = [pair for pair in headers if pair[0].lower() not in ("content-length", "set-cookie")]
        return cls(kept, parts, holes) if parts else None

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes] | None:
        """200 with tokens of this visitor's own, or None when the minute is over."""
        if minute() != self._minute:
            return None
        headers = list(self._headers)
        cookie = cookie_of(environ.get("HTTP_COOKIE", ""), self._config.form_cookie)
        if not is_cookie(cookie):
            cookie = tokens.new_token()
            headers.append(("Set-Cookie", set_cookie(self._config, cookie)))
        first, second, third = self._parts
        token, csrf = form_token(self._config, self._purpose), csrf_token(self._config, cookie)
        body = b"".join((first, token.encode(), second, csrf.encode(), third))
        headers.append(("Content-Length", str(len(body))))
        start_response("200 OK", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def cut(page: AnyStr, marks: Sequence[AnyStr]) -> list[AnyStr] | None:
    """What stands around these marks; None when they do not stand there once each, in this order."""
    parts: list[AnyStr] = []
    rest = page
    for mark in marks:
        part, found, rest = rest.partition(mark)
        if not found or page.count(mark) != 1:
            return None
        parts.append(part)
    parts.append(rest)
    return parts


def minute() -> int:
    """The minute of the clock: so long a kept page says the truth."""
    return int(now().timestamp() // 60)
