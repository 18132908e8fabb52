"""What people come for, with the keyboard alone: each stop is seen, in the page's order, and none is left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask_babel import force_locale, gettext
from sqlalchemy import select

from portal.db import db
from portal.intake.models import Request, Status
from portal.newsletter.models import State, Subscriber
from portal.people.models import User
from tests.scenes import link_in
from tests.stage import PASSWORD, READING, Stage, Theatre, has_focus

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("scenes-public")]

LINK, BUTTON, BOX, RADIO = {"a"}, {"submit"}, {"checkbox"}, {"radio"}
TEXT = {"text", "email", "tel", "password", "search", "textarea", "select-one"}
MOST = 200  # presses of Tab on one walk; no page has that many stops

# Where the focus is and what is wrong there. `way` is 1 after Tab, -1 after Shift+Tab, 0 after anything else.
STOP = """(way) => {
  const e = document.activeElement, before = window.stopBefore;
  if (!e || e === document.body) return { name: "", kind: "", group: "", faults: ["nothing has the focus"] };
  window.stopBefore = e;
  const faults = [];
  const words = (x) => (x ? x.textContent : "").replace(/\\s+/g, " ").trim();
  const comes = (x, y) => Boolean(x.compareDocumentPosition(y) & Node.DOCUMENT_POSITION_FOLLOWING);
  const isStop = (x) => {
    if (x.closest(":disabled, [type=hidden], .trap")) return false;
    if (!x.checkVisibility({ visibilityProperty: true })) return false;
    if (x.type !== "radio") return true;
    const group = [...x.form.querySelectorAll("[type=radio]")].filter((y) => y.name === x.name);
    return x === (group.find((y) => y.checked) || group[0]);
  };
  if (way) {
    const [first, last] = way > 0 ? [before, e] : [e, before];
    if (first && last && !comes(first, last)) faults.push("out of the page's order, or met twice");
    else {
      const controls = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")];
      const missed = controls.find((x) => (!first || comes(first, x)) && (!last || comes(x, last)) && isStop(x));
      if (missed) faults.push(`passed over ${missed.outerHTML.slice(0, 120)}`);
    }
  }
  const has = (x) => {
    const style = x && getComputedStyle(x);
    return x && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  };
  if (!has(e) && !has(e.closest(".door, .option"))) faults.push("shows no ring");
  const box = e.getClientRects()[0] || new DOMRect();  // of a high one the browser shows a part
  const middle = (from, to, end) => (Math.max(from, 0) + Math.min(to, end)) / 2;
  const x = middle(box.left, box.right, innerWidth), y = middle(box.top, box.bottom, innerHeight);
  const at = document.elementFromPoint(x, y);
  const isClear = at && (e.contains(at) || [...(e.labels || [])].some((label) => label.contains(at)));
  if (!isClear) faults.push(at ? `covered by ${at.outerHTML.slice(0, 120)}` : "out of sight");
  return {
    name: e.getAttribute("aria-label") || (e.labels && e.labels.length ? words(e.labels[0]) : words(e)),
    kind: e.type || e.localName,
    group: words(e.closest("fieldset")?.querySelector("legend")),
    faults,
  };
}"""
# A walk starts where the page, or a link within it, put the focus; says whether it did.
REST = """() => {
  const e = document.activeElement;
  window.stopBefore = e === document.body ? null : e;
  return window.stopBefore !== null;
}"""


class Keys:
    """Somebody without a mouse. Controls are found by walking to them, by the words a screen reader says."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.page = stage, stage.page

    def follow(self, link: str) -> Keys:
        """Open a link of this page."""
        return self._to(link, LINK)._leave("Enter")

    def press(self, button: str, *, back: bool = False) -> Keys:
        """Press a button, no sooner than a person would."""
        self.stage.wait(seconds=READING)
        return self._to(button, BUTTON, back=back)._leave("Space")

    def type(self, label: str, text: str) -> Keys:
        """Fill in a field, or choose from a list by its first letters."""
        self._to(label, TEXT).page.keyboard.type(text)
        return self

    def tick(self, *labels: str, back: bool = False) -> Keys:
        """Tick boxes."""
        for label in labels:
            self._to(label, BOX, back=back).page.keyboard.press("Space")
            assert self.asks("document.activeElement.checked"), label
        return self

    def choose(self, group: str, label: str) -> Keys:
        """Choose one of several: Tab to the group, arrows within."""
        stop = self._walk(lambda stop: stop["kind"] in RADIO and stop["group"] == group, group)
        first = stop["name"]
        if first == label:
            self.page.keyboard.press("Space")
        while stop["name"] != label:
            self.page.keyboard.press("ArrowDown")
            stop = self.here()
            assert stop["name"] != first, f"{label} is not one of {group}"
        assert self.asks("document.activeElement.checked"), label
        return self

    def passes(self, button: str) -> Keys:
        """Go as far as a button and do not press it."""
        return self._to(button, BUTTON)

    def skips(self, link: str) -> Keys:
        """The page's first stop leads past its head."""
        assert self._step()["name"] == link
        self.page.keyboard.press("Enter")
        self.page.evaluate(REST)
        return self

    def here(self, way: int = 0) -> dict[str, Any]:
        """What has the focus, which is as it should be."""
        stop: dict[str, Any] = self.page.evaluate(STOP, way)
        assert not stop["faults"], f"{self.page.url}: {stop['name']!r}: {', '.join(stop['faults'])}"
        return stop

    def asks(self, script: str) -> Any:
        """Something about the page."""
        return self.page.evaluate(script)

    def _to(self, name: str, kinds: set[str], *, back: bool = False) -> Keys:
        self._walk(lambda stop: stop["name"] == name and stop["kind"] in kinds, name, back=back)
        return self

    def _walk(
        self, is_it: Callable[[dict[str, Any]], bool], wanted: str, *, back: bool = False
    ) -> dict[str, Any]:
        passed: list[str] = []
        for _ in range(MOST):
            try:
                stop = self._step(back=back)
            except AssertionError as fault:
                raise AssertionError(f"{fault}\non the way to {wanted!r}, after {passed}") from fault
            if is_it(stop):
                return stop
            passed.append(stop["name"])
        raise AssertionError(f"{self.page.url}: no {wanted!r} among {passed}")

    def _step(self, *, back: bool = False) -> dict[str, Any]:
        self.page.keyboard.press("Shift+Tab" if back else "Tab")
        return self.here(-1 if back else 1)

    def _leave(self, key: str) -> Keys:
        with self.page.expect_navigation():
            self.page.keyboard.press(key)
        if self.page.evaluate(REST):
            self.here()
        return self


def test_a_prescriber_asks_without_a_mouse(stage: Callable[..., Stage], house: Theatre) -> None:
    asking = stage(scripts=False, width=390)
    keys = Keys(asking.open("/"))

    keys.follow("For prescribers").press("I am a health professional: continue")
    keys.follow("Ask a pharmacist").press("Continue")
    assert asking.status == 422
    has_focus(asking.page, "#errors")
    keys.follow("Select what you need help with")
    has_focus(asking.page, "[name=topics]")
    keys.tick("Interactions").type("Your question", "Which interval do you advise after tramadol?")
    keys.type("Your name", "Ana Ruiz").type("Credentials (optional)", "MD").type("NPI", "123-456-7893")
    keys.type("Practice (optional)", "Diablo Family Practice")
    keys.type("State you are licensed in (optional)", "California")
    keys.tick("I am asking on behalf of a prescriber").type("Name of the person who asks", "Sam Lee")
    keys.type("Work email of the person who asks", "sam@clinic.example")
    keys.type("Work email", "ana@clinic.example").choose("How should we answer you?", "Phone")
    keys.type("Phone, only if you want a call", "925-555-0100").choose("Best time to call", "Midday")
    keys.tick("You may leave a message at this number").press("Continue")
    keys.press("Send my question")

    assert re.search(r"/r/[\w-]{30,}$", asking.page.url)
    assert "We have your question" in asking.page.inner_text("main")
    with house.app.app_context():
        asked = db.session.scalars(select(Request).order_by(Request.id.desc()).limit(1)).one()
        assert (asked.name, asked.delegate_name, asked.state) == ("Ana Ruiz", "Sam Lee", "CA")
        assert (asked.contact_method, asked.contact_window, asked.leave_message) == ("phone", "midday", True)
        assert asked.status == Status.NEW


@pytest.mark.parametrize(("lang", "path"), [("en", "/newsletter"), ("es", "/es/boletin")])
def test_a_patient_signs_up_pauses_and_leaves_without_a_mouse(
    lang: str, path: str, stage: Callable[..., Stage], house: Theatre
) -> None:
    address = "rosa@mail.example"

    def say(words: str) -> str:
        with house.app.app_context(), force_locale(lang):
            return gettext(words)

    def state() -> State | None:
        with house.app.app_context():
            return db.session.scalars(select(Subscriber.state).filter_by(address=address)).one_or_none()

    reader = stage()
    keys = Keys(reader.open(path))

    keys.type(say("Your email address"), address).passes(say("Sign up"))
    keys.tick(say("New research"), back=True).press(say("Sign up"))
    assert state() in (None, State.PENDING)
    reader.open(link_in(house.mails()[-1], "/newsletter/confirm/"))
    keys.press(say("Yes, sign me up"))
    assert state() == State.ACTIVE
    reader.open(link_in(house.mails()[-1], "/newsletter/preferences/"))
    keys.press(say("Pause for 30 days"))
    assert state() == State.PAUSED
    keys.press(say("Stop all emails"))

    assert keys.asks("document.documentElement.lang") == lang
    assert state() == State.UNSUBSCRIBED


def test_the_keys_of_the_desk_act_once_they_are_on(stage: Callable[..., Stage]) -> None:
    ada = stage()
    page = ada.as_staff("Ada").open("/staff/requests?status=new").page
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.closest('tr')") is None, "off at first"
    ada.open("/staff/requests/keys").press("Switch the keys on")
    ada.open("/staff/requests?status=new")
    rows = page.locator(".queue tbody th a")
    first, second = rows.nth(0).inner_text(), rows.nth(1).inner_text()

    for key in "jjkj":
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.textContent") == second
    page.keyboard.press("/")
    page.keyboard.type("jk")
    assert page.locator("#q").input_value() == "jk", "no key acts while one writes"
    rows.nth(0).focus()
    with page.expect_navigation():
        page.keyboard.press("c")
    assert f"{first} is yours now." in page.locator(".notice.ok").inner_text()
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == second, "it goes on where one was"
    with page.expect_navigation():
        page.keyboard.press("o")
    page.keyboard.press("n")
    has_focus(page, "#note-text")
    page.keyboard.type("?")
    assert page.locator("#note-text").input_value() == "?"
    page.locator("h1").click()
    page.evaluate("document.activeElement.blur()")
    with page.expect_navigation():
        page.keyboard.press("?")
    assert "/staff/requests/keys" in page.url


def test_staff_answer_without_a_mouse(stage: Callable[..., Stage], house: Theatre) -> None:
    ada = stage()
    keys = Keys(ada.open("/staff/login"))

    keys.type("Email", "ada@pharmacy.example").type("Password", PASSWORD).press("Sign in")
    keys.type("Code", house.code_of("Ada")).press("Continue")
    keys.skips("Skip to main content")
    has_focus(ada.page, "#main")
    reference = ada.page.locator("main tr", has_text="Nobody").first.get_by_role("link").inner_text()
    keys.follow(reference).press("Claim")
    keys.type("Answer", "At least 7 to 10 days. The label says so.").press("Send answer and close")
    with house.app.app_context():
        asked = db.session.scalars(select(Request).filter_by(reference=reference)).one()
        assert asked.status == Status.CLOSED
        assert db.session.get_one(User, asked.owner_id).name.startswith("Ada")
    keys.press("Sign out", back=True)

    assert "/staff/login" in ada.page.url
    assert ada.open("/staff/requests").page.url.startswith(f"{house.base}/staff/login")
