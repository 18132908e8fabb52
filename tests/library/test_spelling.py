"""Every word that readers read is in a dictionary or in our short list; no translation leaves out a hole or a number.

Hunspell with Debian's dictionaries is taken where it is, else unpacked into .tools (`tests/debian.py`); where it is
not to be had the spelling is skipped, with a line that says what to install. pofilter is the Translate Toolkit's.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from config import ROOT
from portal.app import CONTENT
from portal.library import loading
from portal.library.pages import Library
from portal.review import sheets
from tests import debian

DICTIONARIES = {"en": "en_US", "es": "es_US"}
PACKAGES = "hunspell", "libhunspell-1.7-0", "hunspell-en-us", "hunspell-es"
OWN = Path(__file__).parent
MESSAGES = ROOT / "portal" / "translations" / "es" / "LC_MESSAGES" / "messages.po"

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_NO_WORDS = re.compile(
    r"%\(\w+\)s|\{\w+\}|https?://\S+|\S+@\S+|\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<[^>]*>|&#?\w+;", re.DOTALL
)

POFILTER = (
    *(sys.executable, "-m", "translate.filters.pofilter", "--language=es", "--excludefilter=unchanged"),
    *("--excludefilter=startpunc", "--excludefilter=doublequoting"),  # ¿…? and «…»
)

# What the checks call different and is right: the check, and how the English begins.
RIGHT = {
    ("brackets", "Prescribers: ask a pharmacist in writing"),  # says that it is in English
    ("brackets", "Strength on your label"),  # "(mg)"
    ("emails", "Enter an email address"),  # nombre@example.com
    ("numbers", "Thoughts of ending your life?"),  # 988, then 2 for Spanish
    ("sentencecount", "The link works for 7 days."),
    ("simplecaps", "%(first)s to %(last)s"),
    ("startcaps", "%(first)s to %(last)s"),
}


@pytest.fixture(scope="module")
def library() -> Library:
    return loading.load(CONTENT)


def written(library: Library, language: str) -> Iterable[str]:
    """Texts, card, messages; in English the notes on the works too."""
    yield from (page.text for page in library.pages.values() if page.language == language)
    card = library.cards[language]
    yield from (card.how, card.front, card.warning, *card.blanks, card.help)
    with MESSAGES.open("rb") as file:
        for message in list(read_po(file))[1:]:
            said = message.id if language == "en" else message.string
            yield from (said,) if isinstance(said, str) else said
    if language == "en":
        for page in (one for one in library.pages.values() if one.language == "en"):
            yield from (words for sheet in sheets.under(page, library) for words in sheet.words)
        yield from (work.finding for work in library.references.values())


def own_words(language: str) -> list[str]:
    return (OWN / f"words-{language}.txt").read_text("utf-8").split()


@pytest.mark.parametrize("language", DICTIONARIES)
def test_every_word_is_known(library: Library, language: str) -> None:
    found = debian.program(*("hunspell", *PACKAGES))
    installed = Path("/usr/share/hunspell")
    folder = installed if installed.exists() else debian.unpacked() / "usr" / "share" / "hunspell"
    if found is None or not (folder / f"{DICTIONARIES[language]}.dic").exists():
        pytest.skip("no hunspell: apt-get install hunspell hunspell-en-us hunspell-es")
    text = " ".join(_NO_WORDS.sub(" ", part) for part in written(library, language))
    words = sorted({word.replace("’", "'") for word in _WORD.findall(text)})

    known = set(own_words(language))
    done = subprocess.run(
        [found[0], "-i", "utf-8", "-d", str(folder / DICTIONARIES[language]), "-l"],
        input="\n".join(words),
        capture_output=True,
        text=True,
        check=True,
        env=found[1],
        timeout=30,
    )
    unknown = set(done.stdout.split())

    assert unknown - known == set(), "a fault, or a word for the list beside this test"
    assert known - set(words) == set(), "these are in the list for nothing"


def test_each_translation_keeps_what_the_words_hold() -> None:
    done = subprocess.run(
        [*POFILTER, MESSAGES],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = {
        (check, read_words(entry))
        for entry in done.stdout.split("\n\n")
        for check in re.findall(r"^# \(pofilter\) (\w+):", entry, re.MULTILINE)
    }
    wrong = {
        one
        for one in found
        if not any(one[0] == check and one[1].startswith(words) for check, words in RIGHT)
    }

    assert wrong == set()
    assert len(found) == len(RIGHT), "what is called right here is called wrong no more"


def read_words(entry: str) -> str:
    """The English of one entry."""
    return "".join(re.findall(r'"(.*)"', entry.partition("msgid")[2].partition("msgstr")[0]))
