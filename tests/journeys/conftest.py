"""A real portal and a real browser for the journeys."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from portal import clock
from tests.browser_tools import ARGUMENTS, axe, chromium
from tests.figures import is_full
from tests.firefox import Firefox, firefox
from tests.journeys.rounds import Sink
from tests.live import Live
from tests.stage import Stage, Theatre, leave_by

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WAIT_FOR_MAIL = 30  # seconds
READING = 2.1  # seconds, a little more than the sign-up asks for


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    path = chromium()
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Web server and worker, mail as files."""
    live = Live(tmp_path_factory.mktemp("portal") / "instance").migrate()
    live.start_web(wait=False)
    live.start_worker()
    live.wait_until_up()
    yield live
    live.stop()


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A mail server that takes everything."""
    with Sink() as made:
        yield made


class Person:
    """Somebody at a browser: their pages are held to the accessibility rules, and talk to nobody else."""

    def __init__(self, context: BrowserContext, portal: Live) -> None:
        self.portal = portal
        self.opened = 0.0
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._asked)

    def open(self, path: str) -> Person:
        """Go to one of our addresses."""
        self.page.goto(path if path.startswith("http") else f"{self.portal.base}{path}")
        self.opened = time.monotonic()
        return self

    def reads(self) -> Person:
        """Have had the page before them for as long as a person needs; a robot that is quicker gets no mail."""
        time.sleep(max(0.0, self.opened + READING - time.monotonic()))
        return self

    def press(self, name: str) -> Person:
        """Press a button."""
        leave_by(self.page.get_by_role("button", name=name, exact=True))
        return self

    def follow(self, name: str) -> Person:
        """Follow a link in the page's text or its head."""
        leave_by(self.page.get_by_role("link", name=name, exact=True).first)
        return self

    def type(self, label: str, text: str) -> Person:
        """Fill a field, found by its label."""
        self.page.get_by_label(label, exact=True).fill(text)
        return self

    def tick(self, *labels: str) -> Person:
        """Choose boxes or radio buttons."""
        for label in labels:
            self.page.get_by_label(label, exact=True).check()
        return self

    def sees(self, *sentences: str) -> Person:
        """These can be read."""
        text = " ".join(self.page.inner_text("main").split())
        for sentence in sentences:
            assert sentence in text, f"{sentence!r} is not in: {text[:1200]}"
        return self

    def check(self) -> Person:
        """The page fits its width and called nobody; in full, nothing that axe-core knows of is wrong with it.

        In the suite axe-core is asked of every scene (`test_scenes.py`), and each of these pages is one.
        """
        if is_full():
            self._ask_axe()
        width = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert width <= 0, f"{self.page.url} scrolls sideways by {width} px"
        assert not self.complaints, self.complaints
        return self

    def _ask_axe(self) -> None:
        script = axe()
        if script is None:
            pytest.skip("no axe-core here: npm ci in tests/tools")
        self.page.evaluate(script)
        options = json.dumps({"runOnly": RULES, "resultTypes": ["violations"], "preload": False})
        found: Any = self.page.evaluate(f"axe.run(document, {options})")
        wrong = [
            f"{item['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
            for item in found["violations"]
            for node in item["nodes"]
        ]
        assert not wrong, f"{self.page.url}\n" + "\n".join(wrong)

    def _heard(self, message: Any) -> None:
        if message.type == "error" and "422" not in message.text and "404" not in message.text:
            self.complaints.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.portal.base, "data:")):
            self.complaints.append(f"asked {request.url}")


@pytest.fixture
def person(browser: Browser, portal: Live) -> Iterator[Callable[..., Person]]:
    """Makes people: `person(width=390, scripts=False, dark=True)`."""
    contexts: list[BrowserContext] = []

    def make(*, width: int = 1280, scripts: bool = True, dark: bool = False) -> Person:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        return Person(context, portal)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def mail_to(portal: Live) -> Callable[[str, str], EmailMessage]:
    """Wait for the next mail to an address whose subject holds some words."""
    seen: set[Path] = set()

    def wait(address: str, words: str) -> EmailMessage:
        end = time.monotonic() + WAIT_FOR_MAIL
        while time.monotonic() < end:
            for file in sorted((portal.folder / "mail").glob("*.eml")):
                if file in seen:
                    continue
                mail = message_from_bytes(file.read_bytes(), policy=policy.default)
                if mail["To"] == address and words.lower() in str(mail["Subject"]).lower():
                    seen.add(file)
                    return mail
            time.sleep(0.1)
        raise AssertionError(f"no mail to {address} about {words!r}: {portal.logged()[-2000:]}")

    return wait


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Theatre:
    """The portal of this process, closed: see `tests/stage.py`."""
    return Theatre.built(tmp_path_factory.mktemp("theatre"))


@pytest.fixture(scope="package")
def house(theatre: Theatre) -> Iterator[Theatre]:
    """It is open, and the clock is its own, while tests of this package run one after another."""
    with theatre.playing():
        yield theatre


@pytest.fixture(autouse=True)
def time_as_it_is(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The theatre's clock holds for who plays there: others talk to processes that have the machine's."""
    if "house" not in request.fixturenames:
        monkeypatch.setattr(clock, "source", clock._system)


@pytest.fixture(scope="package")
def fox(house: Theatre, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """One window of Firefox for all that is done in it."""
    with firefox(tmp_path_factory.mktemp("firefox"), house.base) as found:
        if found is None:
            pytest.skip("no Firefox here: apt-get install firefox-esr")
        yield found


@pytest.fixture(scope="package")
def stages(house: Theatre, browser: Browser) -> Iterator[dict[bool, Stage]]:
    """One browser with scripts and one without, for all scenes."""
    found: dict[bool, Stage] = {}
    yield found
    for each in found.values():
        each.close()


@pytest.fixture
def stage(house: Theatre, browser: Browser, stages: dict[bool, Stage]) -> Callable[..., Stage]:
    """Clears the stage: `stage(scripts=False, width=390)`."""
    house.set_back()

    def make(*, scripts: bool = True, width: int = 1280) -> Stage:
        if scripts not in stages:
            stages[scripts] = Stage(house, browser, scripts=scripts)
        return stages[scripts].clear(width=width)

    return make
