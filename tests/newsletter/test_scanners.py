"""N54 without a browser: what a mail scanner does to links changes nothing (the browser's part is a journey)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.newsletter.people import Outbox, confirm, head, link_in, sign_up, table
from tests.pages import Visitor

pytestmark = pytest.mark.slow


@pytest.fixture
def links(app: Flask, visitor: Visitor, outbox: Outbox) -> list[str]:
    """Every link of every kind of mail, all still good."""
    mails = confirm(visitor, outbox)
    preferences = link_in(mails[1], "/newsletter/preferences/")
    visitor.open(preferences).press("Delete everything you hold about me")
    sign_up(visitor, "ben@mail.example")
    latest = {mail["Subject"]: mail for mail in outbox()}
    return [
        link_in(latest["Confirm your sign-up"], "/newsletter/confirm/"),
        preferences,
        preferences + "/record",
        link_in(mails[1], "/newsletter/unsubscribe/"),
        link_in(latest["Delete what we hold about you"], "/newsletter/erase/"),
    ]


def test_a_scanner_changes_nothing(app: Flask, links: list[str], new_visitor: Callable[[], Visitor]) -> None:
    """HEAD, GET, prefetch, and posts without the page's own tokens; but a post to the link that leaves (RFC 8058)."""
    before = table(app)

    for link in links:
        scanner = new_visitor()
        scanner.get(link)
        scanner.get(link, headers={"Sec-Purpose": "prefetch", "User-Agent": "SafeLinks"})
        head(scanner, link)
        for body in (
            {},
            {"do": "leave"},
            {"not_me": "yes"},
            {"csrf_token": "x", "form_token": "x", "do": "erase"},
        ):
            if "/unsubscribe/" not in link:
                assert scanner.post(link, data=body).status_code in (400, 405)

    assert table(app) == before


def test_no_page_behind_a_link_carries_script_or_leads_elsewhere(links: list[str], visitor: Visitor) -> None:
    for link in links:
        soup = visitor.open(link).soup
        assert soup.find_all("script") == []
        assert soup.find_all("meta", attrs={"http-equiv": True}) == []
        for element in soup.find_all(["a", "form", "link", "img"]):
            target = element.get("href") or element.get("action") or element.get("src") or ""
            assert target.startswith(("/", "#", "tel:")) or target == "", target


def test_one_forms_token_does_not_open_another(app: Flask, links: list[str], visitor: Visitor) -> None:
    """The token of the page that leaves does not confirm."""
    _address, data = visitor.open(links[3]).data("Stop all emails")
    before = table(app)

    assert visitor.post(links[0], data=data).status_code == 400
    assert table(app) == before
