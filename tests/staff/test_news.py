"""How many more a list has by now: counted by its own filters, quiet while nothing changes, no use of a session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.desk import pieces
from tests.pages import Page
from tests.staff.conftest import Colleague

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]


def asks(page: Page) -> str:
    return str(page.soup.select_one("[data-news]")["data-news"])


def test_a_list_counts_what_came_since_by_its_own_filters(ask: Ask, signed_in: SignedIn) -> None:
    ask()
    ada = signed_in("pharmacist")
    every, materials = asks(ada.open("/staff/requests")), asks(ada.open("/staff/requests?kind=resource"))
    assert ada.get(every).json == {"new": 0}
    ask()
    ask("resource")
    ask()

    assert ada.get(every).json == {"new": 3}
    assert ada.get(materials).json == {"new": 1}
    assert ada.get(asks(ada.open("/staff/requests"))).json == {"new": 0}


def test_while_nothing_changes_nothing_is_sent(ask: Ask, signed_in: SignedIn) -> None:
    ada = signed_in("desk")
    address = asks(ada.open("/staff/requests"))
    first = ada.get(address)
    ask()

    second = ada.get(address, headers={"If-None-Match": first.headers["ETag"]})
    third = ada.get(address, headers={"If-None-Match": second.headers["ETag"]})

    assert (second.status_code, second.json) == (200, {"new": 1})
    assert (third.status_code, third.data) == (304, b"")
    assert second.headers["Cache-Control"] == "no-store"


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(ask: Ask, signed_in: SignedIn) -> None:
    ada = signed_in("desk")
    address = asks(ada.open("/staff/requests"))
    for _ in range(6):
        ada.clock.tick(minutes=4)
        assert ada.get(address).status_code == 200
    ada.clock.tick(minutes=7)

    assert ada.get(address).status_code == 302


def test_what_means_nothing_is_nothing(signed_in: SignedIn) -> None:
    ada = signed_in("desk")
    for seen in ("", "-1", "x", "9" * 40):
        assert ada.get(f"/staff/requests/news?seen={seen}").json == {"new": 0}


def test_of_very_many_the_latest_are_looked_at(
    ask: Ask, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = signed_in("desk")
    for _ in range(4):
        ask()
    monkeypatch.setattr(pieces, "LOOKED_AT", 3)

    assert ada.get("/staff/requests/news?seen=0").json == {"new": 3}
    assert ada.get("/staff/requests/news?seen=2").json == {"new": 2}
    assert ada.get("/staff/requests/news?seen=0&status=closed&owner=me").json == {"new": 0}
