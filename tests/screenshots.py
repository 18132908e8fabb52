"""Photographs the portal as people meet it: `python -m tests.screenshots`, or `make screenshots`.

A real portal on a folder of its own, filled with the demo world of `flask seed`, is walked in Debian's Chromium, and
each page is kept in `docs/screenshots/` as `<page>-desktop.png` (1280 px wide) and `<page>-phone.png` (390 px). The
same walk gives the same pictures, but for the dates and references that the day brings. `--whole` keeps whole pages
instead of what one sees first, for whoever looks for faults.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests import totp
from tests.browser_tools import chromium
from tests.live import ROOT, Live

FOLDER = ROOT / "docs" / "screenshots"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
DESKTOP = (1280, 900)  # CSS pixels
PHONE = (390, 844)
PAPER = (816, 1056)  # US letter at 96 to the inch
PAPER_MARGIN = "0.6in"  # what the stylesheet asks of a printer
TALLEST = 1600  # a phone's picture shows two screens; no picture is taller
A_PERSON_TYPES_FOR = 2.1  # seconds; a form that comes back sooner is taken for a robot's
WAIT = 30  # seconds for a mail
TYPESETTING = 60_000  # milliseconds for the guide
PASSWORD = "seven quiet herons wade at dawn"  # of a portal that is thrown away
ORGANISATION = {
    "ORG_NAME": "San Ramon Compounding",
    "ORG_PHONE": "925-555-0100",
    "ORG_FAX": "925-555-0101",
    "ORG_HOLIDAYS": "2026-11-26,2026-12-25,2027-01-01",
}
QUESTION = (
    "An adult in my practice takes tramadol as needed and wants to start at 1.5 mg. How long an opioid-free interval "
    "do you advise, and would you start lower?"
)


@dataclass
class Camera:
    """Takes pictures of whatever its pages show."""

    portal: Live
    browser: Browser
    folder: Path
    whole: bool = False
    taken: list[Path] = field(default_factory=list)

    def visitor(self) -> Page:
        """Somebody with a browser of their own."""
        context = self.browser.new_context(reduced_motion="reduce", locale="en-US")
        context.set_default_timeout(20_000)
        return context.new_page()

    def open(self, page: Page, path: str) -> Page:
        """Go to one of the portal's addresses, or to one that it mailed or printed."""
        page.goto(path if path.startswith("http") else f"{self.portal.base}{path}")
        return page

    def take(self, page: Page, name: str, *, dark: bool = False) -> None:
        """Two pictures of what stands there: at a desk, and on a phone."""
        page.emulate_media(color_scheme="dark" if dark else "light")
        for kind, size in (("desktop", DESKTOP), ("phone", PHONE)):
            tall = TALLEST if kind == "phone" else size[1]
            self._keep(page, f"{name}-dark-{kind}" if dark else f"{name}-{kind}", size, tall)
        page.emulate_media(color_scheme="light")

    def take_on_paper(self, page: Page, name: str) -> None:
        """One picture of the page as it is printed."""
        page.emulate_media(media="print")
        page.evaluate(f"document.documentElement.style.padding = '{PAPER_MARGIN}'")
        self._keep(page, f"{name}-print", PAPER, PAPER[1])
        page.evaluate("document.documentElement.style.padding = ''")
        page.emulate_media(media="screen")

    def _keep(self, page: Page, name: str, size: tuple[int, int], tall: int) -> None:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.evaluate("window.scrollTo(0, 0)")
        height = int(page.evaluate("document.documentElement.scrollHeight"))
        file = self.folder / f"{name}.png"
        clip = {"x": 0, "y": 0, "width": size[0], "height": height if self.whole else min(height, tall)}
        page.screenshot(path=file, full_page=True, clip=clip)
        self.taken.append(file)

    def mailed(self, address: str, part: str) -> str:
        """The address that holds `part` in a mail to somebody; waits for the mail."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            for file in sorted((self.portal.folder / "mail").glob("*.eml")):
                mail = message_from_bytes(file.read_bytes(), policy=policy.default)
                body = mail.get_body(("plain",))
                words = body.get_content() if body is not None else ""
                found = re.search(rf"https?://\S*{re.escape(part)}\S*", words)
                if mail["To"] == address and found:
                    return found[0].rstrip(".")
            time.sleep(0.2)
        raise AssertionError(f"no mail to {address} with {part}: {self.portal.logged()[-2000:]}")


def press(page: Page, name: str) -> None:
    """Press a button."""
    page.get_by_role("button", name=name, exact=True).first.click()


def fill(page: Page, **answers: str) -> None:
    """Type into fields, found by their names."""
    for name, words in answers.items():
        page.locator(f"main [name={name}]").fill(words)


def public(camera: Camera) -> None:
    """What anybody can read."""
    page = camera.visitor()
    for dark in (False, True):
        camera.take(camera.open(page, "/"), "home", dark=dark)
    camera.take(camera.open(page, "/prescribers"), "gate")
    press(page, "I am a health professional: continue")
    # The guide is typeset when it is first asked for; from then on the page offers it.
    page.request.get(f"{camera.portal.base}/prescribers/guide.pdf", timeout=TYPESETTING)
    for dark in (False, True):
        camera.take(camera.open(page, "/prescribers"), "resource", dark=dark)
    for name, path in (
        ("evidence", "/prescribers/evidence"),
        ("dosing", "/prescribers/dosing"),
        ("patients", "/patients"),
        ("patients-es", "/es/pacientes"),
    ):
        camera.take(camera.open(page, path), name)


def asks(camera: Camera) -> None:
    """A prescriber's question, from a form with faults to the receipt."""
    page = camera.visitor()
    camera.take(camera.open(page, "/requests/resources"), "materials")
    camera.take(camera.open(page, "/requests/consultation"), "consultation")
    fill(page, npi="1234567890", email="ana.ruiz@clinic")
    press(page, "Continue")
    camera.take(page, "consultation-errors")
    page.get_by_label("Interactions", exact=True).check()
    page.get_by_label("Email", exact=True).check()
    fill(page, question=QUESTION, name="Ana Ruiz", credential="NP", npi="123-456-7893")
    fill(page, practice="Diablo Family Practice", email="ana.ruiz@clinic.example")
    time.sleep(A_PERSON_TYPES_FOR)
    press(page, "Continue")
    camera.take(page, "check")
    press(page, "Send my question")
    camera.take(page, "receipt")
    camera.take_on_paper(page, "receipt")


def reads(camera: Camera) -> None:
    """A reader's way from the sign-up form to their choices."""
    page = camera.visitor()
    address = "rosa@mail.example"
    camera.take(camera.open(page, "/es/boletin"), "newsletter-es")
    camera.take(camera.open(page, "/newsletter"), "newsletter")
    fill(page, email=address)
    time.sleep(A_PERSON_TYPES_FOR)
    press(page, "Sign up")
    camera.take(camera.open(page, camera.mailed(address, "/newsletter/confirm/")), "newsletter-confirm")
    press(page, "Yes, sign me up")
    camera.take(camera.open(page, camera.mailed(address, "/newsletter/preferences/")), "preferences")


def works(camera: Camera, links: dict[str, str]) -> None:
    """The staff's side: signing in, the queue, one question, the people."""
    camera.take(camera.open(camera.visitor(), "/staff/login"), "sign-in")
    ada = camera.visitor()
    sign_in(camera, ada, links["Ada"], "ada@pharmacy.example")
    camera.open(ada, "/staff/requests")
    for dark in (False, True):
        camera.take(ada, "queue", dark=dark)
    camera.open(ada, "/staff/requests?kind=consultation&status=new")
    ada.locator("tbody th a").first.click()
    press(ada, "Claim")
    camera.open(ada, ada.url.partition("?")[0])
    camera.take(ada, "request")
    grace = camera.visitor()
    sign_in(camera, grace, links["Grace"], "grace@pharmacy.example")
    camera.take(camera.open(grace, "/staff/people"), "people")


def sign_in(camera: Camera, page: Page, link: str, email: str) -> None:
    """From the one-use link to a session, through the pages that everybody takes."""
    camera.open(page, link)
    fill(page, password=PASSWORD)
    press(page, "Set password")
    fill(page, email=email, password=PASSWORD)
    press(page, "Sign in")
    press(page, "Continue")
    key = re.search(r"Key\s+([A-Z2-7 -]{16,})", page.locator("main dl").inner_text())
    assert key, "the authenticator's key is not on its page"
    fill(page, code=totp.code(key[1].strip(), time.time()))
    press(page, "Finish set-up")
    press(page, "Make recovery codes")


def main() -> None:
    """Take every picture; prints what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    parser.add_argument("--whole", action="store_true", help="whole pages, however tall")
    parser.add_argument("--only", default="", help="one walk: public, asks, reads or works")
    chosen = parser.parse_args()
    browser_path = chromium()
    if browser_path is None:
        sys.exit("no Chromium here: apt-get install chromium")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        portal = Live(Path(folder) / "instance", **ORGANISATION).migrate()
        try:
            printed = portal.flask("seed")
            links = dict(re.findall(r"^ +(\w+) .*?(https?://\S+)$", printed, re.MULTILINE))
            portal.start_web()
            portal.start_worker()
            browser = playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
            camera = Camera(portal, browser, chosen.folder, chosen.whole)
            walks: dict[str, Callable[[], None]] = {
                "public": lambda: public(camera),
                "asks": lambda: asks(camera),
                "reads": lambda: reads(camera),
                "works": lambda: works(camera, links),
            }
            for name, walk in walks.items():
                if chosen.only in ("", name):
                    walk()
            browser.close()
        finally:
            portal.stop()
    size = sum(file.stat().st_size for file in camera.taken)
    sys.stdout.write(f"{len(camera.taken)} pictures, {size / 2**20:.1f} MB, in {chosen.folder}\n")


if __name__ == "__main__":
    main()
