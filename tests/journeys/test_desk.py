"""The desk as two people work it, each in a browser of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.intake.models import Status
from tests.intake import samples
from tests.live import ROOT
from tests.scenes import CONSULTATION, open_request
from tests.stage import Stage, leave_by

STAFF_PAGE = ROOT / "docs" / "staff.md"

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


class Counting:
    """Counts what is pressed and chosen; typing is free."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.page, self.acts = stage, stage.page, 0

    def press(self, words: str, *, exact: bool = True) -> Counting:
        self.acts += 1
        self.stage.press(words, exact=exact)
        assert self.stage.status == 200, self.page.locator("main").inner_text()
        return self

    def follow(self, words: str) -> Counting:
        self.acts += 1
        leave_by(self.page.locator("main").get_by_role("link", name=words).first)
        return self

    def unfold(self, words: str) -> Counting:
        self.acts += 1
        self.page.locator("summary", has_text=words).first.click()
        return self

    def choose(self, name: str, words: str) -> Counting:
        self.acts += 1
        field = self.page.locator(f"main select[name='{name}']")
        if field.count():
            field.first.select_option(label=words)
        else:
            self.page.get_by_label(words).check()
        return self


def _claim(desk: Counting) -> None:
    desk.stage.as_staff("Ada").open("/staff/requests")
    desk.press("Claim", exact=False)


def _at_new(desk: Counting) -> Counting:
    open_request(desk.stage, "Ada", **CONSULTATION, status=Status.NEW)
    return desk


def _claim_answer_close(desk: Counting) -> None:
    _at_new(desk).press("Claim").stage.fill(**{"answer-text": "At least 7 to 10 days."})
    desk.press("Send answer and close")
    assert "Closed" in desk.page.inner_text("main")


def _stored(desk: Counting) -> None:
    _at_new(desk).press("Claim").choose("insert-reply", "Please call us").press("Insert it below")
    desk.press("Send answer and close")
    assert "Please call us at" in desk.page.inner_text("main")


def _once_more(desk: Counting) -> None:
    open_request(desk.stage, "Ada", **CONSULTATION, status=Status.ANSWERED, contact_method="email")
    desk.stage.fill(**{"answer-text": "And one thing more."})
    desk.press("Send answer to", exact=False)


def _call(desk: Counting) -> None:
    open_request(desk.stage, "Ada", **CONSULTATION, status=Status.NEW, contact_method="phone")
    desk.unfold("Log a call").choose("call-reason", "We left a message").press("Log the call")


def _find(desk: Counting) -> None:
    desk.stage.as_staff("Ada").open("/staff/requests").fill(q="ruiz")
    desk.press("Apply").follow("LDN-").follow("Card of this prescriber")
    assert "Ana Ruiz" in desk.page.inner_text("h1")


def _hand_over(desk: Counting) -> None:
    desk.stage.as_staff("Ada").open("/staff/requests?owner=me")
    desk.choose("to", "Grace Lindqvist").press("Hand all of mine over")
    assert "All that you had is handed over." in desk.page.inner_text("main")


TAKES = {
    "Claim": _claim,
    "Claim, answer, close": _claim_answer_close,
    "Claim, answer with a stored reply, close": _stored,
    "Answer once more, after the answer": _once_more,
    "Log a call": _call,
    "Find a prescriber, with all they asked": _find,
    "Hand all of mine over": _hand_over,
}


@pytest.mark.parametrize("what", TAKES)
def test_it_takes_as_many_presses_as_the_table_says(stage: Callable[..., Stage], what: str) -> None:
    rows = [
        line.strip("| \n").split(" | ")
        for line in STAFF_PAGE.read_text().splitlines()
        if line.startswith("| ")
    ]
    [now] = [row[3] for row in rows if row[0] == what and len(row) == 4]
    desk = Counting(stage())

    TAKES[what](desk)

    assert desk.acts == int(now)
    assert desk.stage.complaints == []


def test_on_a_phone_the_places_are_folded_also_without_scripts(stage: Callable[..., Stage]) -> None:
    dee = stage(scripts=False, width=320).as_staff("Grace").open("/staff/requests")
    place = dee.page.get_by_role("link", name="Reports", exact=True)
    assert not place.is_visible()

    dee.page.get_by_role("link", name="Menu", exact=True).click()
    assert place.is_visible()
    dee.page.get_by_role("link", name="Close the menu").click()
    assert not place.is_visible()
