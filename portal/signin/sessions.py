"""Staff sessions: rows in the database, so that each can be seen and ended; the cookie is 32 random bytes.

The database knows only the SHA-256 of the cookie. A session is over after 30 minutes without a request and 12
hours after sign-in; between password and second factor it lives 10 minutes. At each step of signing in, at a new
password or authenticator and when the password is given again, it gets a new id (no fixation, ASVS 7.2.4). Five for
each person; the oldest ends.

Who changes a session does so by the verbs here, inside the view's transaction; the cookie goes out with the answer
that `answer` was given, so that none is sent for a row that was rolled back. Somebody who merely looks has no row:
their cookie is a signed value that can hold one thing, the secret of the form's CSRF token. Reading never writes, but
for `seen_at`, at most once a minute.
"""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from flask import Flask, Request, Response, request
from flask import session as flask_session
from flask.sessions import SessionInterface, SessionMixin
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import CursorResult, Row, bindparam, delete, insert, select, update
from sqlalchemy.exc import DBAPIError
from werkzeug import Response as AnyResponse

from portal import tokens
from portal.clock import now
from portal.db import db, is_storage_fault, transaction
from portal.errors import Conflict, Unavailable
from portal.people.models import IDLE, StaffSession, User
from portal.settings import settings

log = logging.getLogger(__name__)

ABSOLUTE = timedelta(hours=12)
BETWEEN_FACTORS = timedelta(minutes=10)
TOUCH_EVERY = timedelta(minutes=1)
ANONYMOUS_SECONDS = 24 * 60 * 60  # as long as a form's token (web.set_up)
MOST_OF_ONE_PERSON = 5
ID_BYTES = 32
ANONYMOUS = "csrf_token"  # all that the cookie of somebody who looks can hold; the name is Flask-WTF's

IS_OVER = "This sign-in was finished or ended elsewhere meanwhile. Sign in again."


class Session(dict[str, Any], SessionMixin):
    """What one request knows of its session, and as what row it was loaded.

    A row keeps: `csrf_token`; `key`, the person's session key; `user`, their id; `password_at`, when they last gave
    their password; `secret`, of an authenticator app that is being set up; `tries`, wrong codes so far; `challenge`,
    that a passkey is to sign; `adding`, a passkey that is being added.
    """

    def __init__(self, data: dict[str, Any] | None = None, row: Row[Any] | None = None) -> None:
        super().__init__(data or {})
        self.loaded = dict(self)
        self.row = row
        self.owner: User | None = None  # whose it is, as long as its key is theirs and they may sign in
        self.is_broken = False  # the storage could not be asked
        self.is_answered = False  # the view has seen to the cookie

    @property
    def row_id(self) -> int | None:
        """The row's id, by which a page tells this session from the others."""
        return self.row.id if self.row else None

    @property
    def is_whole(self) -> bool:
        """Whether both factors were passed in it."""
        return self.row is not None and self.row.user_id is not None


def this() -> Session:
    """The session of the current request."""
    return cast(Session, flask_session)


# ---- Verbs, in the caller's transaction; each that returns a cookie's value wants `answer` for it


def begin(user_id: int, key: str, *, at: datetime) -> str:
    """The password was right: a new session that can do nothing but ask for the second factor.

    `key` is the session key that stood beside the password; when it is another one by now, this opens nothing.
    """
    end()
    return _insert({"key": key, "user": user_id}, at=at, expires_at=at + BETWEEN_FACTORS)


def begin_passkey(challenge: str, *, at: datetime, lasts: timedelta) -> str:
    """A new session that can do nothing but wait for a passkey to sign that."""
    end()
    return _insert({"challenge": challenge}, at=at, expires_at=at + lasts)


def complete(user: User, *, at: datetime, key: str | None = None) -> str:
    """Both factors were passed: a new id, and a whole session. Raises Conflict when the first half has ended.

    With `key`, the session key that stood beside their passkey, no password was given: what needs it will ask.
    """
    _need(end())
    _make_room(user.id)
    data = {"key": this()["key"], "password_at": at.timestamp()} if key is None else {"key": key}
    return _insert(data, at=at, expires_at=at + ABSOLUTE, user_id=user.id)


def renew(*, at: datetime, **changes: Any) -> str:
    """The same session under a new id, with these changes. Raises Conflict when it was ended meanwhile."""
    session, row = this(), this().row
    _need(end())
    data = {name: session[name] for name in ("key", "password_at") if name in session} | changes
    return _insert(
        data,
        at=at,
        expires_at=row.expires_at if row else at,
        user_id=row.user_id if row else None,
        created_at=row.created_at if row else at,
    )


def put(*, at: datetime, **changes: Any) -> None:
    """Keep something more in it."""
    session = this()
    query = update(StaffSession).where(StaffSession.id == session.row_id)
    db.session.execute(query.values(data=session.loaded | changes, seen_at=at))


def end() -> bool:
    """End it; whether it was still there."""
    ended = db.session.execute(delete(StaffSession).where(StaffSession.id == this().row_id))
    return isinstance(ended, CursorResult) and ended.rowcount > 0


def answer(response: AnyResponse, cookie: str | None) -> AnyResponse:
    """The answer to somebody whose session has another id now, or (None) has ended."""
    _send(response, cookie)
    this().is_answered = True
    return response


def leave_alone() -> None:
    """This request is no use of the session: nobody pressed anything."""
    this().is_answered = True


def _need(was_there: bool) -> None:
    if not was_there:
        raise Conflict(IS_OVER)


def _insert(
    data: dict[str, Any],
    *,
    at: datetime,
    expires_at: datetime,
    user_id: int | None = None,
    created_at: datetime | None = None,
) -> str:
    value = secrets.token_urlsafe(ID_BYTES)
    db.session.execute(
        insert(StaffSession).values(
            digest=tokens.digest(value),
            user_id=user_id,
            data={**data, ANONYMOUS: secrets.token_hex(20)},
            browser=browser_words(request.user_agent.string),
            created_at=created_at or at,
            seen_at=at,
            expires_at=expires_at,
        )
    )
    return value


def _make_room(user_id: int) -> None:
    """End the oldest sessions of somebody, so that with one more they have no more than they may."""
    query = (
        select(StaffSession.id)
        .where(StaffSession.user_id == user_id)
        .order_by(StaffSession.seen_at.desc(), StaffSession.id.desc())
        .offset(MOST_OF_ONE_PERSON - 1)
    )
    if surplus := db.session.scalars(query).all():
        db.session.execute(delete(StaffSession).where(StaffSession.id.in_(surplus)))


# ---- What Flask asks of it


class Sessions(SessionInterface):
    """Loads staff sessions for the staff app, and sees to the cookie of who merely looks."""

    def get_cookie_name(self, app: Flask) -> str:
        """A host cookie where pages are reached by HTTPS."""
        name: str = app.extensions["settings"].staff_cookie
        return name

    def open_session(self, app: Flask, request: Request) -> Session:
        """The session that the cookie names; an empty one when it names none, or one that is over."""
        value = request.cookies.get(self.get_cookie_name(app), "")
        if not value:
            return Session()
        if "." in value:
            return _read_anonymous(value)
        try:
            return _load(value)
        except DBAPIError as error:
            if not is_storage_fault(error):
                raise
            session = Session()
            session.is_broken = True
            return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Note the use of a row; keep or take away the cookie of who merely looks."""
        if not isinstance(session, Session) or session.is_broken:
            return
        response.vary.add("Cookie")
        if session.is_answered:
            return
        if session.row is not None:
            _touch(session.row)
        elif ANONYMOUS not in session:
            if request.cookies.get(self.get_cookie_name(app)):
                _send(response, None)
        elif session != session.loaded:
            _send(response, str(_signer().dumps({ANONYMOUS: session[ANONYMOUS]})))


def _send(response: AnyResponse, value: str | None) -> None:
    """Set the cookie, for as long as the browser is open; None takes it away."""
    response.set_cookie(
        settings().staff_cookie,
        value or "",
        max_age=0 if value is None else None,
        path="/",
        secure=settings().is_secure,
        httponly=True,
        samesite="Lax",
    )


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings().signing_keys, salt="staff-anonymous")


def _read_anonymous(value: str) -> Session:
    try:
        data = _signer().loads(value, max_age=ANONYMOUS_SECONDS)
    except BadData:
        return Session()
    return Session({ANONYMOUS: data[ANONYMOUS]} if ANONYMOUS in data else None)


def _load(value: str) -> Session:
    told = {"digest": tokens.digest(value), "at": now(), "since": now() - IDLE}
    found = db.session.execute(_lasting(), told).one_or_none()
    if found is None:
        return Session()
    session = Session(found.data, found)
    owner = found.User if found.user_id else db.session.get(User, session.get("user", 0))
    if owner is not None and owner.active and owner.session_key == session.get("key"):
        session.owner = owner
    return session


@lru_cache  # to write it down takes longer than to ask it
def _lasting() -> Any:
    row = StaffSession
    query = select(row.id, row.user_id, row.data, row.created_at, row.seen_at, row.expires_at, User)
    is_this = row.digest == bindparam("digest")
    lasts = row.expires_at > bindparam("at"), row.seen_at > bindparam("since")
    return query.outerjoin(User, User.id == row.user_id).where(is_this, *lasts)


def _touch(row: Row[Any]) -> None:
    at = now()
    if at - row.seen_at < TOUCH_EVERY:
        return
    try:
        with transaction():
            db.session.execute(update(StaffSession).where(StaffSession.id == row.id).values(seen_at=at))
    except Unavailable:
        log.warning("a session's last use was not noted")


def browser_words(user_agent: str) -> str:
    """`Firefox on Windows`: enough to tell one's own sessions apart, too little to tell people apart."""
    browser = _first(
        user_agent, {"Firefox/": "Firefox", "Edg": "Edge", "Chrom": "Chrome", "Safari/": "Safari"}
    )
    system = _first(
        user_agent,
        {"Windows": "Windows", "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Mac OS": "Mac"}
        | {"CrOS": "Chromebook", "Linux": "Linux"},
    )
    return " on ".join(part for part in (browser or "A browser", system) if part)


def _first(text: str, words: dict[str, str]) -> str:
    return next((word for mark, word in words.items() if mark in text), "")
