"""Search in the texts: the sections that hold most of the words, capitals and accents aside; headings count more."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from portal.library import renderers
from portal.library.pages import Page

MOST_WORDS = 8
MOST_FOUND = 30
AROUND = 90  # characters shown on each side of the first hit

_WORD = re.compile(r"[^\W_]+(?:[.-][^\W_]+)*")


@dataclass(frozen=True)
class Section:
    """One section of a page: where it is, what it is called, and its words."""

    page: Page
    anchor: str
    heading: str
    text: str

    @property
    def address(self) -> str:
        """Where it is read."""
        return f"{self.page.path}#{self.anchor}" if self.anchor else self.page.path


@dataclass(frozen=True)
class Found:
    """A section that holds the words, and the passage around the first."""

    section: Section
    passage: str


def search(pages: Iterable[Page], asked: str) -> list[Found]:
    """The sections that hold most of the words of `asked`, those that name them in a heading first."""
    wanted = [fold(word) for word in _WORD.findall(asked)[:MOST_WORDS]]
    if not wanted:
        return []
    hits: list[tuple[int, int, int, Found]] = []
    for page in pages:
        for section in sections(page):
            heading, text = fold(f"{page.title} {section.heading}"), fold(section.text)
            held = [word for word in wanted if word in heading or word in text]
            if held:
                score = sum(10 * (word in heading) + min(text.count(word), 5) for word in held)
                hits.append(
                    (-len(held), -score, len(hits), Found(section, _passage(section.text, text, held)))
                )
    best = min(hits, default=(0,))[0]
    return [found for held, *_, found in sorted(hits, key=lambda hit: hit[:3])[:MOST_FOUND] if held == best]


def sections(page: Page) -> tuple[Section, ...]:
    """A page cut at its headings; what stands before the first belongs to the page."""
    found: list[tuple[str, str, list[str]]] = [("", page.title, [page.description])]
    tokens = page.document.tokens
    for before, token in zip((None, *tokens), tokens, strict=False):
        if token.type != "inline":
            continue
        words = renderers.plain(token)
        if before is not None and before.type == "heading_open" and before.attrs.get("id"):
            found.append((str(before.attrs["id"]), words, []))
        else:
            found[-1][2].append(words)
    return tuple(Section(page, anchor, heading, _joined(text)) for anchor, heading, text in found)


def _joined(parts: list[str]) -> str:
    """Paragraphs, points and cells in one line; a semicolon parts those that end without a mark of their own."""
    ended = [part if part[-1:] in ".?!:;…" else f"{part};" for part in parts[:-1]]
    return " ".join([*ended, *parts[-1:]])


def fold(text: str) -> str:
    """Small letters without accents, one for each of the text's."""
    return "".join(_plain(letter) for letter in text)


@lru_cache(maxsize=4096)
def _plain(letter: str) -> str:
    return unicodedata.normalize("NFD", letter)[0].lower()[:1] or letter


def _passage(text: str, folded: str, wanted: list[str]) -> str:
    at = min((folded.find(word) for word in wanted if word in folded), default=0)
    first = max(0, at - AROUND)
    first = text.find(" ", first) + 1 if first else 0
    last = at + AROUND
    last = text.rfind(" ", at, last) if last < len(text) else len(text)
    return ("… " if first else "") + text[first:last].strip() + (" …" if last < len(text) else "")
