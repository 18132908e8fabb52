"""Staff sessions: rows in the database, so that each can be seen and ended; the cookie is 32 random bytes.

The database knows only the SHA-256 of the cookie. A session is over after 30 minutes without a request and 12
hours after sign-in; between password and second factor it lives 10 minutes. At sign-in, at a new password and
when the password is given again, it gets a new id (no fixation, ASVS 7.2.4). Five for each person; the oldest ends.

Somebody who merely looks has no row: their cookie is a signed value that can hold one thing, the secret of the
form's CSRF token. Reading never writes, but for `seen_at`, at most once a minute.
"""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, Request, Response, request
from flask.sessions import SessionInterface, SessionMixin
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from portal import tokens
from portal.clock import now
from portal.db import db, is_storage_fault, transaction
from portal.errors import Unavailable
from portal.people.models import StaffSession
from portal.people.service import IDLE

log = logging.getLogger(__name__)

ABSOLUTE = timedelta(hours=12)
BETWEEN_FACTORS = timedelta(minutes=10)
TOUCH_EVERY = timedelta(minutes=1)
ANONYMOUS_SECONDS = 24 * 60 * 60  # as long as a form's token (web.set_up)
MOST_OF_ONE_PERSON = 5
ID_BYTES = 32

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
ANONYMOUS = ("csrf_token",)
# All that a row keeps; what else libraries put into a session ends with the request.
KEPT = (
    *ANONYMOUS,
    "_user_id",  # Flask-Login: the fs_uniquifier of who is signed in
    "fs_paa",  # Flask-Security: when the password was last given
    "second_factor",  # ours: the id of the person who passed it
    "tf_user_id",  # Flask-Security, between the factors
    "tf_state",
    "tf_primary_method",
    "tf_totp_secret",
    "tries",  # ours: wrong codes so far
)
NEW_ID_WHEN_CHANGED = ("_user_id", "tf_user_id", "fs_paa")


class Session(dict[str, Any], SessionMixin):
    """What one request knows of its session, and as what it was loaded."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        super().__init__(data or {})
        self.loaded = dict(self)
        self.row_id: int | None = None
        self.created_at: datetime | None = None
        self.expires_at: datetime | None = None
        self.seen_at: datetime | None = None
        self.is_broken = False  # the storage could not be asked
        self.needs_new_id = False

    def undo(self) -> None:
        """Forget what this request changed: its work was rolled back."""
        self.clear()
        self.update(self.loaded)
        self.needs_new_id = False

    @property
    def kept(self) -> dict[str, Any]:
        """What outlives the request."""
        return {name: self[name] for name in KEPT if name in self}


class Sessions(SessionInterface):
    """Loads and keeps staff sessions for the staff app."""

    def open_session(self, app: Flask, request: Request) -> Session:
        """The session that the cookie names; an empty one when it names none, or one that is over."""
        value = request.cookies.get(self.get_cookie_name(app), "")
        if not value:
            return Session()
        if "." in value:
            return _read_anonymous(app, value)
        try:
            return _load(value)
        except DBAPIError as error:
            if not is_storage_fault(error):
                raise
            session = Session()
            session.is_broken = True
            return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Keep what changed. When that cannot be stored, the answer becomes the page that says so."""
        if not isinstance(session, Session) or session.is_broken:
            return
        response.vary.add("Cookie")
        try:
            self._keep(app, session, response)
        except Unavailable as error:
            failed = app.make_response(app.handle_user_exception(error))
            response.headers.pop("Location", None)
            response.status_code = failed.status_code
            response.headers.update(failed.headers)
            response.set_data(failed.get_data())

    def _keep(self, app: Flask, session: Session, response: Response) -> None:
        kept = session.kept
        if request.method in SAFE_METHODS and session.row_id is not None:
            _touch(session)
        elif request.method in SAFE_METHODS or not ("_user_id" in kept or "tf_user_id" in kept):
            if session.row_id is not None:
                _end(session)
            self._keep_anonymous(app, session, response)
        elif session.needs_new_id or any(
            kept.get(name) != session.loaded.get(name) for name in NEW_ID_WHEN_CHANGED
        ):
            self._send(app, response, _renew(session, kept))
        elif kept != session.loaded:
            _write(session, kept)
        else:
            _touch(session)

    def _keep_anonymous(self, app: Flask, session: Session, response: Response) -> None:
        held = {name: session[name] for name in ANONYMOUS if name in session}
        if held and (session.row_id is not None or held != session.loaded):
            self._send(app, response, str(_signer(app).dumps(held)))
        elif not held and request.cookies.get(self.get_cookie_name(app)):
            self._send(app, response, None)

    def _send(self, app: Flask, response: Response, value: str | None) -> None:
        """Set the cookie, for as long as the browser is open; None takes it away."""
        response.set_cookie(
            self.get_cookie_name(app),
            value or "",
            max_age=0 if value is None else None,
            path="/",
            secure=self.get_cookie_secure(app),
            httponly=True,
            samesite="Lax",
        )


def _signer(app: Flask) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(app.extensions["settings"].signing_keys, salt="staff-anonymous")


def _read_anonymous(app: Flask, value: str) -> Session:
    try:
        data = _signer(app).loads(value, max_age=ANONYMOUS_SECONDS)
    except BadData:
        return Session()
    return Session({name: data[name] for name in ANONYMOUS if name in data})


def _load(value: str) -> Session:
    at = now()
    query = select(
        StaffSession.id,
        StaffSession.data,
        StaffSession.created_at,
        StaffSession.expires_at,
        StaffSession.seen_at,
    ).where(
        StaffSession.digest == tokens.digest(value),
        StaffSession.expires_at > at,
        StaffSession.seen_at > at - IDLE,
    )
    found = db.session.execute(query).one_or_none()
    if found is None:
        return Session()
    session = Session(found.data)
    session.row_id, session.created_at = found.id, found.created_at
    session.expires_at, session.seen_at = found.expires_at, found.seen_at
    return session


def _touch(session: Session) -> None:
    at = now()
    if session.seen_at is None or at - session.seen_at < TOUCH_EVERY:
        return
    try:
        with transaction():
            db.session.execute(
                update(StaffSession).where(StaffSession.id == session.row_id).values(seen_at=at)
            )
    except Unavailable:
        log.warning("a session's last use was not noted")


def _write(session: Session, kept: dict[str, Any]) -> None:
    with transaction():
        db.session.execute(
            update(StaffSession).where(StaffSession.id == session.row_id).values(data=kept, seen_at=now())
        )


def _end(session: Session) -> None:
    with transaction():
        db.session.execute(delete(StaffSession).where(StaffSession.id == session.row_id))


def _renew(session: Session, kept: dict[str, Any]) -> str | None:
    """Put the session under a new id with a new CSRF secret; None when it was ended meanwhile."""
    at, value = now(), secrets.token_urlsafe(ID_BYTES)
    user_id: int | None = kept.get("second_factor") if "_user_id" in kept else None
    is_same_person = user_id is not None and session.loaded.get("second_factor") == user_id
    lifetime = ABSOLUTE if "_user_id" in kept else BETWEEN_FACTORS
    with transaction():
        if session.row_id is not None:
            ended = db.session.execute(delete(StaffSession).where(StaffSession.id == session.row_id))
            if not (isinstance(ended, CursorResult) and ended.rowcount):
                return None
        if user_id is not None:
            _make_room(user_id)
        db.session.execute(
            insert(StaffSession).values(
                digest=tokens.digest(value),
                user_id=user_id,
                data={**kept, "csrf_token": secrets.token_hex(20)},
                browser=browser_words(request.user_agent.string),
                created_at=session.created_at if is_same_person else at,
                seen_at=at,
                expires_at=session.expires_at if is_same_person else at + lifetime,
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
