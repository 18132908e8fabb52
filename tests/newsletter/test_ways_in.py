"""The JSON sign-up (N44), and that every way in runs the same checks (N56)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.db import db
from portal.newsletter import consent, service, views
from portal.newsletter.models import Signup, State
from portal.throttle import Throttle
from tests.newsletter.people import ADDRESS, Outbox, make_subscriber, row_of, use_up_sign_ups
from tests.pages import Page, Visitor

API = "/api/newsletter/subscriptions"
GOOD = {"email": ADDRESS, "topics": ["news", "research"], "language": "es"}

# Every address that takes a sign-up, and how to send one there. Whoever adds a way in adds it here.
WAYS_IN = {"/newsletter", "/es/boletin", API}


def rows(app: Flask) -> list[Signup]:
    with app.app_context():
        return list(db.session.scalars(select(Signup).order_by(Signup.id)))


def send(visitor: Visitor, address: str, **more: str) -> int:
    """One good sign-up by that way."""
    if address == API:
        return visitor.post(API, json={**GOOD, **more}).status_code
    page = visitor.open(address).set(**{**GOOD, **more})  # type: ignore[arg-type]
    return page.press(page.soup.main.find("button").get_text(), follow=False).status


def test_the_list_of_ways_in_is_complete(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N56: whichever address takes posts, only these reach the one function that accepts."""
    reached: set[str] = set()
    person = make_subscriber(app)
    monkeypatch.setattr(service, "sign_up", lambda *rows: reached.update(row["page"] for row in rows))

    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("newsletter") and "POST" in (rule.methods or ()):
            address = rule.rule.replace("<token>", person["preferences"].rpartition("/")[2])
            visitor.post(address, json=GOOD)
            page = visitor.get(address)
            if page.status_code == 200:
                opened = visitor.open(address)
                for button in opened.soup.main.find_all("button"):
                    opened.set(**GOOD).press(button.get_text(), follow=False)

    assert reached == WAYS_IN


@pytest.mark.parametrize("address", sorted(WAYS_IN))
def test_every_way_in_runs_the_same_checks(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """N56: limit, honeypot, consent, and the rules of the form."""
    limits: list[str] = []
    monkeypatch.setattr(Throttle, "hit", lambda _self, name, key: limits.append(name))

    assert send(visitor, address) in (202, 303)
    assert send(visitor, address, office_code="x") == 422
    assert send(visitor, address, email="anna") == 422

    assert limits.count("signup") == 1
    (good,) = rows(app)
    assert good.text_sha256 in {words.sha256 for words in consent.TEXTS}
    assert (good.address, good.topics, good.language, good.page) == (ADDRESS, "news,research", "es", address)


@pytest.mark.parametrize("state", list(State))
def test_the_api_gives_the_same_bytes_for_every_state(app: Flask, visitor: Visitor, state: State) -> None:
    """N44, N57."""
    make_subscriber(app, state)
    before = row_of(app)

    known = visitor.post(API, json=GOOD)
    unknown = visitor.post(API, json={**GOOD, "email": "nobody@mail.example"})

    assert known.status_code == unknown.status_code == 202
    assert known.data == unknown.data
    assert list(known.headers) == list(unknown.headers)
    assert known.get_json() == {"status": "check_mail"}
    assert "Set-Cookie" not in known.headers
    assert row_of(app) == before


BAD: dict[str, Any] = {
    "a list": [GOOD],
    "a text": "anna@mail.example",
    "null": None,
    "no address": {**GOOD, "email": ""},
    "a number for an address": {**GOOD, "email": 7},
    "two addresses": {**GOOD, "email": [ADDRESS, ADDRESS]},
    "a malformed address": {**GOOD, "email": "anna"},
    "a lone surrogate": {**GOOD, "email": "an\ud800na@mail.example"},
    "no topics": {**GOOD, "topics": []},
    "a wrong topic": {**GOOD, "topics": ["pain"]},
    "topics that are no texts": {**GOOD, "topics": [["news"]]},
    "a wrong language": {**GOOD, "language": "fr"},
    "no language": {name: value for name, value in GOOD.items() if name != "language"},
    "consent that is no text": {**GOOD, "consent_text": 7},
    "consent that is too long": {**GOOD, "consent_text": "x" * 2001},
}


@pytest.mark.parametrize("fault", BAD)
def test_data_of_the_wrong_form_is_422(app: Flask, visitor: Visitor, fault: str) -> None:
    response = visitor.post(API, data=json.dumps(BAD[fault]), content_type="application/json")

    assert response.status_code == 422
    assert response.get_json()["error"] == "invalid"
    assert rows(app) == []


def test_broken_json_is_422(app: Flask, visitor: Visitor) -> None:
    response = visitor.post(API, data=b'{"email": ', content_type="application/json")

    assert response.status_code == 422
    assert rows(app) == []


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_another_content_type_is_415(app: Flask, visitor: Visitor, content_type: str) -> None:
    response = visitor.post(API, data=b'{"email": "anna@mail.example"}', content_type=content_type)

    assert response.status_code == 415
    assert rows(app) == []


def test_a_content_type_with_a_charset_is_taken(app: Flask, visitor: Visitor) -> None:
    body = b'{"email": "anna@mail.example", "topics": ["news"], "language": "en"}'

    response = visitor.post(API, data=body, content_type="application/json; charset=utf-8")

    assert response.status_code == 202


def test_more_than_four_kilobytes_are_413(app: Flask, visitor: Visitor) -> None:
    response = visitor.post(API, json={**GOOD, "more": "x" * 4096})

    assert response.status_code == 413
    assert rows(app) == []


def test_too_many_are_429_with_a_time(app: Flask, visitor: Visitor) -> None:
    use_up_sign_ups(app)

    response = visitor.post(API, json=GOOD)

    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) > 0


def test_nothing_can_be_read(visitor: Visitor) -> None:
    assert visitor.get(API).status_code == 405


def test_the_words_another_site_showed_are_kept(app: Flask, visitor: Visitor) -> None:
    ours = consent.current("en")

    for shown in ("", ours.name, ours.text, "I agree to get news from Linden."):
        visitor.post(API, json={**GOOD, "language": "en", "consent_text": shown})

    none, by_name, by_words, foreign = rows(app)
    assert none.text_sha256 == by_name.text_sha256 == by_words.text_sha256 == ours.sha256
    assert (foreign.text_id, foreign.foreign_text) == ("other-site", "I agree to get news from Linden.")


FROM_ELSEWHERE = {"Origin": "https://partner.example", "Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": GOOD}, 202),
        ({"json": {**GOOD, "email": "x"}}, 422),
        ({"json": {**GOOD, "office_code": "x"}}, 422),
        ({"data": "{}", "content_type": "text/plain"}, 415),
        ({"json": {**GOOD, "more": "x" * 5000}}, 413),
    ],
)
def test_another_sites_page_can_read_every_answer(
    app: Flask, visitor: Visitor, sent: dict[str, Any], status: int
) -> None:
    """Fetch standard: no credentials, so any origin; the trap is told honestly."""
    asked = visitor.client.options(
        API,
        headers={**FROM_ELSEWHERE, "Access-Control-Request-Method": "POST"},
        base_url="http://localhost:8000",
    )
    response = visitor.post(API, headers=FROM_ELSEWHERE, **sent)

    assert (asked.status_code, response.status_code) == (204, status)
    assert asked.headers["Access-Control-Allow-Methods"] == "POST"
    assert asked.headers["Access-Control-Allow-Headers"] == "Content-Type"
    for answer in (asked, response):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert len(rows(app)) == (status == 202)


@pytest.mark.parametrize("address", ["/", "/newsletter", "/patients", "/requests/consultation"])
def test_no_other_address_lets_other_sites_read(visitor: Visitor, address: str) -> None:
    assert "Access-Control-Allow-Origin" not in visitor.get(address, headers=FROM_ELSEWHERE).headers


def test_only_two_addresses_take_posts_from_elsewhere() -> None:
    assert {
        "newsletter.unsubscribe",
        "newsletter_api.sign_up",
        "newsletter_embed.embed",
    } == views.FOREIGN_POSTS


def test_a_mail_comes_of_it(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    visitor.post(API, json=GOOD)

    (message,) = outbox()

    assert message["To"] == ADDRESS
    assert message["Content-Language"] == "es"
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(Signup)) == 1


def test_a_form_on_another_site_stores_nothing_and_asks_for_one_more_press(
    app: Flask, visitor: Visitor
) -> None:
    """N43, as the contract has it: `POST /newsletter/embed`."""
    sent = {"email": " Anna@mail.example ", "topics": ["research", "nonsense"], "language": "es"}
    elsewhere = {"Origin": "https://clinic.example", "Sec-Fetch-Site": "cross-site"}
    answer = visitor.post("/newsletter/embed", data=sent, headers=elsewhere)

    assert answer.status_code == 200
    assert rows(app) == []
    page = Page(visitor, "/newsletter/embed", answer)
    page.sees("Oprima una vez más", "otro sitio")
    assert page.soup.find("input", attrs={"name": "email"})["value"] == "Anna@mail.example"
    page.press("Inscribirme", status=303)
    kept = rows(app)
    assert [(one.address, one.topics, one.language, one.source) for one in kept] == [
        ("Anna@mail.example", "research", "es", "form")
    ]


@pytest.mark.parametrize(
    "data", [{}, {"email": "<script>", "language": "fr", "topics": "x"}, {"email": "x" * 5000}]
)
def test_whatever_another_site_sends_our_form_is_shown(visitor: Visitor, data: dict[str, str]) -> None:
    answer = visitor.post("/newsletter/embed", data=data, headers={"Origin": "null"})

    assert answer.status_code == 200
    assert "<script>" not in answer.text.replace("<script src=", "")
