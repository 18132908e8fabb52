"""A form that is shown again is drawn around kept bytes, and what is one visitor's is never another's."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from markupsafe import Markup

from portal import addresses, blank, controls, tokens
from portal.forms import csrf_holds
from portal.frames import Frame
from portal.intake.forms import ConsultationForm
from portal.newsletter import consent
from portal.settings import Settings
from tests.conftest import Clock

TOKENS = re.compile(r'name="(csrf_token|form_token)"[^>]*value="([^"]+)"')
WORD = re.compile(r"typed-\d+-\d+")
ADDRESSES = {
    addresses.CONSULTATION: (
        "ConsultationForm",
        {"topics": "dosing", "contact_method": "email", "npi": "1234567893", "state": "CA"},
    ),
    addresses.MATERIALS: ("ResourceForm", {"items": "prescriber-guide", "delivery": "email"}),
    addresses.NEWSLETTER.speaking("es"): (f"signup/{consent.current('es').name}", {"language": "es"}),
}


def test_five_hundred_answers_to_fifty_visitors_hold_nothing_of_another(app: Flask) -> None:
    config: Settings = app.extensions["settings"]
    app.extensions["throttle"].clear()

    def visit(number: int) -> list[str]:
        visitor, given = app.test_client(), []
        place = {"REMOTE_ADDR": f"10.0.{number}.7"}
        visitor.get(addresses.CONSULTATION, environ_overrides=place)
        cookie = visitor.get_cookie(config.form_cookie)
        assert cookie is not None
        csrf = blank.csrf_token(config, cookie.value)
        for count in range(10):
            address = list(ADDRESSES)[count % 3]
            purpose, answers = ADDRESSES[address]
            is_failed = count % 2 == 1 or "language" in answers  # no topic is chosen
            mine = f"typed-{number}-{count}"
            sent = {
                "csrf_token": csrf,
                "form_token": blank.form_token(config, purpose, age=60),
                **answers,
                "name": mine,
                "practice": mine,
                "question": mine,
                "note": mine,
                "email": mine if is_failed else f"{mine}@clinic.example",
            }
            answer = visitor.post(address, data=sent, environ_overrides=place)
            assert answer.status_code == (422 if is_failed else 200), answer.text[:500]
            assert set(WORD.findall(answer.text)) == {mine}
            assert answer.headers["Cache-Control"] in ("private, no-cache", "no-store")
            found = dict(TOKENS.findall(answer.text))
            assert csrf_holds(config.keys, cookie.value, found["csrf_token"])
            assert found["form_token"] == sent["form_token"]
            given.append(found["form_token"])
        return given

    with ThreadPoolExecutor(8) as pool:
        visits = list(pool.map(visit, range(50)))

    assert len({token for seen in visits for token in seen}) == 500
    kept = app.extensions["ready"].frames
    assert {template for template, *_ in kept} == {
        "intake/check.html",
        "intake/consultation.html",
        "intake/resources.html",
        "newsletter/signup.html",
    }
    assert not any(WORD.search(part) for frame in kept.values() for part in (frame._first, *said_in(frame)))


def said_in(frame: Frame) -> list[str]:
    """All that a frame keeps."""
    found = [part for _, part in frame._rest]
    for draw, _ in frame._rest:
        found += [*(getattr(draw, "_around", None) or ()), *getattr(draw, "_drawn", {}).values()]
    return found


@pytest.mark.parametrize("failing", [True, False])
def test_a_page_around_a_frame_is_the_page_that_is_rendered(app: Flask, clock: Clock, failing: bool) -> None:
    config: Settings = app.extensions["settings"]
    typed = "<b>\"&'é"
    sent: dict[str, Any] = {
        "csrf_token": blank.csrf_token(config, "a" * blank.COOKIE_LENGTH),
        "form_token": blank.form_token(config, "ConsultationForm", age=60),
        "topics": ["dosing", "safety"],
        "contact_method": "phone",
        "npi": "1234567893",
        "state": "CA",
        "name": typed,
        "question": typed,
        "phone": "x" if failing else "925-555-0142",
        "on_behalf": "y",
        "delegate_name": typed,
        "delegate_email": "b@clinic.example",
        "email": "ana@clinic.example",
    }
    pages = []
    for _ in range(3):
        client = app.test_client(use_cookies=False)
        headers = {"Cookie": f"{config.form_cookie}={'a' * blank.COOKIE_LENGTH}"}
        pages.append(client.post(addresses.CONSULTATION, data=sent, headers=headers).text)

    assert pages[0] == pages[1] == pages[2] and "<b>" not in pages[0]
    with app.test_request_context(addresses.CONSULTATION, method="POST", data=sent, headers=headers):
        form = ConsultationForm()
        assert form.validate() is not failing
        form.has_trap = failing
        drawn = [str(controls.tokens(form)), str(controls.errors(form))]
        drawn += [str(controls.field(form.state, optional=True)), str(controls.field(form.name))] * failing
    assert all(one in pages[0] for one in drawn)


def test_a_frame_lasts_a_minute_and_no_page_of_a_query_is_kept(
    app: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    environment = type(app.jinja_env)
    usual = environment.get_or_select_template
    monkeypatch.setattr(
        environment,
        "get_or_select_template",
        lambda self, name, *more: names.append(name) or usual(self, name, *more),
    )
    cookie = "a" * blank.COOKIE_LENGTH
    config: Settings = app.extensions["settings"]

    def send(query: str = "") -> None:
        sent = {
            "csrf_token": blank.csrf_token(config, cookie),
            "form_token": blank.form_token(config, "ConsultationForm", age=60),
        }
        client = app.test_client(use_cookies=False)
        headers = {"Cookie": f"{config.form_cookie}={cookie}"}
        answer = client.post(addresses.CONSULTATION + query, data=sent, headers=headers)
        assert answer.status_code == 422
        assert (f'action="{addresses.CONSULTATION}{query}"') in answer.text

    for query in ("", "", "?from=here", "?from=there", ""):
        send(query)
    assert len(names) == 3
    clock.tick(60)
    send()
    assert len(names) == 4


def test_a_page_that_lost_a_hole_or_has_one_twice_is_refused(app: Flask) -> None:
    with app.test_request_context(addresses.CONSULTATION):
        mold = controls.Mold(ConsultationForm(formdata=None), is_failed=True)
        mark = str(controls.errors(mold))
    assert isinstance(mark, str) and tokens.is_whole(mark) is False
    assert Frame(f"<{mark}>", mold.holes).around(Empty(), Markup("")) == "<>"
    for page in ("", mark * 2):
        with pytest.raises(ValueError, match="each of its holes once"):
            Frame(page, mold.holes)


def test_a_page_learns_nothing_of_a_form_but_its_fields(app: Flask) -> None:
    with app.test_request_context(addresses.CONSULTATION):
        mold = controls.Mold(ConsultationForm(formdata=None), is_failed=True)
        assert isinstance(mold.name, controls.Place)
        with pytest.raises(AttributeError):
            mold.holes_of_somebody  # noqa: B018 - to ask is the test


class Empty:
    """A form without errors."""

    form_errors: tuple[str, ...] = ()

    def __iter__(self) -> Any:
        return iter(())
