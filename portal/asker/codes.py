"""Codes that open one request, and the pass that a right one gives its browser.

Whoever has a receipt's address has no more than that; what was asked and answered is for whoever reads the mail that
the answer goes to. A code counts once, for 15 minutes and 5 tries; a newer one makes the older ones void. Why none is
right (wrong, used, too old, tried too often) nobody is told.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from portal import addresses, audit, text, tokens
from portal.asker.models import RequestCode
from portal.db import db
from portal.desk.actors import ASKER
from portal.intake.models import Request
from portal.mail import promise as mail
from portal.settings import Settings

DIGITS = 8
LASTS = timedelta(minutes=15)
TRIES = 5
ON_ITS_WAY = timedelta(minutes=1)  # pressed again so soon, the code that is on its way is the one
READS_FOR = timedelta(hours=1)
WRITES_FOR = timedelta(hours=24)  # what was typed meanwhile is taken, though no more is shown
COOKIE = "reading"
TYPED_MOST = 10_000
_TYPED = re.compile(r"[\s.\-]+")


def send(request: Request, *, at: datetime) -> None:
    """Promise a mail with a code to where the answer goes, in the caller's transaction."""
    mine = select(RequestCode).where(RequestCode.request_id == request.id, RequestCode.used_at.is_(None))
    if db.session.scalar(mine.where(RequestCode.made_at > at - ON_ITS_WAY, RequestCode.tries == 0).limit(1)):
        return
    unused = (RequestCode.request_id == request.id, RequestCode.used_at.is_(None))
    db.session.execute(delete(RequestCode).where(*unused))
    seed = tokens.new_token()
    db.session.add(RequestCode(request_id=request.id, seed=seed, made_at=at, tries=0))
    facts = {"seed": seed, "reference": request.reference}
    mail.promise("asker/code", to=request.reply_email, facts=facts, cause=request.subject, at=at)


def is_right(request: Request, typed: str, *, keys: Sequence[str], at: datetime) -> bool:
    """Whether this is the code that was sent; every try counts, so the caller commits it either way."""
    live = (
        RequestCode.request_id == request.id,
        RequestCode.made_at > at - LASTS,
        RequestCode.used_at.is_(None),
        RequestCode.tries < TRIES,
    )
    tried = update(RequestCode).where(*live).values(tries=RequestCode.tries + 1)
    found = db.session.execute(tried.returning(RequestCode.id, RequestCode.seed)).all()
    given = _TYPED.sub("", text.bare(typed)).encode("utf-8", "replace")
    right = [
        row.id
        for row in found
        if any(hmac.compare_digest(code_of(row.seed, key).encode(), given) for key in keys)
    ]
    if not right:
        return False
    used = update(RequestCode).where(RequestCode.id == right[0], RequestCode.used_at.is_(None))
    if db.session.scalar(used.values(used_at=at).returning(RequestCode.id)) is None:
        return False  # another press was first
    audit.record(ASKER, "request.unlocked", request.subject, at=at)
    return True


def code_of(seed: str, key: str) -> str:
    """The digits that belong to a seed."""
    digest = hashlib.sha256(tokens.derive(key, "asker/code", seed).encode()).digest()
    return f"{int.from_bytes(digest) % 10**DIGITS:0{DIGITS}}"


def in_groups(code: str) -> str:
    """A code as people read it."""
    return f"{code[:4]} {code[4:]}"


def set_cookie(config: Settings, request: Request, token: str, *, at: datetime) -> str:
    """The Set-Cookie header that lets this browser read this one request."""
    value = tokens.stamp(config.SECRET_KEY, _purpose(request), at=at.timestamp())
    where = f"Path={addresses.RECEIPT.of(token=token)}; HttpOnly; SameSite=Lax"
    secure = "; Secure" if config.is_secure else ""
    return f"{COOKIE}={value}; Max-Age={int(WRITES_FOR.total_seconds())}; {where}{secure}"


def age(config: Settings, request: Request, cookie: str, *, at: datetime) -> timedelta | None:
    """How long ago the code was entered in the browser that brings this; None when it was not."""
    seconds = tokens.stamp_age(config.keys, _purpose(request), cookie, at=at.timestamp())
    return None if seconds is None else timedelta(seconds=seconds)


def _purpose(request: Request) -> str:
    """For this request, and for who reads its mail: after another address got the answer it opens nothing."""
    return f"reading/{request.id}/{tokens.digest(request.reply_email.casefold())}"
