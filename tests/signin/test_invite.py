"""The page of a one-use link."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.signin import passwords
from tests.conftest import Clock
from tests.pages import Page, Visitor
from tests.signin.conftest import PASSWORD

Link = Callable[..., str]


def test_looking_at_a_link_spends_nothing(
    link: Link, visitor: Visitor, new_visitor: Callable[[], Visitor]
) -> None:
    place = f"/staff/invite/{link(name='Grace Hall')}"
    for _ in range(3):
        new_visitor().open(place)
        visitor.open(place, method="HEAD") if False else visitor.client.head(
            place, base_url="http://localhost:8000"
        )

    page = visitor.open(place)
    assert page.soup.find(id="name")["value"] == "Grace Hall"
    page.fill("Password", PASSWORD).press("Set password", status=303)

    assert visitor.get(place).status_code == 410


def test_unknown_and_old_links_say_what_to_do(link: Link, visitor: Visitor, clock: Clock) -> None:
    place = f"/staff/invite/{link()}"
    clock.tick(hours=25)

    assert Page(visitor, "", visitor.get("/staff/invite/none")).status == 404
    Page(visitor, "", visitor.get(place)).sees("Ask a manager for a new one")


@pytest.mark.parametrize(
    ("name", "password", "errors"),
    [
        ("", "", {"name": "Enter your name", "password": "Choose a new password"}),
        ("\u202e\x00", PASSWORD, None),
        ("x" * 129, PASSWORD, None),
        ("Grace", "too short", {"password": passwords.TOO_SHORT}),
        ("Grace", "x" * 129, {"password": passwords.TOO_LONG}),
        ("Grace", "new.person new.person", {"password": passwords.TOO_EASY}),
        ("Grace Lindqvist", "grace lindqvist grace", {"password": passwords.TOO_EASY}),
    ],
)
def test_what_is_wrong_is_said_beside_it(
    name: str, password: str, errors: dict[str, str] | None, link: Link, visitor: Visitor
) -> None:
    page = visitor.open(f"/staff/invite/{link()}").fill("Your name", name).fill("Password", password)

    page = page.press("Set password", status=422)

    if errors is None:
        assert list(page.errors) == ["name"]
    else:
        assert page.errors == errors
    assert password == "" or password not in page.response.text.replace(passwords.TOO_EASY, "")


def test_a_lost_token_keeps_the_name(link: Link, visitor: Visitor) -> None:
    place = f"/staff/invite/{link()}"

    answer = visitor.post(place, data={"name": "Grace Hall", "password": PASSWORD})

    assert answer.status_code == 400
    page = Page(visitor, place, answer)
    assert page.soup.find(id="name")["value"] == "Grace Hall"
    assert page.fill("Password", PASSWORD).press("Set password", status=303).title == "Sign in"


def test_the_address_cannot_be_changed(link: Link, visitor: Visitor) -> None:
    page = visitor.open(f"/staff/invite/{link('grace@pharmacy.example')}")

    page = page.set(email="evil@elsewhere.example", roles="manager").fill("Your name", "Grace")
    page = page.fill("Password", PASSWORD).press("Set password", status=303)

    page = page.fill("Email", "evil@elsewhere.example").fill("Password", PASSWORD)
    assert page.press("Sign in").status == 422
    page = visitor.open("/staff/login").fill("Email", "grace@pharmacy.example").fill("Password", PASSWORD)
    assert page.press("Sign in").title == "Set up an authenticator app"


def test_links_that_are_tried_out_are_counted(visitor: Visitor) -> None:
    statuses = [visitor.get(f"/staff/invite/{number}").status_code for number in range(61)]

    assert statuses == [404] * 60 + [429]
