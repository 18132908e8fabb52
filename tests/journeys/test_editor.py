"""Whoever writes the newsletter, in a browser: Chromium with and without scripts, and Firefox in `make browsers`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.figures import is_full
from tests.firefox import Firefox, firefox
from tests.stage import Stage, Theatre

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
WORDS = {
    "slug": "december-2026",
    "subject_en": "Later on Thursdays",
    "preview_en": "New opening hours",
    "source_en": "We are open later on Thursdays: [click here](http://pharmacy.example/hours).",
    "subject_es": "Los jueves, más tarde",
    "preview_es": "Nuevo horario",
    "source_es": "Los jueves abrimos hasta más tarde: [nuestro horario](https://pharmacy.example/horario).",
}
RIGHT = "We are open later on Thursdays: [our hours](https://pharmacy.example/hours)."
WRONG = (
    "English: Line 1: The link “click here” does not say where it leads.",
    "English: Line 1: The link “click here” must begin with https://.",
)


def said(editor: Stage | Firefox) -> str:
    """What can be read in the main part."""
    return editor.text if isinstance(editor, Firefox) else " ".join(editor.page.inner_text("main").split())


def edit(editor: Stage | Firefox, house: Theatre, sees: Callable[..., object]) -> None:
    """From the list to an edition that is scheduled, and back to a draft."""
    editor.open("/staff/editions").follow("Write an edition")
    editor.fill(**WORDS).tick("topics=news", "paid=no").press("Save the draft")
    sees("The draft is saved.", *WRONG, "English: send yourself a test of the text as it is now.")
    editor.follow("Change the text")
    if isinstance(editor, Firefox):
        editor.empty("source_en")
    editor.fill(source_en=RIGHT).press("Save the draft")
    assert not [words for words in WRONG if words in said(editor)]
    editor.press("Send me a test")
    sees("A test in each language is on its way to you.", "[1] https://pharmacy.example/hours")
    tests = [mail for mail in house.mails() if str(mail["Subject"]).startswith("[TEST] ")]
    assert [mail["Content-Language"] for mail in tests] == ["en", "es"]

    send = next(words for words in said(editor).split("Send it ")[1:] if "Day" in words)
    assert "Leave day and time empty to send in 10 minutes" in send
    count = said(editor).partition("Who gets it ")[2].partition(":")[0].partition(".")[0]
    editor.press(f"Send to {count}")
    sees("It is scheduled. Until then you can stop it.", "State Scheduled")
    editor.press("Stop: do not send it")
    sees("It is a draft again. Nothing was sent.", "State Draft")


@pytest.mark.parametrize("scripts", [True, False] if is_full() else [False])
def test_an_edition_is_written_tried_scheduled_and_stopped(
    stage: Callable[..., Stage], house: Theatre, scripts: bool
) -> None:
    grace = stage(scripts=scripts, width=320).as_staff("Grace")

    def sees(*sentences: str) -> None:
        text = said(grace)
        assert [one for one in sentences if one not in text] == [], text[:2000]

    edit(grace, house, sees)

    assert grace.complaints == []


@pytest.mark.skipif(not is_full(), reason="in `make browsers`")
def test_the_same_in_firefox(house: Theatre, tmp_path_factory: pytest.TempPathFactory) -> None:
    house.set_back()
    with firefox(tmp_path_factory.mktemp("firefox"), house.base) as fox:
        if fox is None:
            pytest.skip("no Firefox here: apt-get install firefox-esr")
        fox.resize(320).open("/").set_cookie(*house.session_of("Grace"))
        edit(fox, house, fox.sees)
