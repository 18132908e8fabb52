"""Views of one's own: kept under a name, offered to their owner alone, and forgotten again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from portal.db import db, transaction
from portal.desk.models import SavedView
from portal.desk.saved import MOST
from tests.pages import Page, words
from tests.staff.conftest import Colleague
from tests.staff.test_queue import listed
from tests.staff.test_request import rows

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]
NEW_MATERIALS = "/staff/requests?status=new&kind=resource"


def keep(colleague: Colleague, name: str, address: str = NEW_MATERIALS, status: int = 303) -> Page:
    return colleague.open(address).fill("Name of the view", name).press("Save the view", status=status)


def own(page: Page) -> list[str]:
    return [words(link) for link in page.soup.select("nav[aria-label='My own views'] a")]


def test_a_view_is_ones_own_and_shows_what_its_filters_show(ask: Ask, signed_in: SignedIn) -> None:
    ask()
    wanted = ask("resource")
    grace, tom = signed_in("pharmacist"), signed_in("manager")
    keep(grace, "New materials")

    page = grace.open("/staff/requests").follow("New materials")

    assert (listed(page), words(page.soup.h1), own(page)) == ([wanted], "New materials", ["New materials"])
    assert own(tom.open("/staff/requests")) == []
    page.press("Forget this view", status=303)
    assert own(grace.open("/staff/requests")) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "Give the view a name"),
        ("x" * 41, "Name of the view must be 40 characters or less. You have 41"),
        ("NEW MATERIALS", "You have a view with this name already"),
    ],
)
def test_a_name_that_cannot_be_says_why_and_stays(
    app: Flask, signed_in: SignedIn, name: str, says: str
) -> None:
    grace = signed_in("pharmacist")
    keep(grace, "New materials")

    failed = keep(grace, name, "/staff/requests?kind=consultation", status=422)

    assert failed.errors == {"saved-name": says}
    assert failed.soup.find(id="saved-name").get("value", "") == name
    assert rows(app, SavedView) == 1


def test_twenty_are_enough_and_the_list_of_all_needs_none(app: Flask, signed_in: SignedIn) -> None:
    grace = signed_in("pharmacist")
    page = grace.open(NEW_MATERIALS).fill("Name of the view", "One more")
    page.set(**{"saved-view": "status=lost"}).press("Save the view", status=422).sees("Choose filters first")
    with app.app_context(), transaction():
        for number in range(MOST):
            db.session.add(SavedView(user_id=grace.user_id, name=f"View {number}", query="kind=resource"))

    keep(grace, "One more", status=422).sees("You have 20 views already.")


def test_nobody_forgets_the_view_of_another(app: Flask, signed_in: SignedIn) -> None:
    grace, tom = signed_in("pharmacist"), signed_in("manager")
    keep(grace, "New materials")
    keep(tom, "Mine")
    page = tom.open("/staff/requests").follow("Mine")

    for view in ("1", "999", "x", ""):
        page.set(view=view).press("Forget this view", status=303)

    assert own(grace.open("/staff/requests")) == ["New materials"]


def test_a_view_that_an_older_version_kept_still_opens(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    grace = signed_in("pharmacist")
    with app.app_context(), transaction():
        db.session.add(SavedView(user_id=grace.user_id, name="Old", query="colour=blue&kind=consultation"))

    assert listed(grace.open("/staff/requests").follow("Old")) == [reference]
