"""The one-page summary: passages of the chapters in a fixed order, with the five works a prescriber needs first.

Nothing here is worded twice: `PARTS` says which table or list of which chapter stands where, and the words are
the chapter's own. A chapter that loses a passage the sheet needs is a fault of the content.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from markupsafe import Markup

from portal import addresses
from portal.library import passages
from portal.library.markdown import Document


class Chapter(Protocol):
    """What the sheet asks of a page."""

    @property
    def document(self) -> Document:
        """Its text."""


@dataclass(frozen=True)
class Part:
    """One part of the sheet: cells of a table's rows (the first names the line), or points of a list."""

    heading: str
    chapter: str
    passage: str
    cells: tuple[int, ...] = ()  # of a table
    which: tuple[int, ...] = ()  # of the rows or points, counted from 0; empty: all
    between: str = ". "  # the words of two cells


@dataclass(frozen=True)
class Line:
    """One line of a part; `name` is empty for a point of a list."""

    name: Markup
    words: tuple[Markup, ...]


@dataclass(frozen=True)
class Section:
    """One part with its lines, and the address of the chapter they come from."""

    heading: str
    address: str
    lines: tuple[Line, ...]
    between: str


PARTS = (
    Part("Do not start, or stop and ask", addresses.SAFETY, "contraindications-table", (0, 1)),
    Part(
        "Opioid-free before the first dose",
        addresses.SAFETY,
        "opioid-free-table",
        (0, 1),
        which=(0, 1, 2, 3, 4),
    ),
    Part("Dose and titration", addresses.PRESCRIBERS, "dose-table", (0, 1, 2)),
    Part("Write this", addresses.PRESCRIBERS, "write"),
    Part("When to stop", addresses.DOSING, "stopping"),
    # What needs an act; that nothing is expected, or that LDN does not treat a thing, is in the chapter.
    Part("Interactions", addresses.SAFETY, "interactions-table", (0, 1, 2), which=(0, 1, 2, 3, 4, 5, 7)),
    Part("Monitoring", addresses.SAFETY, "monitoring-table", (0, 1)),
    Part("Adverse effects", addresses.SAFETY, "adverse-table", (0, 1, 2), which=(1, 4), between="; "),
    Part("What the trials show", addresses.PRESCRIBERS, "summary", which=(1, 2)),
)
# The label, the two largest trials, the widest pooled analysis, and an independent review of trials that favor LDN.
KEY_REFERENCES = ("label_dailymed", "bruun2024", "innova", "hegde2025", "parker2018")


def make(pages: Mapping[str, Chapter]) -> tuple[tuple[Section, ...], list[str]]:
    """The sheet from the chapters that are there, and one sentence for each passage that is missing."""
    sections: list[Section] = []
    faults: list[str] = []
    for part in PARTS:
        if part.chapter not in pages:
            continue
        try:
            lines = _lines(part, pages[part.chapter].document)
        except (KeyError, IndexError):
            faults.append(f"the sheet needs {part.passage!r} in {part.chapter}, which is not there")
            continue
        sections.append(Section(part.heading, f"{part.chapter}#{part.passage}", lines, part.between))
    return tuple(sections), faults


def _lines(part: Part, document: Document) -> tuple[Line, ...]:
    if not part.cells:
        points = passages.points(document, part.passage)
        return tuple(Line(Markup(), (points[place],)) for place in part.which or range(len(points)))
    name, *rest = part.cells
    rows = passages.rows(document, part.passage)
    chosen = [rows[place] for place in part.which or range(len(rows))]
    return tuple(Line(row[name], tuple(row[cell] for cell in rest if row[cell])) for row in chosen)
