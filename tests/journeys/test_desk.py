"""The desk as two people work it, each in a browser of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.intake.models import Status
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
