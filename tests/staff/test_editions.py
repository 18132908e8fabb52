"""Writing, trying and sending an edition in the browser; who may do what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from portal.db import db
from portal.editions.models import Edition, State
from portal.mail.models import Lane
from tests.conftest import Clock
from tests.editions.conftest import DRAFT, step
from tests.mail.conftest import Sink, hand_over
from tests.newsletter.people import make_subscriber
from tests.pages import Page
from tests.staff.conftest import Colleague

SignedIn = Callable[..., Colleague]


@pytest.fixture(autouse=True)
def postal_address(app: Flask) -> Iterator[None]:
    org = app.extensions["settings"].ORG
    was = org.address
    object.__setattr__(org, "address", "1 Main Street, San Ramon")
    yield
    object.__setattr__(org, "address", was)


def write(who: Colleague) -> Page:
    fields = {name: value for name, value in DRAFT.items() if name not in ("only_english", "is_public")}
    return who.open("/staff/editions/new").set(**fields).press("Save the draft", status=303)


def state_of(app: Flask) -> State:
    with app.app_context():
        return db.session.scalars(select(Edition.state)).one()


def test_a_manager_writes_tries_sends_and_stops(app: Flask, signed_in: SignedIn, clock: Clock) -> None:
    make_subscriber(app)
    grace = signed_in("manager")
    page = write(grace).sees("1 person: 1 in English, 0 in Spanish", "send yourself a test")
    page.lacks("Send to 1 person")
    page = page.press("Send me a test", status=303).sees("A test in each language is on its way to you.")

    page = page.press("Send to 1 person", status=303).sees("Until then you can stop it")
    assert state_of(app) == State.SCHEDULED
    page.press("Stop: do not send it", status=303).sees("Nothing was sent")

    assert state_of(app) == State.DRAFT


def test_a_time_in_the_past_is_refused_and_the_answer_kept(app: Flask, signed_in: SignedIn) -> None:
    page = write(signed_in("manager")).press("Send me a test", status=303)

    page = page.set(day="2026-01-14", time="09:30").press("Send to 0 people", status=422)

    assert page.errors == {"time": "Choose a time at least 5 minutes from now"}
    assert state_of(app) == State.DRAFT


@pytest.mark.parametrize(
    ("day", "time", "message"),
    [
        ("2026-03-08", "02:30", "There is no such time on that day: the clocks change"),
        ("9999-12-31", "23:59", "Choose a time within a year from now"),
        ("2027-06-01", "09:00", "Choose a time within a year from now"),
        ("2026-03-09", "", "Give both the day and the time, or neither"),
        ("", "02:30", "Give both the day and the time, or neither"),
        ("2026-02-30", "02:30", "Give both the day and the time, or neither"),
    ],
)
def test_a_time_that_cannot_be_is_refused_in_words(
    app: Flask, signed_in: SignedIn, day: str, time: str, message: str
) -> None:
    page = write(signed_in("manager")).press("Send me a test", status=303)

    page = page.set(day=day, time=time).press("Send to 0 people", status=422)

    assert message in page.errors.values() or day == "2026-02-30"
    assert state_of(app) == State.DRAFT


@pytest.mark.parametrize(
    ("day", "time", "utc"),
    [
        ("2026-03-07", "09:30", "2026-03-07 17:30"),
        ("2026-03-08", "09:30", "2026-03-08 16:30"),  # after the clocks went forward in the night
        ("2026-11-01", "00:30", "2026-11-01 07:30"),
        ("2026-11-01", "01:30", "2026-11-01 08:30"),  # comes twice: the first
        ("2026-11-01", "09:30", "2026-11-01 17:30"),  # after they went back
    ],
)
def test_a_local_time_stays_local_over_the_change_of_clocks(
    app: Flask, signed_in: SignedIn, day: str, time: str, utc: str
) -> None:
    page = write(signed_in("manager")).press("Send me a test", status=303)

    page = page.set(day=day, time=time).press("Send to 0 people", status=303)

    with app.app_context():
        assert f"{db.session.scalars(select(Edition.due_at)).one():%Y-%m-%d %H:%M}" == utc
    page.sees(f"({utc[11:]} UTC)")


def test_a_version_that_is_none_is_refused(app: Flask, signed_in: SignedIn) -> None:
    page = write(signed_in("manager")).press("Send me a test", status=303)

    page.set(version="x").press("Send to 0 people", status=422).lacks("invalid literal")

    assert state_of(app) == State.DRAFT


def test_a_draft_is_given_up_for_good(app: Flask, signed_in: SignedIn) -> None:
    page = write(signed_in("manager")).press("Cancel this edition", status=303)

    page.sees("It is cancelled", "State Cancelled").lacks("How far it is", "Change the text", "Cancel this")
    assert state_of(app) == State.CANCELLED


def test_an_edition_cancelled_in_the_middle_says_how_many_got_it(
    app: Flask, signed_in: SignedIn, clock: Clock
) -> None:
    for n in range(3):
        make_subscriber(app, address=f"reader{n}@mail.example")
    grace = signed_in("manager")
    write(grace).press("Send me a test", status=303).press("Send to 3 people", status=303)
    clock.tick(minutes=10)
    with app.app_context():
        step()
        hand_over(Sink(), Lane.BULK, wait=lambda _seconds: True)
    page = grace.open("/staff/editions/1")
    assert page.soup.select_one("[data-far]")["data-far"] == "/staff/editions/1/far"

    page = page.press("Send no more of it", status=303)

    page.sees("1 sent, 0 doubtful, 0 refused, 2 not sent.")
    assert page.soup.select_one("[data-far]") is None


def test_a_page_of_what_is_sent_asks_for_its_figures_alone_and_keeps_nobody_signed_in(
    app: Flask, signed_in: SignedIn, clock: Clock
) -> None:
    for n in range(3):
        make_subscriber(app, address=f"reader{n}@mail.example")
    grace = signed_in("manager")
    write(grace).press("Send me a test", status=303)
    assert grace.get("/staff/editions/1/far").text.strip() == ""  # nothing began
    grace.open("/staff/editions/1").press("Send to 3 people", status=303)
    clock.tick(minutes=10)
    with app.app_context():
        step()
    address = "/staff/editions/1/far"

    first = grace.get(address)
    figures = first.text
    assert "Waiting" in figures and "What arrives" not in figures and len(figures) < 2_000
    etag = first.headers["ETag"]
    same = grace.get(address, headers={"If-None-Match": etag})
    assert (same.status_code, same.data) == (304, b"")
    with app.app_context():
        hand_over(Sink(), Lane.BULK, wait=lambda _seconds: True)
    other = grace.get(address, headers={"If-None-Match": etag})
    assert other.status_code == 200 and other.text != figures
    for _ in range(8):
        clock.tick(minutes=4)
        grace.get(address)
    assert grace.get(address).status_code == 302


def test_a_pharmacist_writes_and_does_not_send(app: Flask, signed_in: SignedIn) -> None:
    ada = signed_in("pharmacist")
    page = write(ada).press("Send me a test", status=303).lacks("Send to 0 people")
    token = page.soup.find("input", attrs={"name": "csrf_token"})["value"]

    assert ada.post("/staff/editions/1/cancel", data={"csrf_token": token}).status_code == 403
    assert signed_in("desk").get("/staff/editions").status_code == 403
    assert state_of(app) == State.DRAFT


def test_of_two_who_write_the_later_is_told_and_loses_no_word(app: Flask, signed_in: SignedIn) -> None:
    ada, ben = signed_in("pharmacist"), signed_in("pharmacist")
    write(ada)
    mine, theirs = ada.open("/staff/editions/1/text"), ben.open("/staff/editions/1/text")
    theirs.set(subject_en="Theirs").press("Save the draft", status=303)

    page = mine.set(subject_en="Mine").press("Save the draft", status=409)

    page.sees("Somebody else changed this edition meanwhile")
    assert page.soup.find("input", attrs={"name": "subject_en"})["value"] == "Mine"


def test_the_preview_is_the_mail_and_may_do_nothing_else(app: Flask, signed_in: SignedIn) -> None:
    ada = signed_in("pharmacist")
    write(ada)

    answer = ada.get("/staff/editions/1/preview/es")

    assert "Los jueves, más tarde" in answer.text
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_mail_is_shown_in_the_light_in_the_dark_and_on_a_phone(app: Flask, signed_in: SignedIn) -> None:
    ada = signed_in("pharmacist")
    page = write(ada)
    paths = [tag["href"] for tag in page.soup.select("main a") if "/preview/en" in tag["href"]]

    light, dark, narrow = (ada.get(path) for path in paths)

    assert [answer.status_code for answer in (light, dark, narrow)] == [200] * 3
    assert "@media (prefers-color-scheme: dark)" in light.text and "@media (max-width: 480px)" in light.text
    assert "@media (prefers-color-scheme: dark)" not in dark.text
    assert "@media (max-width: 480px)" not in narrow.text and '<body style="max-width:320px;' in narrow.text
    assert all("padding:32px" in answer.text for answer in (light, dark, narrow)), "as the mail has it"
    assert "sandbox" in dark.headers["Content-Security-Policy"]
    assert ada.get(paths[0] + "?as=else").status_code == 404


# What SpamAssassin 4.0.1 writes above a mail, as it folds it.
SCORED = """X-Spam-Status: {says}, score={score} required=5.0 tests=HTML_MESSAGE,
\tLIST_PARTIAL_SHORT_MSG,NO_RELAYS autolearn=no version=4.0.1
X-Spam-Report:
\t* -0.0 NO_RELAYS Informational: message was not relayed via SMTP
\t*  0.0 HTML_MESSAGE BODY: HTML included in message
\t*  {score} LIST_PARTIAL_SHORT_MSG Incomplete mailing list headers + short
\t*      message
"""


@pytest.fixture
def spam_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A program of that name, which keeps what it is given and answers with these words."""

    def install(answer: str) -> Path:
        program, taken = tmp_path / "spamassassin", tmp_path / "taken.eml"
        (tmp_path / "answer").write_text(answer)
        program.write_text(f"#!/bin/sh\ncat > {taken}\ncat {tmp_path / 'answer'} {taken}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        return taken

    return install


@pytest.mark.parametrize(("says", "score", "level"), [("No", "1.0", "info"), ("Yes", "7.5", "warn")])
def test_a_spam_filter_says_what_it_makes_of_the_mail_that_would_arrive(
    signed_in: SignedIn, spam_filter: Callable[[str], Path], says: str, score: str, level: str
) -> None:
    grace, taken = signed_in("manager"), spam_filter(SCORED.format(says=says, score=score))

    page = write(grace).follow("How much it looks like spam , in Spanish")

    page.sees(f"SpamAssassin gives it {score} points; 5.0 make a mail spam")
    page.sees(f"{score}: Incomplete mailing list headers + short message (LIST_PARTIAL_SHORT_MSG)")
    assert page.soup.select_one("#scored-es .notice")["class"] == ["notice", level]
    assert b"List-Unsubscribe: <http" in taken.read_bytes() and b"Content-Language: es" in taken.read_bytes()


@pytest.mark.parametrize("answer", ["", "X-Spam-Status: what?\n\n"])
def test_a_spam_filter_that_says_nothing_is_said_to_say_nothing(
    signed_in: SignedIn, spam_filter: Callable[[str], Path], answer: str
) -> None:
    spam_filter(answer)
    grace = signed_in("manager")
    write(grace)

    grace.open("/staff/editions/1?scored=en", status=503).sees("SpamAssassin did not")


def test_no_spam_filter_is_offered_where_there_is_none(
    signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    write(signed_in("manager")).lacks("looks like spam")
