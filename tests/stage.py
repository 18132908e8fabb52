"""A portal in this process, with its demo world and a clock that stands, played by a real browser.

The scenes of `tests/scenes.py` are set on it: a test looks at each in every light, `tests/screenshots.py` photographs
them. Pages come over a socket from the same application that production serves, so headers, cookies, focus and print
are the browser's own; only the time and the data are ours. Before each scene the world is as it was planted.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask_migrate import upgrade
from playwright.sync_api import Browser, Locator, Page, Response, expect
from sqlalchemy import Connection, event, select
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wsgi import ClosingIterator

from config import Config
from portal import clock, seed
from portal.app import create_app
from portal.db import db, transaction
from portal.people.models import User
from portal.signin import codes, passwords
from portal.worker import Worker
from tests import totp, world
from tests.browser_tools import axe
from tests.conftest import no_sync
from tests.live import ROOT, free_port
from tests.pages import Visitor

LOOK = ROOT / "tests" / "journeys" / "look.js"
TOOLS = "/tests/tools.js"
# A Wednesday, 10 am in San Ramon, in the week before Thanksgiving.
NOW = datetime(2026, 11, 18, 18, 0, tzinfo=UTC)
PASSWORD = "seven quiet herons wade at dawn"  # of a portal that is thrown away
READING = 5  # seconds on our clock between seeing a form and sending it
SETTINGS = {
    **world.SETTINGS,
    "ORG_NAME": "San Ramon Compounding",
    "ORG_FAX": "925-555-0101",
    "ORG_HOLIDAYS": "2026-11-26,2026-12-25,2027-01-01",
}


class Theatre:
    """The portal behind the stage: one for many scenes."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.base = f"http://localhost:{self.port}"  # a name: browsers make no passkeys for a number
        self.folder = folder
        self.at = NOW
        self._calm, self._asked = threading.Condition(), 0
        settings = {**SETTINGS, "INSTANCE_DIR": str(folder), "BASE_URL": self.base}
        self.app: Flask = create_app(Config.from_env(settings))
        self.staff: Flask = self.app.extensions["staff"]
        self.database = folder / "portal.db"
        for face in (self.app, self.staff):
            with face.app_context():
                event.listen(db.engine, "connect", no_sync)
        with self.app.app_context():
            upgrade()
            for _line in seed.plant():
                pass
        self._give_passwords()
        self._let_go()
        shutil.copy(self.database, self.database.with_suffix(".planted"))
        tools = axe()
        self.tools = f"{tools};{LOOK.read_text()}".encode() if tools else b""

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Theatre]:
        """Build it, and open it for as long as the block lasts."""
        with cls.built(folder).playing() as house:
            yield house

    @classmethod
    def built(cls, folder: Path) -> Theatre:
        """Planted at NOW, and closed: what takes seconds is done once for all who play there."""
        with _own_time(lambda: NOW):
            return cls(folder)

    @contextmanager
    def playing(self) -> Iterator[Theatre]:
        """Open for as long as the block lasts, as it was planted; the portal's clock is ours meanwhile."""
        self.set_back()
        server = make_server("127.0.0.1", self.port, self._serve, threaded=True, request_handler=_Quiet)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        with _own_time(lambda: self.at):
            thread.start()
            yield self
            server.shutdown()
            thread.join()
            server.server_close()
            self._let_go()

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The portal, and beside it what `look.js` needs, which the browser then fetches and compiles but once."""
        if environ["PATH_INFO"] != TOOLS:
            return self._answer(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/javascript"), ("Cache-Control", "max-age=3600")])
        return [self.tools]

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The portal's whole answer; who asks while the world is set back waits for that, and the other way round."""
        with self._calm:
            self._asked += 1
        try:
            with closing(ClosingIterator(self.app(environ, start_response))) as answer:
                return [b"".join(answer)]
        finally:
            with self._calm:
                self._asked -= 1
                self._calm.notify_all()

    def lock(self) -> None:
        """From now on nothing can be saved, until the next scene."""
        for face in (self.app, self.staff):
            with face.app_context():
                event.listen(db.engine, "begin", _refuse)

    def set_back(self) -> None:
        """The world as it was planted; a page that asks by itself may be open still."""
        with self._calm:
            self._calm.wait_for(lambda: not self._asked, 20)
            self._set_back()

    def _set_back(self) -> None:
        self.at = NOW
        for face in (self.app, self.staff):
            with face.app_context():
                if event.contains(db.engine, "begin", _refuse):
                    event.remove(db.engine, "begin", _refuse)
        self._let_go()
        for suffix in ("-wal", "-shm"):
            Path(f"{self.database}{suffix}").unlink(missing_ok=True)
        shutil.copy(self.database.with_suffix(".planted"), self.database)
        for name in ("mail", "replies"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.app.extensions["throttle"].clear()
        if self.app.extensions["office"].number:  # of what a scene saved
            self.app.extensions["office"].look()
            self.app.extensions["ready"].drop()

    def mails(self) -> list[EmailMessage]:
        """Let the worker do all that is due; every mail since the scene began, oldest first."""
        with self.app.app_context():
            Worker().run_once()
        files = sorted(
            (self.folder / "mail").glob("*.eml"), key=lambda path: int(path.stem.rpartition("-")[2])
        )
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]

    def session_of(self, name: str, **more: Any) -> tuple[str, str]:
        """The cookie of a member of staff, by first name, who is signed in with both factors."""
        with self.staff.app_context(), transaction():
            user = db.session.scalars(select(User).where(User.name.startswith(name))).one()
            value = world.sign_in(user, **more)
        return self.staff.session_interface.get_cookie_name(self.staff), value  # type: ignore[attr-defined]

    def code_of(self, name: str) -> str:
        """What that person's authenticator shows now."""
        with self.staff.app_context():
            user = db.session.scalars(select(User).where(User.name.startswith(name))).one()
            key = codes.key(user.totp_secret or "")
        return totp.code(key, self.at.timestamp())

    def _give_passwords(self) -> None:
        """Grace and Ada have joined; Dee's link is still on its way."""
        with self.staff.app_context(), transaction():
            for user in db.session.scalars(select(User).where(User.roles != frozenset({"desk"}))):
                user.password = passwords.hashed(PASSWORD)
                user.totp_secret = codes.new_secret()

    def _let_go(self) -> None:
        for face in (self.app, self.staff):
            with face.app_context():
                db.session.remove()
                db.engine.dispose()


@contextmanager
def _own_time(source: Callable[[], datetime]) -> Iterator[None]:
    """The portal's clock tells this, and passwords cost next to nothing."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", quick)
        patch.setattr(clock, "source", source)
        yield


class Stage:
    """One browser at one portal: what a scene acts with."""

    def __init__(self, house: Theatre, browser: Browser, *, scripts: bool = True, width: int = 1280) -> None:
        self.house, self.browser = house, browser
        self.context = browser.new_context(
            base_url=house.base,
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
            reduced_motion="reduce",
            locale="en-US",
        )
        self.context.set_default_timeout(20_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.shown: Response | None = None
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)
        self.page.on("dialog", lambda dialog: dialog.accept())  # yes, leave what was typed

    def clear(self, *, width: int = 1280) -> Stage:
        """As it was at first, for the next scene: a new browser for each would take a third of the time."""
        self.context.clear_cookies()
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme="light", forced_colors="none", media="screen")
        self.complaints.clear()
        self.shown = None
        return self

    def close(self) -> None:
        """Close the browser's windows."""
        self.context.close()

    @property
    def status(self) -> int:
        """The HTTP status of the page that stands there."""
        assert self.shown is not None
        return self.shown.status

    @property
    def source(self) -> str:
        """The page as it was sent."""
        assert self.shown is not None
        return self.shown.text()

    def open(self, path: str) -> Stage:
        """Go to one of our addresses."""
        self.page.goto(path)
        return self

    def as_professional(self) -> Stage:
        """Past the gate."""
        self.context.add_cookies([{"name": "professional", "value": "yes", "url": self.house.base}])
        return self

    def as_staff(self, name: str, **session: Any) -> Stage:
        """Signed in."""
        cookie, value = self.house.session_of(name, **session)
        self.context.add_cookies([{"name": cookie, "value": value, "url": self.house.base}])
        return self

    def fill(self, **answers: str) -> Stage:
        """Type into fields, found by their names."""
        for name, words in answers.items():
            self.page.locator(f"main [name='{name}']").first.fill(words)
        return self

    def tick(self, *choices: str) -> Stage:
        """Choose boxes and radio buttons: `name=value`."""
        for choice in choices:
            name, _, value = choice.partition("=")
            self.page.locator(f"main [name='{name}'][value='{value}']").check()
        return self

    def press(self, words: str, *, exact: bool = True) -> Stage:
        """Press the first button with these words, after reading for a while."""
        self.house.at += timedelta(seconds=READING)
        leave_by(self.page.get_by_role("button", name=words, exact=exact).first)
        return self

    def follow(self, words: str) -> Stage:
        """Follow the first link with these words."""
        leave_by(self.page.get_by_role("link", name=words, exact=True).first)
        return self

    def visitor(self) -> Visitor:
        """Somebody else, without a browser: to make the world as the scene needs it."""
        return visitor_of(self.house)

    def wait(self, **time: float) -> Stage:
        """Let time pass on the portal's clock."""
        self.house.at += timedelta(**time)
        return self

    def _heard(self, message: Any) -> None:
        # The browser reports every answer that is no success as an error of the console.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.house.base, "data:")):
            self.complaints.append(f"asked {request.url}")

    def _answered(self, response: Response) -> None:
        if response.request.is_navigation_request() and not 300 <= response.status < 400:
            self.shown = response
        elif response.status >= 400:
            self.complaints.append(f"{response.status} for {response.url}")


def visitor_of(house: Theatre) -> Visitor:
    """Somebody without a browser."""
    visitor = Visitor(house.app, _Hands(house))
    visitor.environ = {"HTTP_HOST": f"localhost:{house.port}"}
    return visitor


class _Hands:
    """The clock as `Visitor` moves it."""

    def __init__(self, house: Theatre) -> None:
        self.house = house

    def __call__(self) -> datetime:
        return self.house.at

    def tick(self, seconds: float = 0, **more: float) -> datetime:
        self.house.at += timedelta(seconds=seconds, **more)
        return self.house.at


def leave_by(control: Locator) -> None:
    """Press what leads to another page, and wait until that stands there.

    A click comes back with the first bytes of the answer, when there may be half a page, or none, to ask about.
    """
    if (control.get_attribute("href") or "").startswith("#"):
        control.click()  # leads to a place on this page, where the page's script may take us itself
        return
    with control.page.expect_navigation():
        control.click()


def has_focus(page: Page, control: str) -> None:
    """Wait until this selector has the focus: Chromium gives it to `autofocus` a moment after loading."""
    expect(page.locator(f"{control}:focus")).to_have_count(1)


def _refuse(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA query_only=ON")


class _Quiet(WSGIRequestHandler):
    """Says nothing, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def log(self, *_args: object) -> None:
        pass
