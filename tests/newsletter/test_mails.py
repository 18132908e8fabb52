"""The newsletter's mails: N33's headers, the same links in text and HTML, nothing that tells of an illness."""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import product
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from portal.db import transaction
from portal.mail.compose import compose
from portal.mail.letters import pack
from portal.mail.models import Body
from portal.newsletter import letters, subscriptions
from portal.newsletter.models import Language, State, Subscriber
from tests.conftest import START, Clock
from tests.newsletter.people import ADDRESS, LINK, Outbox, confirm, links_of, make_subscriber, row_of, sign_up
from tests.pages import Visitor

MESSAGES = {
    "confirm": {"confirm_path": "/newsletter/confirm/TOKEN"},
    "reminder": {"confirm_path": "/newsletter/confirm/TOKEN"},
    "welcome": {
        "preferences_path": "/newsletter/preferences/T",
        "leave_path": "/newsletter/unsubscribe/T",
        "paused_until": None,
    },
    "already": {
        "preferences_path": "/newsletter/preferences/T",
        "leave_path": "/newsletter/unsubscribe/T",
        "paused_until": START,
    },
    "erase": {"erase_path": "/newsletter/erase/TOKEN"},
}
TELLING = (
    "ldn",
    "naltrexon",
    "opioid",
    "pain",
    "dolor",
    "crohn",
    "fibromyalgia",
    "fibromialgia",
    "medicine",
    "medicamento",
)


def written(app: Flask, message: str, language: str) -> EmailMessage:
    with app.app_context():
        content = compose(
            Body(
                message=f"newsletter/{message}",
                language=language,
                facts=pack(MESSAGES[message]),
                created_at=START,
            )
        )
    return message_from_bytes(content, policy=policy.default)


@pytest.mark.parametrize(("message", "language"), list(product(MESSAGES, ("en", "es"))))
def test_text_and_html_carry_the_same_links(app: Flask, message: str, language: str) -> None:
    mail = written(app, message, language)

    wanted = {path for path in MESSAGES[message].values() if isinstance(path, str)}

    assert links_of(mail, "plain") == wanted
    assert links_of(mail, "html") == wanted
    assert mail["Content-Language"] == language
    last = "\n".join(mail.get_body(("plain",)).get_content().splitlines()).split("\n\n")[-1]
    assert re.match(r"This is general|Esto es información general", last), "a paragraph of its own"
    assert f'<html lang="{language}">' in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize(("message", "language"), list(product(MESSAGES, ("en", "es"))))
def test_no_mail_tells_of_an_illness_or_a_medicine(app: Flask, message: str, language: str) -> None:
    """Being on the list may itself say something about a person."""
    mail = written(app, message, language)
    words = " ".join(
        [
            mail["Subject"],
            mail["From"],
            mail.get_body(("plain",)).get_content(),
            mail.get_body(("html",)).get_content(),
        ]
    ).lower()

    assert [telling for telling in TELLING if telling in words] == []


@pytest.mark.parametrize("message", MESSAGES)
def test_english_and_spanish_differ(app: Flask, message: str) -> None:
    english, spanish = written(app, message, "en"), written(app, message, "es")

    assert english["Subject"] != spanish["Subject"]
    own = [
        line
        for line in english.get_body(("plain",)).get_content().splitlines()
        if len(line) > 25 and not LINK.search(line)
    ]
    shared = set(own) & set(spanish.get_body(("plain",)).get_content().splitlines())
    who_we_are = app.extensions["settings"].ORG.name
    assert not [line for line in shared if "San Ramon" not in line and not line.startswith(who_we_are)]


def test_the_welcome_carries_every_list_header(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    """N33 and RFC 8058; an address in a header is never folded or encoded."""
    welcome = confirm(visitor, outbox)[1]
    with app.app_context(), transaction():
        subscriber = subscriptions.find(ADDRESS)
        assert isinstance(subscriber, Subscriber)
        leave = letters.leave_path(subscriber)

    assert welcome["List-Unsubscribe"] == f"<http://localhost:8000{leave}>"
    assert welcome["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert welcome["List-Id"] == "<newsletter.localhost>"
    assert welcome["List-Post"] == "NO"
    for name in ("List-Help", "List-Owner", "List-Archive"):
        assert welcome[name].startswith(("<http://localhost:8000/", "<mailto:")), name
    for name in welcome:
        assert len(welcome.get_all(name)) == 1, name


def test_a_long_host_does_not_break_the_header(
    app: Flask, change_settings: Callable[..., None], work: Callable[[], int], instance: Path
) -> None:
    change_settings(BASE_URL="https://newsletter.a-pharmacy-with-a-long-name.example.org")
    make_subscriber(app)

    with app.app_context(), transaction():
        subscriber = subscriptions.find(ADDRESS)
        assert subscriber is not None
        letters.write_to(subscriber, "welcome", at=START)
    work()
    [file] = (instance / "mail").iterdir()
    lines = file.read_bytes().decode("ascii").split("\r\n")

    assert (
        f"List-Unsubscribe: <https://newsletter.a-pharmacy-with-a-long-name.example.org{_path(app)}>" in lines
    )


def _path(app: Flask) -> str:
    with app.app_context(), transaction():
        subscriber = subscriptions.find(ADDRESS)
        assert subscriber is not None
        return letters.leave_path(subscriber)


def test_mails_come_in_the_language_that_was_chosen(
    app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock
) -> None:
    sign_up(visitor, page="/newsletter", language="es")
    make_subscriber(app, State.ACTIVE, address="ben@mail.example", language=Language.ES)
    sign_up(visitor, "ben@mail.example", language="en")

    to_anna, to_ben = outbox()

    assert to_anna["Subject"] == "Confirme su inscripción"
    assert to_ben["Subject"] == "Ya está en la lista", "a stranger's form does not choose Ben's language"
    assert row_of(app, "ben@mail.example")["language"] == "es"  # type: ignore[index]


def test_the_style_stands_on_the_tags_and_what_hangs_on_the_screen_in_its_sheet(app: Flask) -> None:
    """Mail programs that drop a style sheet show the light; those that keep it, the dark too."""
    html = written(app, "welcome", "en").get_body(("html",)).get_content()
    soup = BeautifulSoup(html, "html.parser")
    sheet = soup.style.extract().get_text()

    bare = [tag for tag in soup.find_all(["td", "p", "a", "h1"]) if not tag.get("style") and tag.get_text()]
    assert bare == []
    assert "padding:13px 24px" in soup.find("a", class_="btn")["style"]
    assert "margin:0 0 16px" in soup.find("h1").find_next_sibling("p")["style"]
    assert "prefers-color-scheme: dark" in sheet
    assert not re.search(r"\bmargin|font", sheet), "nothing that the tags say already"
    assert html.index("charset") < 1024
