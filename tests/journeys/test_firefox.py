"""The three main journeys in Firefox, by its own clicks and keys; in the suite the first, all in `make browsers`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from flask import request, request_started

from tests.figures import is_full
from tests.firefox import Firefox
from tests.scenes import link_in, sent_edition
from tests.stage import PASSWORD, READING, Stage, Theatre

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
QUESTION = "Which interval do you advise between tramadol and a first dose?"
WHOLE = pytest.mark.skipif(not is_full(), reason="in `make browsers`")


def test_a_prescriber_asks(fox: Firefox, house: Theatre) -> None:
    """Through the gate to the receipt, at a phone's width."""
    house.set_back()
    fox.resize(390).open("/").sees("For prescribers").follow("For prescribers")
    fox.press("I am a health professional: continue").sees("Check before you prescribe")
    fox.follow("Ask a pharmacist").press("Continue").sees("There is a problem")
    fox.tick("topics=interactions").fill(question=QUESTION, name="Ana Ruiz", npi="123-456-7893")
    fox.fill(email="ana@clinic.example").tick("contact_method=email").press("Continue")
    fox.sees(QUESTION, "Ana Ruiz", "ana@clinic.example").press("Send my question")
    found = re.search(r"LDN-[0-9A-Z]{4}-[0-9A-Z]{4}", fox.text)
    assert found, fox.text[:500]
    assert [mail["To"] for mail in house.mails()].count("ana@clinic.example") == 1


@pytest.mark.parametrize(
    ("path", "asks"), [("/staff/requests", "/news"), ("/staff/editions/1", "/far")], ids=["list", "edition"]
)
def test_what_a_page_asks_by_itself_it_asks_while_somebody_looks(
    fox: Firefox, stage: Callable[..., Stage], path: str, asks: str
) -> None:
    """Behind another tab a list asks for no news and an edition for no figures; seen again, at once."""
    house, asked = stage().house, []
    sent_edition(stage())

    def note(_app: object, **_more: object) -> None:
        if request.path.endswith(asks):
            asked.append(request.path)

    with request_started.connected_to(note, house.staff):
        fox.forget().set_cookie(*house.session_of("Grace")).open(path)
        with fox.hidden():
            asked.clear()
            for _ in range(3):
                fox.happens("visibilitychange")
            time.sleep(6)  # the figures are due every 5 s
            assert asked == []
        end = time.monotonic() + 10
        while not asked and time.monotonic() < end:
            time.sleep(0.1)

    assert set(asked) == {f"{path}{asks}"}


@WHOLE
@pytest.mark.parametrize(
    ("path", "sign_up", "yes", "stop"),
    [
        ("/newsletter", "Sign up", "Yes, sign me up", "Stop all emails"),
        ("/es/boletin", "Inscribirme", "Sí, quiero recibir el boletín", "Dejar de recibir correos"),
    ],
)
def test_a_patient_signs_up_confirms_and_leaves(
    fox: Firefox, house: Theatre, path: str, sign_up: str, yes: str, stop: str
) -> None:
    house.set_back()
    fox.resize(320).open(path).fill(email="reader@mail.example")
    house.at = house.at.replace(second=READING)
    fox.press(sign_up).sees("reader@mail.example")
    fox.open(link_in(house.mails()[-1], "/newsletter/confirm/")).press(yes)
    fox.open(link_in(house.mails()[-1], "/newsletter/unsubscribe/")).press(stop).sees()


@WHOLE
def test_staff_sign_in_with_a_code_and_answer(fox: Firefox, house: Theatre) -> None:
    house.set_back()
    with house.app.app_context():
        from sqlalchemy import select

        from portal.db import db
        from portal.intake.models import Request
        from portal.people.models import User

        email = db.session.scalars(select(User.email).where(User.name.startswith("Ada"))).one()
        open_ones = select(Request.reference).where(Request.status == "new", Request.kind == "consultation")
        reference = db.session.scalars(open_ones.order_by(Request.id.desc())).first()
        db.session.rollback()
    fox.resize(1280).open("/staff/requests").fill(email=email, password=PASSWORD).press("Sign in")
    fox.fill(code=house.code_of("Ada")).press("Continue").sees(str(reference))
    cells = fox.told("cell")
    fox.resize(320)
    assert fox.told("cell") == cells > 0, "a card's parts are cells still"
    assert fox.before("td[data-label='Status']") == 'attr(data-label) / ""', (
        "seen, and not told with the cell"
    )
    fox.resize(1280).open(f"/staff/requests/{reference}").press("Claim").sees("Answer")
    fox.fill(**{"answer-text": "At least 7 to 10 days. The label says so."}).press("Send answer and close")
    fox.sees("At least 7 to 10 days.")
