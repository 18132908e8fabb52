"""Debian's Firefox, driven by its own remote protocol (WebDriver BiDi, https://w3c.github.io/webdriver-bidi/).

No driver program stands between: the browser itself answers on a WebSocket. Clicks and keys are its own input, and an
element can be asked for by what assistive technology is told of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

STARTS_WITHIN = ANSWERS_WITHIN = 60.0  # seconds, generous: the machine may be busy
PREFERENCES = {
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "focusmanager.testmode": True,  # a window that nobody sees has the focus too
    "marionette.port": 0,  # any that is free
    "network.connectivity-service.enabled": False,
    "security.webauth.webauthn_enable_softtoken": True,  # what `Device` is
    "security.webauth.webauthn_enable_usbtoken": False,
    "toolkit.telemetry.enabled": False,
    "ui.prefersReducedMotion": 1,
}
CONTROL, DELETE = "\ue009", "\ue017"  # as WebDriver writes keys (17.4.2)
WITH_WORDS = "].find(one => one.checkVisibility() && one.textContent.trim() === words)"
FIND = {
    "field": "name => document.querySelector(`main [name='${name}']`)",
    "choice": "(name, value) => document.querySelector(`main [name='${name}'][value='${value}']`)",
    "button": "words => [...document.querySelectorAll('button')" + WITH_WORDS,
    "named": "words => [...document.querySelectorAll('button')"
    + WITH_WORDS.replace(" === words", ".startsWith(words)"),
    "link": "words => [...document.querySelectorAll('a[href]')" + WITH_WORDS,
    "summary": "words => [...document.querySelectorAll('summary')" + WITH_WORDS,
}
# In view, and where it was a frame ago: what is typed may still make room for something else above it.
STILL = """async one => {
  const frame = () => new Promise(done => requestAnimationFrame(done));
  for (let tries = 0, before = null; tries < 60; tries += 1) {
    one.scrollIntoView({block: 'center', behavior: 'instant'});
    await frame();
    const {x, y} = one.getBoundingClientRect();
    if (before === `${x} ${y}`) return true;
    before = `${x} ${y}`;
  }
  return false;
}"""
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
TEXT = "() => document.querySelector('main').innerText"


class Remote:
    """One program of Mozilla's that listens."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._last, self._context = socket, 0, ""
        self._ask("session.new", capabilities={})

    def _function(self, function: str, *arguments: dict[str, Any], awaits: bool = False) -> dict[str, Any]:
        found = self._ask(
            "script.callFunction",
            functionDeclaration=function,
            awaitPromise=awaits,
            target={"context": self._context},
            arguments=list(arguments),
        )
        assert found["type"] == "success", found
        result: dict[str, Any] = found["result"]
        return result

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        end = time.monotonic() + ANSWERS_WITHIN
        while time.monotonic() < end:
            answer = self._hear(end - time.monotonic())
            if answer and answer.get("id") == self._last:
                assert answer["type"] == "success", (
                    f"{method}: {answer.get('error')}: {answer.get('message')}"
                )
                result: dict[str, Any] = answer["result"]
                return result
        raise AssertionError(f"no answer to {method}")

    def _hear(self, seconds: float) -> dict[str, Any] | None:
        """The next message."""
        try:
            message: dict[str, Any] = json.loads(self._socket.recv(timeout=seconds))
        except TimeoutError:
            return None
        return message


class Firefox(Remote):
    """One window: it acts as `tests/stage.py` does, as far as the journeys need it."""

    def __init__(self, socket: ClientConnection, base: str, folder: Path) -> None:
        self.base, self.folder, self._loads = base, folder, 0
        self.complaints: list[str] = []
        super().__init__(socket)
        self._ask(
            "session.subscribe",
            events=["browsingContext.load", "log.entryAdded", "network.beforeRequestSent"],
        )
        self._context = self._ask("browsingContext.getTree")["contexts"][0]["context"]

    def forget(self) -> Firefox:
        """Whoever sat there before: no cookie is left."""
        self._ask("storage.deleteCookies")
        self.complaints.clear()
        return self

    def resize(self, width: int) -> Firefox:
        """So wide is the window from now on."""
        self._ask(
            "browsingContext.setViewport", context=self._context, viewport={"width": width, "height": 900}
        )
        return self

    def set_cookie(self, name: str, value: str) -> Firefox:
        """As if one of our pages had."""
        cookie = {
            "name": name,
            "value": {"type": "string", "value": value},
            "domain": urlsplit(self.base).hostname,
            "path": "/",
        }
        self._ask("storage.setCookie", cookie=cookie)
        return self

    def open(self, address: str) -> Firefox:
        """Go to one of our addresses."""
        url = address if address.startswith("http") else f"{self.base}{address}"
        self._ask("browsingContext.navigate", context=self._context, url=url, wait="complete")
        return self

    def fill(self, **answers: str) -> Firefox:
        """Type into fields, found by their names."""
        for name, words in answers.items():
            self._click("field", name)
            assert self._call("() => document.activeElement.name") == name
            self._type(words)
        return self

    def empty(self, name: str) -> Firefox:
        """Take out what stands in a field."""
        self._click("field", name)
        keys = [("keyDown", CONTROL), ("keyDown", "a"), ("keyUp", "a"), ("keyUp", CONTROL)]
        keys += [("keyDown", DELETE), ("keyUp", DELETE)]
        pressed = [{"type": kind, "value": key} for kind, key in keys]
        self._act({"type": "key", "id": "keys", "actions": pressed})
        return self

    def tick(self, *choices: str) -> Firefox:
        """Choose boxes and radio buttons: `name=value`."""
        for choice in choices:
            name, _, value = choice.partition("=")
            self._click("choice", name, value)
            assert self._call("one => one.checked", self._find("choice", name, value)), choice
        return self

    def choose(self, name: str, words: str) -> Firefox:
        """One of a list, by typing what stands there."""
        field = self._find("field", name)
        self._function("one => one.focus()", field)
        self._type(words)
        assert self._call("one => one.selectedOptions[0].text.trim()", field) == words
        return self

    def unfold(self, words: str) -> Firefox:
        """Open what is folded."""
        self._click("summary", words)
        return self

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Behind another tab, as long as the block lasts."""
        other = self._ask("browsingContext.create", type="tab", background=False)["context"]
        assert self._call("() => document.visibilityState") == "hidden"
        yield
        self._ask("browsingContext.close", context=other)
        self._ask("browsingContext.activate", context=self._context)

    def happens(self, kind: str) -> Firefox:
        """An event of the page, as if the browser told of it now."""
        self._function(f"() => document.dispatchEvent(new Event('{kind}'))")
        return self

    def waits_for(self, words: str) -> Firefox:
        """Until a script has put these on the page."""
        end = time.monotonic() + ANSWERS_WITHIN
        while words not in self.text or self._call("() => document.readyState") != "complete":
            assert time.monotonic() < end, f"{words!r} did not come: {self.text[:1200]}"
            time.sleep(0.1)
        self._hear(0.2)  # that it is loaded: no press of ours led there
        return self

    def value(self, name: str) -> str:
        """What stands in a field."""
        return str(self._call("one => one.value", self._find("field", name)))

    def press(self, words: str) -> Firefox:
        """Press a button, and wait for the page it leads to."""
        return self._leave_by("button", words)

    def press_first(self, words: str) -> Firefox:
        """Press the button that begins so."""
        return self._leave_by("named", words)

    def follow(self, words: str) -> Firefox:
        """Follow a link."""
        return self._leave_by("link", words)

    @property
    def text(self) -> str:
        """What can be read in the main part."""
        return " ".join(str(self._call(TEXT)).split())

    def sees(self, *sentences: str) -> Firefox:
        """These can be read; the page fits its width, asked nobody else, and had nothing to complain of."""
        text = self.text
        for sentence in sentences:
            assert sentence in text, f"{sentence!r} is not in: {text[:1200]}"
        assert int(self._call(WIDER)) <= 0, "it scrolls sideways"
        assert not self.complaints, self.complaints
        return self

    def told(self, role: str) -> int:
        """How many elements assistive technology is told of with this role."""
        locator = {"type": "accessibility", "value": {"role": role}}
        return len(self._ask("browsingContext.locateNodes", context=self._context, locator=locator)["nodes"])

    def before(self, selector: str) -> str:
        """What style puts before an element, and after a slash what is told of it (CSS Generated Content 3, 2.1)."""
        style = f"() => getComputedStyle(document.querySelector(`{selector}`), '::before').content"
        return str(self._call(style))

    def _type(self, words: str) -> None:
        keys = [{"type": kind, "value": char} for char in words for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keys", "actions": keys})

    def _leave_by(self, kind: str, words: str) -> Firefox:
        before = self._loads
        self._click(kind, words)
        end = time.monotonic() + ANSWERS_WITHIN
        while self._loads == before and time.monotonic() < end:
            self._hear(0.2)
        assert self._loads > before, f"{words!r} led nowhere"
        return self

    def _click(self, kind: str, *words: str) -> None:
        for left in (2, 1, 0):
            element = self._find(kind, *words)
            assert self._function(STILL, element, awaits=True)["value"], (
                f"{kind} {words} does not come to rest"
            )
            at = {"type": "pointerMove", "x": 0, "y": 0, "origin": {"type": "element", "element": element}}
            press = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
            try:
                self._act({"type": "pointer", "id": "mouse", "actions": [at, *press]})
                return
            except AssertionError as error:  # it moved at the last moment, and nothing was pressed
                if not left or "out of bounds" not in str(error):
                    raise

    def _find(self, kind: str, *words: str) -> dict[str, Any]:
        given = [{"type": "string", "value": each} for each in words]
        found = self._function(FIND[kind], *given)
        assert found["type"] == "node", f"no {kind} {words}"
        return {"sharedId": found["sharedId"]}

    def _act(self, source: dict[str, Any]) -> None:
        self._ask("input.performActions", context=self._context, actions=[source])

    def _call(self, function: str, *arguments: dict[str, Any]) -> Any:
        return self._function(function, *arguments).get("value")

    def _hear(self, seconds: float) -> dict[str, Any] | None:
        """The next message; what is an event is kept."""
        if (message := super()._hear(seconds)) is None:
            return None
        params = message.get("params", {})
        if message.get("method") == "browsingContext.load":
            self._loads += 1
        elif message.get("method") == "log.entryAdded" and params["level"] == "error":
            self.complaints.append(params["text"])
        elif message.get("method") == "network.beforeRequestSent":
            url = params["request"]["url"]
            if not url.startswith((self.base, "data:", "about:")):
                self.complaints.append(f"asked {url}")
        return message


class Device:
    """A phone that holds passkeys and asks who holds it: the authenticator that Firefox keeps for tests.

    WebDriver knows it (WebAuthn 3, section 11) and WebDriver BiDi does not, so it is asked for by what geckodriver
    speaks to Firefox (Marionette), within the session that BiDi opened.
    """

    def __init__(self, folder: Path) -> None:
        port = int((folder / "MarionetteActivePort").read_text())
        self._socket, self._last = socket.create_connection(("127.0.0.1", port), ANSWERS_WITHIN), 0
        self._hear()
        given = {
            "protocol": "ctap2",
            "transport": "internal",
            "isUserConsenting": True,
            "isUserVerified": True,
        }
        given |= {"hasResidentKey": True, "hasUserVerification": True}
        [window] = self._ask("WebDriver:GetWindowHandles")
        self._ask(
            "WebDriver:SwitchToWindow", handle=window, focus=True
        )  # a page without it may ask for no passkey
        self.id = self._ask("WebAuthn:AddVirtualAuthenticator", **given)

    def knows_its_holder(self, yes: bool) -> None:
        """Whether whoever holds it now can unlock it."""
        self._ask("WebAuthn:SetUserVerified", authenticatorId=self.id, isUserVerified=yes)

    def count(self) -> int:
        """How many passkeys are on it."""
        return len(self._ask("WebAuthn:GetCredentials", authenticatorId=self.id))

    def close(self) -> None:
        """Take it away; the session ends with it, so its window is of no more use."""
        self._ask("WebAuthn:RemoveVirtualAuthenticator", authenticatorId=self.id)
        self._socket.close()

    def _ask(self, command: str, **given: object) -> Any:
        self._last += 1
        sent = json.dumps([0, self._last, command, given]).encode()
        self._socket.sendall(b"%d:%b" % (len(sent), sent))
        _type, number, error, result = self._hear()
        assert (number, error) == (self._last, None), error
        return result.get("value") if isinstance(result, dict) else result

    def _hear(self) -> Any:
        """One message: its length, a colon, JSON."""
        length = b""
        while not length.endswith(b":"):
            length += self._socket.recv(1)
        body = b""
        while len(body) < int(length[:-1]):
            body += self._socket.recv(int(length[:-1]) - len(body))
        return json.loads(body)


@contextmanager
def firefox(folder: Path, base: str) -> Iterator[Firefox | None]:
    """Start it with a profile of its own in `folder`, and end it; None where there is none."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        yield None
        return
    with driven([path, "--headless", "--marionette"], folder, PREFERENCES, "about:blank") as socket:
        yield Firefox(socket, base, folder)


@contextmanager
def driven(
    command: Sequence[str], folder: Path, preferences: Mapping[str, object], *shown: str, **env: str
) -> Iterator[ClientConnection]:
    """A program of Mozilla's with a profile of its own in `folder`, which shows something, until the block ends."""
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())
    (folder / "user.js").write_text("".join(lines), "utf-8")
    log = folder / "log"
    options = ["--no-remote", "--profile", str(folder), "--remote-debugging-port=0"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, *options, *shown],
            stdout=out,
            stderr=out,
            env={**os.environ, "HOME": str(folder), **env},
        )
    try:
        with connect(f"{_address(process, log)}/session", max_size=None) as socket:
            yield socket
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"it did not start: {log.read_text(errors='replace')[-500:]}")
