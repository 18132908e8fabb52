"""What a test leaves behind is told by name, and what tests share they cannot change."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import pytest
from flask import Flask

from portal.newsletter import entry
from portal.print.guide import Guide
from tests import leaving, pages


@pytest.fixture
def told(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[[], set[str]]:
    """What is left since it was asked the last time, as if this test had ended; its run does not hear of it."""
    for name in ("_process", "_things", "_modules", "_objects"):
        monkeypatch.setattr(leaving, name, dict(getattr(leaving, name)))
    list(leaving.left())  # the clock, and where pytest keeps what is logged
    return lambda: set(leaving.left())


def test_what_is_left_is_told_once_by_name(told: Callable[[], set[str]], app: Flask) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry, "LONGEST_WAIT", 0.0)
        patch.setitem(app.config, "TESTING", not app.config["TESTING"])
        patch.setenv("ORG_NAME", "Another")
        changed = {"os.environ", "portal.public's config: TESTING", "portal.newsletter.entry: LONGEST_WAIT"}

        assert told() == changed
        assert told() == set()
    assert told() == changed


def test_a_method_that_was_patched_for_one_object_is_told(told: Callable[[], set[str]], app: Flask) -> None:
    throttle = app.extensions["throttle"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throttle, "hit", lambda name, key: None)

    found = told()
    del throttle.hit

    assert found == {f"portal.{face}'s throttle: hit of its own" for face in ("public", "staff")}


def test_a_fault_that_a_document_keeps_is_told(told: Callable[[], set[str]], app: Flask) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Guide, "fault", "no")

        assert {"a fault of guide: no", "a fault of card-es: no"} <= told()


@pytest.mark.parametrize(
    "change",
    [
        lambda soup: soup.p.decompose(),
        lambda soup: soup.p.replace_with("b"),
        lambda soup: soup.p.clear(),
        lambda soup: soup.p.append("b"),
        lambda soup: soup.p.__setitem__("class", "b"),
    ],
    ids=["taken out", "replaced", "emptied", "added to", "renamed"],
)
def test_a_page_that_others_read_is_changed_in_a_copy_alone(change: Callable[..., object]) -> None:
    page = pages.read("<main><p>a</p></main>", None)

    with pytest.raises(AssertionError, match="others read this page"):
        change(page)
    assert str(page) == "<main><p>a</p></main>"
    mine = copy(page)
    change(mine)
    assert str(mine) != str(page)
