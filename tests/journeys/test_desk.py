"""The desk as two people work it, each in a browser of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.intake.models import Status
from tests.intake import samples
from tests.scenes import CONSULTATION, open_request
from tests.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("scenes")]


def test_what_is_typed_is_kept_without_a_press(stage: Callable[..., Stage]) -> None:
    ada = open_request(stage(), "Ada", **CONSULTATION, status=Status.IN_PROGRESS)
    address = ada.page.url
    ada.fill(**{"answer-text": "Half an answer.", "note-text": "Half a note."})

    ada.page.get_by_text("Draft kept.").wait_for()

    ada.open("/staff/requests").open(address)
    for box, words in (("answer", "Half an answer."), ("note", "Half a note.")):
        assert ada.page.locator(f"#{box}-text").input_value() == words
    assert ada.complaints == []


def test_two_people_work_one_request_and_neither_loses_a_word(stage: Callable[..., Stage]) -> None:
    """Ada's browser runs scripts, Dee's does not."""
    ada, dee = stage(), stage(scripts=False)
    open_request(ada, "Ada", **CONSULTATION, status=Status.IN_PROGRESS)
    address = ada.page.url
    ada.fill(**{"answer-text": "At least 7 to 10 days."})
    ada.page.get_by_text("Draft kept.").wait_for()

    dee.as_staff("Dee").open(address)
    assert "Writing at the moment: Ada Okafor" in dee.page.inner_text("main")
    assert "At least 7" not in dee.page.inner_text("main")
    dee.wait(minutes=2).fill(**{"note-text": "They called: it is urgent."}).press("Save note")

    ada.press("Send answer to", exact=False)
    assert ada.status == 409
    news = ada.page.locator(".head .notice", has_text="New since you opened this page").inner_text()
    assert "Note written" in news and "Dee Ramos" in news
    assert ada.page.locator("#answer-text").input_value() == "At least 7 to 10 days."
    ada.press("Send answer to", exact=False)

    assert ada.status == 200
    assert "Answered" in ada.page.inner_text("main")


def test_a_list_says_what_came_and_moves_no_row(stage: Callable[..., Stage]) -> None:
    ada = stage().as_staff("Ada").open("/staff/requests")
    rows, title = ada.page.locator("tbody th").all_inner_texts(), ada.page.title()
    samples.submit(ada.house.app, "one-more")
    ask = "() => document.dispatchEvent(new Event('visibilitychange'))"  # sooner than in 20 seconds

    ada.page.evaluate(ask)
    ada.page.get_by_text("1 new request has come.").wait_for()
    assert ada.page.title() == f"(1 new) {title}"
    assert ada.page.locator("tbody th").all_inner_texts() == rows
    samples.submit(ada.house.app, "and-another")
    ada.page.evaluate(ask)
    ada.page.get_by_text("2 new requests have come.").wait_for()

    ada.follow("Show the list again")
    assert ada.page.title() == title
    assert len(ada.page.locator("tbody th").all_inner_texts()) == len(rows) + 2
    assert ada.complaints == []
