"""The way back to one's list, and the keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from portal.db import db
from portal.intake.models import Request
from portal.people.models import Habit
from tests.pages import words
from tests.staff.conftest import Colleague
from tests.staff.test_queue import listed

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]
Stored = Callable[[str], Request]
LIST = "/staff/requests?status=new&kind=resource&sort=-received_at"


def test_whatever_is_done_the_way_back_is_to_the_same_list(ask: Ask, signed_in: SignedIn) -> None:
    wanted = ask("resource")
    ask()
    page = signed_in("pharmacist").open(LIST).follow(wanted)

    page = page.press("Claim", status=303)
    page = page.fill("Note", "They called.").press("Save note", status=303)
    page = page.fill("Note", "").press("Save note", status=422)
    page = page.press("Release", status=303)

    assert page.soup.select_one(".back a")["href"] == LIST
    assert listed(page.follow("Back to requests")) == [wanted]


def test_another_request_leads_back_to_the_same_list(ask: Ask, signed_in: SignedIn) -> None:
    wanted, other = ask("resource", npi="1234567893"), ask(npi="1234567893")

    page = signed_in("pharmacist").open(LIST).follow(wanted).follow(other)

    assert page.soup.select_one(".back a")["href"] == LIST


@pytest.mark.parametrize("first", ["Card of this prescriber", "Label and list for the envelope"])
def test_a_page_beside_the_request_leads_back_to_it_and_to_the_list(
    ask: Ask, signed_in: SignedIn, first: str
) -> None:
    wanted = ask(
        "resource", npi="1234567893", delivery="post", address="1 Example Street\nSan Ramon, CA 94583"
    )
    ask(npi="1234567893")
    page = signed_in("pharmacist").open(LIST).follow(wanted)

    page, back = page.follow(first), "Back to the request"
    if first.startswith("Card"):
        page = page.set(**{"note-text": "Prefers a call."}).press("Save note", status=303)
        back = f"Back to {wanted}"
    page = page.follow(back)

    assert page.soup.select_one(".back a")["href"] == LIST


@pytest.mark.parametrize("came", ["of=LDN-0000-0000&list=x", "of=//evil.example&list=//evil.example"])
def test_a_card_that_was_opened_from_nowhere_leads_to_its_latest_request(
    ask: Ask, signed_in: SignedIn, came: str
) -> None:
    reference = ask()

    page = signed_in("desk").open(f"/staff/prescribers/1234567893?{came}")

    assert page.soup.select_one(".back a")["href"].partition("?")[0] == f"/staff/requests/{reference}"
    assert "evil" not in str(page.soup.main)


def test_to_claim_in_the_list_is_to_stay_there(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    first, second = ask("resource"), ask("resource")
    grace = signed_in("pharmacist")

    page = grace.open(LIST).press(f"Claim {first}", status=303)

    assert listed(page.sees(f"{first} is yours now.")) == [second]
    assert page.soup.find(id="kind").find("option", selected=True)["value"] == "resource"
    assert stored(first).owner_id == grace.user_id


@pytest.mark.parametrize(
    ("way", "back"),
    [
        ("", "/staff/requests"),
        ("all", "/staff/requests"),
        ("https://evil.example/", "/staff/requests"),
        ("status=lost&next=//evil.example", "/staff/requests"),
        ("status=late&colour=blue", "/staff/requests?status=late"),
        ("q=%00", "/staff/requests"),
        ("q=" + "x" * 2_000, "/staff/requests"),
    ],
)
def test_the_way_back_leads_to_a_list_of_ours_alone(
    ask: Ask, signed_in: SignedIn, way: str, back: str
) -> None:
    grace, reference = signed_in("pharmacist"), ask()

    page = grace.open(f"/staff/requests/{reference}", query_string={"list": way})

    assert page.soup.select_one(".back a")["href"] == back


def test_keys_are_off_until_somebody_switches_them_on_for_themselves(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    reference = ask()
    grace, tom = signed_in("pharmacist"), signed_in("manager")

    def has_keys(colleague: Colleague) -> set[bool]:
        pages = (colleague.open(place) for place in ("/staff/requests", f"/staff/requests/{reference}"))
        return {bool(page.soup.select("[data-keys]")) and "/static/keys." in str(page.soup) for page in pages}

    assert has_keys(grace) == {False}
    page = grace.open("/staff/requests").follow("Keys: off").press("Switch the keys on", status=303)
    assert [words(key) for key in page.sees("The keys are on.").soup.select("kbd")] == list("jkocna/?")
    assert (has_keys(grace), has_keys(tom)) == ({True}, {False})
    page.press("Switch the keys off", status=303)
    assert has_keys(grace) == {False}
    with app.app_context():
        assert db.session.query(Habit).one().has_keys is False


def test_a_list_that_is_empty_has_its_foot_and_its_keys_too(ask: Ask, signed_in: SignedIn) -> None:
    ask()
    grace = signed_in("pharmacist")
    page = grace.open("/staff/requests?owner=me").sees("You have no open requests.")
    page.follow("Keys: off").press("Switch the keys on", status=303)

    page = grace.open("/staff/requests?owner=me").sees("Keys: on", "Who is out of office")
    assert page.soup.select_one("[data-keys]")["data-help"] == "/staff/requests/keys"


def test_on_paper_a_request_says_who_printed_it(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()

    page = signed_in("pharmacist", "Grace Hall").open(f"/staff/requests/{reference}")

    assert words(page.soup.select_one(".only-print")).startswith(
        f"{reference}, printed by Grace Hall, Thu Jan 15"
    )
