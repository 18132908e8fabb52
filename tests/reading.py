"""A stage without a browser: a scene is acted by requests alone, and its page read as it was sent.

It acts as `tests/stage.py` does, as far as HTML alone tells how. What only a browser can do raises NeedsBrowser.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urljoin

from bs4 import Tag
from werkzeug.test import TestResponse

from tests.pages import Page, Visitor, local, words
from tests.stage import READING, Theatre, visitor_of


class NeedsBrowser(Exception):
    """This cannot be done, or not be known, without one."""


class Reader:
    """Somebody who reads what is sent, and sends what a browser would."""

    def __init__(self, house: Theatre) -> None:
        self.house = house
        self._visitor = visitor_of(house)
        self._shown: _Shown | None = None
        self.page = _Address()

    def __getattr__(self, name: str) -> Any:
        raise NeedsBrowser(name)

    @property
    def status(self) -> int:
        """The HTTP status of the page that was sent."""
        return self._page.status

    @property
    def source(self) -> str:
        """The page as it was sent."""
        return self._page.response.text

    @property
    def lang(self) -> str:
        """The language that it says it is in."""
        assert self._page.soup.html is not None
        return str(self._page.soup.html["lang"])

    def open(self, path: str) -> Reader:
        """Go to one of our addresses."""
        if not path.startswith(("/", self.house.base)):
            raise NeedsBrowser(path)
        return self._show(path, self._visitor.get(local(path)))

    def as_professional(self) -> Reader:
        """Past the gate."""
        return self._with("professional", "yes")

    def as_staff(self, name: str, **session: Any) -> Reader:
        """Signed in."""
        return self._with(*self.house.session_of(name, **session))

    def fill(self, **answers: str) -> Reader:
        """Type into fields, found by their names."""
        for name, text in answers.items():
            if self._page.soup.select_one(f"main [name='{name}']") is None:
                raise NeedsBrowser(name)
            self._page.set(**{name: text})
        return self

    def tick(self, *choices: str) -> Reader:
        """Choose boxes and radio buttons: `name=value`."""
        for choice in choices:
            name, _, value = choice.partition("=")
            boxes = self._page.soup.select(f"main [name='{name}']")
            chosen = [box for box in boxes if box.get("value") == value]
            assert chosen, f"no {choice}"
            ticked = self._page.typed(name) or [box["value"] for box in boxes if box.has_attr("checked")]
            is_radio = chosen[0].get("type") == "radio"
            self._page.set(**{name: [value] if is_radio else [*ticked, value]})
        return self

    def press(self, text: str, *, exact: bool = True) -> Reader:
        """Press the first button with these words, after reading for a while."""
        self.house.at += timedelta(seconds=READING)
        form, pressed = self._page.button(text, exact=exact)
        if form.get("enctype"):
            raise NeedsBrowser("a file")
        address, sent = self._page.data(words(pressed))
        if form.get("method", "get").lower() == "get":
            return self.open(f"{local(address).partition('?')[0]}?{urlencode(sent, doseq=True)}")
        return self._show(address, self._visitor.post(local(address), data=sent))

    def follow(self, text: str) -> Reader:
        """Follow the first link with these words."""
        found = [a["href"] for a in self._page.soup.find_all("a", href=True) if words(a) == text]
        assert found, f"no link {text!r}"
        return self.open(urljoin(self.page.url, found[0]))

    def visitor(self) -> Visitor:
        """Somebody else."""
        return visitor_of(self.house)

    def wait(self, **time: float) -> Reader:
        """Let time pass on the portal's clock."""
        self.house.at += timedelta(**time)
        return self

    @property
    def _page(self) -> _Shown:
        if self._shown is None:
            raise NeedsBrowser("no page yet")
        return self._shown

    def _with(self, name: str, value: str) -> Reader:
        self._visitor.client.set_cookie(name, value, domain="localhost", path="/")
        return self

    def _show(self, address: str, response: TestResponse) -> Reader:
        while response.status_code in (301, 302, 303):
            address = urljoin(urljoin(self.house.base, address), response.headers["Location"])
            response = self._visitor.get(local(address))
        self.page.url = urljoin(self.house.base, address)
        self._shown = _Shown(self._visitor, local(self.page.url), response)
        return self


class _Address:
    """Where the page is; no more is known of it here."""

    url = "about:blank"

    def __getattr__(self, name: str) -> Any:
        raise NeedsBrowser(name)


class _Shown(Page):
    """A page of which only those buttons are pressed that can be seen."""

    def typed(self, name: str) -> list[str]:
        """What was chosen so far."""
        return self._typed.get(name, [])

    def button(self, text: str, *, exact: bool = True) -> tuple[Tag, Tag]:
        """The first that can be seen, with its form."""
        for button in self.soup.find_all("button"):
            said = words(button)
            if (said == text or (not exact and text.lower() in said.lower())) and _is_seen(button):
                form = self.soup.find(id=button["form"]) if button.get("form") else button.find_parent("form")
                if form is None:
                    raise NeedsBrowser(f"{text} does something by a script")
                return form, button
        raise NeedsBrowser(f"no button {text!r} in sight")

    def _button(self, text: str) -> tuple[Tag, Tag]:
        return self.button(text)


def _is_seen(element: Tag) -> bool:
    """Whether it is in no part that is folded or hidden."""
    folded = any(not one.has_attr("open") for one in element.find_parents("details"))
    hidden = element.has_attr("hidden") or element.find_parent(attrs={"hidden": True}) is not None
    return not folded and not hidden
