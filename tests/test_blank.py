"""Empty forms are answered from kept bytes, and what is one visitor's is never another's."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage

import pytest
from flask import Flask
from jinja2 import Environment

from portal import addresses, blank
from portal.forms import csrf_holds
from portal.settings import Settings
from tests.conftest import Clock
from tests.pages import Visitor

FORMS = [*addresses.NEWSLETTER.twins.values(), addresses.CONSULTATION, addresses.MATERIALS]
TOKENS = re.compile(r'name="(csrf_token|form_token)"[^>]*value="([^"]+)"')


def tokens_in(body: str) -> dict[str, str]:
    found = TOKENS.findall(body)
    assert [name for name, _ in found] == ["form_token", "csrf_token"]
    return dict(found)


@pytest.fixture
def rendered(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The templates that Flask was asked for."""
    app.extensions["ready"].drop()
    names: list[str] = []
    environment = type(app.jinja_env)
    usual = environment.get_or_select_template

    def note(self: Environment, name: str, *more: object, **settings: object) -> object:
        names.append(name)
        return usual(self, name, *more, **settings)

    monkeypatch.setattr(environment, "get_or_select_template", note)
    # No look meanwhile: what another test changed would be seen in the middle of this one, and all be made anew.
    monkeypatch.setattr(app.extensions["ready"], "_next_look", math.inf)
    return names


@pytest.mark.parametrize("address", FORMS)
def test_an_empty_form_is_rendered_once_a_minute(
    app: Flask, clock: Clock, rendered: list[str], address: str
) -> None:
    first, again = (app.test_client().get(address) for _ in range(2))
    assert len(rendered) == 1
    clock.tick(60)
    app.test_client().get(address)

    assert len(rendered) == 2
    assert TOKENS.sub("", first.text) == TOKENS.sub("", again.text)
    assert dict(first.headers).keys() == dict(again.headers).keys()
    assert again.headers["Content-Length"] == str(len(again.data))


def test_five_hundred_visits_of_fifty_visitors_share_no_token(app: Flask) -> None:
    config: Settings = app.extensions["settings"]

    def visit(number: int) -> list[tuple[str, str]]:
        visitor, seen = app.test_client(), []
        for count in range(10):
            answer = visitor.get(FORMS[(number + count) % len(FORMS)])
            mine = tokens_in(answer.text)
            cookie = visitor.get_cookie(config.form_cookie)
            assert cookie is not None
            assert csrf_holds(config.keys, cookie.value, mine["csrf_token"])
            assert ("Set-Cookie" in answer.headers) == (count == 0)
            seen.append((mine["csrf_token"], mine["form_token"]))
        return seen

    with ThreadPoolExecutor(8) as pool:
        visits = list(pool.map(visit, range(50)))

    assert len({token for seen in visits for _, token in seen}) == 500
    assert all(len({csrf for csrf, _ in seen}) == 1 for seen in visits)
    assert len({seen[0][0] for seen in visits}) == 50


def test_a_form_from_kept_bytes_is_taken(
    new_visitor: Callable[[], Visitor], rendered: list[str], outbox: Callable[[], list[EmailMessage]]
) -> None:
    address = addresses.NEWSLETTER.speaking("en")
    new_visitor().open(address)
    page = new_visitor().open(address)
    assert len(rendered) == 1

    page.set(email="ana@clinic.example").press("Sign up")

    assert [mail["To"] for mail in outbox()] == ["ana@clinic.example"]


@pytest.mark.parametrize("cookie", ["short", "x" * 200, '"quoted"', "é" * 32])
def test_a_cookie_that_is_none_of_ours_is_replaced(app: Flask, rendered: list[str], cookie: str) -> None:
    config: Settings = app.extensions["settings"]
    app.test_client().get(FORMS[0])

    answer = app.test_client(use_cookies=False).get(
        FORMS[0], headers={"Cookie": f"a=b; {config.form_cookie}={cookie}".encode().decode("latin-1")}
    )

    value = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    assert csrf_holds(config.keys, value, tokens_in(answer.text)["csrf_token"])


def test_a_filled_page_and_a_query_are_never_kept(app: Flask, rendered: list[str]) -> None:
    client = app.test_client()
    client.post(FORMS[0], data={"email": "typed@clinic.example"})
    client.get(FORMS[0] + "?lang=es")

    assert "typed@clinic.example" not in client.get(FORMS[0]).text
    assert len(rendered) == 3


def test_a_page_whose_holes_are_not_where_they_belong_is_not_kept(app: Flask) -> None:
    holes = blank.Holes(app.extensions["settings"], "p", "CSRF", "FORM")

    assert blank.Blank.cut([], b"<FORM><CSRF>", holes) is not None
    for body in (b"<CSRF>", b"<CSRF><FORM>", b"<FORM><CSRF><FORM>", b""):
        assert blank.Blank.cut([], body, holes) is None
