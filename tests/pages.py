"""A visitor who reads pages, fills fields by their label and presses buttons, with CSRF on.

Every page it opens must satisfy what every page promises; the bar stands here, so that no test has to remember it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from bs4 import BeautifulSoup, Tag
from flask import Flask
from werkzeug.test import Client, TestResponse

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
READING_SECONDS = 5  # a person needs them between seeing a form and sending it


class Visitor:
    """One browser: its cookies, and the way it sends forms."""

    def __init__(self, app: Flask, clock: Any, **environ: str) -> None:
        self.client: Client = app.test_client()
        self.clock = clock
        self.environ = {"HTTP_HOST": "localhost:8000", **environ}

    def open(self, address: str, *, status: int = 200, method: str = "GET", **kwargs: Any) -> Page:
        """Open an address; it must answer with `status`."""
        response = self.client.open(
            address, method=method, environ_base=self.environ, base_url="http://localhost:8000", **kwargs
        )
        assert response.status_code == status, f"{address}: {response.status} {response.text[:300]}"
        return Page(self, address, response)

    def post(self, address: str, data: Any = None, **kwargs: Any) -> TestResponse:
        """Post plainly, without a page."""
        return self.client.post(
            address, data=data, environ_base=self.environ, base_url="http://localhost:8000", **kwargs
        )

    def get(self, address: str, **kwargs: Any) -> TestResponse:
        """Get plainly."""
        return self.client.get(address, environ_base=self.environ, base_url="http://localhost:8000", **kwargs)


class Page:
    """An answer, read as a person reads it."""

    def __init__(self, visitor: Visitor, address: str, response: TestResponse) -> None:
        self.visitor, self.address, self.response = visitor, address, response
        self.status = response.status_code
        is_text = response.mimetype != "application/pdf"
        body = response.get_data(as_text=True) if is_text else ""
        self.soup = read(body, self.status if response.mimetype == "text/html" else None)
        self._typed: dict[str, list[str]] = {}

    @property
    def title(self) -> str:
        """The heading."""
        return words(self.soup.h1)

    @property
    def text(self) -> str:
        """What stands in the main part."""
        return words(self.soup.main or self.soup)

    @property
    def errors(self) -> dict[str, str]:
        """The error summary: field id → sentence."""
        return {a["href"].removeprefix("#"): words(a) for a in self.soup.select("#errors a[href^='#']")}

    def sees(self, *sentences: str) -> Page:
        """Assert that each of these can be read here."""
        for sentence in sentences:
            assert sentence in self.text, f"{sentence!r} is not in: {self.text[:1500]}"
        return self

    def lacks(self, *sentences: str) -> Page:
        """Assert that none of these can be read here."""
        for sentence in sentences:
            assert sentence not in self.text, f"{sentence!r} is in the page"
        return self

    def fill(self, label: str, *values: str) -> Page:
        """Type into (or choose in) the field with that label; for boxes and radios, the option's label."""
        control = self._control(label)
        name = control["name"]
        if control.name == "select":
            options = {words(option): option.get("value", "") for option in control.find_all("option")}
            self._typed[name] = [options.get(value, value) for value in values]
        elif control.get("type") == "checkbox":
            self._typed.setdefault(name, []).append(control.get("value", "y"))
        elif control.get("type") == "radio":
            self._typed[name] = [control.get("value", "")]
        else:
            self._typed[name] = list(values)
        return self

    def set(self, **values: str | list[str]) -> Page:
        """Set fields by name."""
        for name, value in values.items():
            self._typed[name] = [value] if isinstance(value, str) else list(value)
        return self

    def data(self, button: str) -> tuple[str, dict[str, list[str]]]:
        """Where pressing that button would post, and what: of a field that is not the button's form's, nothing."""
        form, pressed = self._button(button)
        sent: dict[str, list[str]] = {}
        controls = ["input", "textarea", "select"]
        joined = self.soup.find_all(controls, form=form["id"]) if form.get("id") else []
        inside = [one for one in form.find_all(controls) if one.get("form") in (None, form.get("id"))]
        for control in [*inside, *joined]:
            for value in _rendered(control):
                sent.setdefault(control["name"], []).append(value)
        owned = {one.get("name") for one in [*inside, *joined]}
        foreign = {one.get("name") for one in self.soup.find_all(controls)} - owned
        sent.update({name: typed for name, typed in self._typed.items() if name not in foreign})
        if pressed.get("name"):
            sent[pressed["name"]] = [pressed.get("value", "")]
        action = pressed.get("formaction") or form.get("action") or self.address
        return urljoin(self.address, action), sent

    def press(
        self, button: str, *, status: int | None = None, follow: bool = True, wait: float = READING_SECONDS
    ) -> Page:
        """Send the form that holds this button, after reading for a while; follows one redirect to its page."""
        address, sent = self.data(button)
        self.visitor.clock.tick(wait)
        response = self.visitor.post(address, data=sent)
        if status is not None:
            assert response.status_code == status, f"{response.status}: {response.text[:1500]}"
        if follow and response.status_code in (302, 303):
            return self.visitor.open(local(response.headers["Location"]))
        return Page(self.visitor, address, response)

    def follow(self, link: str) -> Page:
        """Click the link with those words."""
        found = [a for a in self.soup.find_all("a", href=True) if words(a) == link]
        assert found, f"no link {link!r}; there are {[words(a) for a in self.soup.find_all('a')]}"
        return self.visitor.open(urljoin(self.address, found[0]["href"]))

    def _control(self, label: str) -> Tag:
        for element in self.soup.find_all("label"):
            if words(element).removesuffix(" (optional)") == label:
                control = self.soup.find(id=element["for"])
                assert control is not None
                return control
        raise AssertionError(
            f"no field {label!r}; there are {[words(e) for e in self.soup.find_all('label')]}"
        )

    def _button(self, text: str) -> tuple[Tag, Tag]:
        found = [b for b in self.soup.find_all("button") if words(b) == text]
        assert found, f"no button {text!r}; there are {[words(b) for b in self.soup.find_all('button')]}"
        form = self.soup.find(id=found[0]["form"]) if found[0].get("form") else found[0].find_parent("form")
        assert form is not None
        return form, found[0]


class _Kept(Tag):
    """An element of a page that other tests read too: who changes it must have made a `copy` first."""

    def _is_mine(self) -> None:
        assert not vars([self, *self.parents][-1]).get("is_kept"), (
            "others read this page: change a copy of it"
        )

    def extract(self, _self_index: int | None = None) -> Any:
        """Refused; `decompose`, `replace_with`, `unwrap` and `wrap` come here."""
        self._is_mine()
        return super().extract(_self_index)

    def insert(self, position: int, *new_children: Any) -> Any:
        """Refused; `append`, `extend` and `insert_before` come here."""
        self._is_mine()
        return super().insert(position, *new_children)

    def clear(self, decompose: bool = False) -> None:
        """Refused; to give it a `string` comes here."""
        self._is_mine()
        super().clear(decompose)

    def __setitem__(self, key: str, value: Any) -> None:
        self._is_mine()
        super().__setitem__(key, value)


@lru_cache(maxsize=64)
def read(body: str, status: int | None) -> BeautifulSoup:
    """Parse, and check what is a page (it has a status); the same bytes once. Nobody can change what they get."""
    soup = BeautifulSoup(body, "html.parser", element_classes={Tag: _Kept})
    if status is not None:
        check_page(soup, status)
    soup.is_kept = True
    return soup


def words(element: Tag | None) -> str:
    """The text of an element with its white space folded."""
    return " ".join(element.get_text(" ").split()) if element else ""


def local(address: str) -> str:
    """The part of an address after the host."""
    parts = urlsplit(address)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _rendered(control: Tag) -> Iterable[str]:
    """What a browser would send of a control nobody touched."""
    if not control.get("name"):
        return
    kind = control.get("type", "text")
    if control.name == "textarea":
        yield control.get_text().removeprefix("\n")
    elif control.name == "select":
        options = control.find_all("option")
        chosen = [option for option in options if option.has_attr("selected")] or options[:1]
        for option in chosen:
            yield option.get("value", words(option))
    elif kind in ("checkbox", "radio"):
        if control.has_attr("checked"):
            yield control.get("value", "on")
    elif kind not in ("submit", "button"):
        yield control.get("value", "")


def check_page(soup: BeautifulSoup, status: int) -> None:
    """What every page promises, whatever it says."""
    elements = soup.find_all(True)
    named: dict[str, list[Tag]] = {}
    for element in elements:
        named.setdefault(element.name, []).append(element)
    html = soup.html
    assert html is not None and html.get("lang") in ("en", "es"), "a page says its language"
    headings = named.get("h1", [])
    assert len(headings) == 1, f"one h1, not {len(headings)}"
    title = words(soup.title)
    assert words(headings[0]) in title, f"the title {title!r} says what the heading says"
    ids = [element["id"] for element in elements if "id" in element.attrs]
    assert len(ids) == len(set(ids)), f"ids are unique: {sorted(i for i in ids if ids.count(i) > 1)}"
    assert title.startswith("Error: ") == ("errors" in ids), (
        "the title begins with Error: when there is a summary"
    )
    assert "style" not in named, "no inline style"
    for script in named.get("script", []):
        assert script.get("src", "").startswith("/static/") and not script.get_text(), "no inline script"
    for element in elements:
        for name, value in element.attrs.items():
            assert name != "style" and not name.startswith("on"), f"no inline {name}"
            if name in ("aria-describedby", "aria-labelledby", "aria-controls"):
                for target in value if isinstance(value, list) else value.split():
                    assert target in ids, f"{name} {target!r} is there"
    labelled = {label.get("for") for label in named.get("label", [])}
    for kind in ("input", "select", "textarea"):
        for control in named.get(kind, []):
            if control.get("type") not in ("hidden", "submit"):
                assert control.get("id") in labelled or control.get("aria-label"), f"{control} has a label"
    levels = [
        int(element.name[1])
        for element in elements
        if element.name in HEADINGS and not element.find_parent(id="errors")
    ]
    for before, after in zip(levels, levels[1:], strict=False):
        assert after <= before + 1, f"no heading level is skipped: {levels}"
    for kind in ("img", "link", "script", "iframe", "source"):
        for element in named.get(kind, []):
            rel = element.get("rel") or []
            address = element.get("src") or (
                element.get("href") if "canonical" not in rel and "alternate" not in rel else ""
            )
            assert not address or address.startswith(("/", "data:")), f"{address} is ours"
            assert not element.get("hreflang") or element["href"].startswith("http"), (
                "search engines read whole addresses"
            )
