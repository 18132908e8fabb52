"""The portal's texts as checked pages: read once at start, together with the bibliography and the evidence.

`load` either gives a library in which every link leads somewhere, every citation has its work, every dose is
well spelt and no public page says what it may not; or it raises `ContentError` with *all* the faults it found.

A review is shown only when somebody signed it: `review: signed` wants the reviewer and the day, and every
other state forbids them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from markupsafe import Markup

from portal import addresses
from portal.library import ages, cards, evidence, markdown, plans, sheet, typography
from portal.library.evidence import Condition
from portal.library.pictures import Picture
from portal.library.plans import Schedule
from portal.library.references import Reference
from portal.library.tables import Grid

WAITS_FOR = {
    "pending": "pending review by the pharmacist-in-charge",
    "translation-pending": "pending review by a qualified translator",
}

EVIDENCE = addresses.EVIDENCE  # the page that can show one condition alone,
EVIDENCE_TABLE = "## Studies {#studies}"  # and then begins here


class ContentError(Exception):
    """The texts cannot be shown; `faults` has one sentence for each reason."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


@dataclass(frozen=True)
class Cited:
    """A work as one page cites it: its number there and the marks that lead back."""

    number: int
    work: Reference
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """A work in the full bibliography, with the pages that cite it: (path#anchor, title)."""

    work: Reference
    cited_on: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """One text, ready to be shown; the same for every visitor."""

    path: str
    language: str
    title: str
    short: str
    description: str
    section: str
    order: int
    gated: bool
    review: str
    reviewer: str
    reviewed_on: date | None
    next_review_on: date | None
    updated_on: date
    changes: tuple[tuple[date, str], ...]
    twin: str
    shows_contact: bool
    lists_all_references: bool
    source: str
    body: str = field(repr=False)
    document: markdown.Document
    references: tuple[Cited, ...] = ()
    bibliography: tuple[Listed, ...] = ()

    @property
    def lead_html(self) -> Markup:
        """The notice the text begins with, to be shown above the list of contents; may be empty."""
        return Markup(self.document.lead)  # noqa: S704 - has passed both walls

    @property
    def body_html(self) -> Markup:
        """The text below its first notice, as HTML that has passed both walls."""
        return Markup(self.document.html)  # noqa: S704 - has passed both walls

    @property
    def contents(self) -> tuple[tuple[str, str], ...]:
        """(id, words) of each section."""
        return self.document.contents

    @property
    def waits_for(self) -> str:
        """What still has to be done before the text is signed; nothing once it is, or needs no signature."""
        return WAITS_FOR.get(self.review, "")

    @property
    def text(self) -> str:
        """Everything a reader reads here, without marks."""
        return "\n".join((self.title, self.description, self.document.text))


@dataclass(frozen=True, kw_only=True)
class Library:
    """All the texts at one moment."""

    folder: Path
    pages: Mapping[str, Page]
    references: Mapping[str, Reference]
    evidence: tuple[Condition, ...]
    schedules: tuple[Schedule, ...]
    sheet: tuple[sheet.Section, ...]
    cards: Mapping[str, cards.Card]
    pictures: Mapping[str, Picture]
    loaded: tuple[int, int]

    def stamp(self) -> tuple[int, int]:
        """What the files look like now; differs from `loaded` once one was written, added or taken away."""
        return stamp(self.folder)

    def evidence_on(self, condition: str | None, sort: str = "") -> Page | None:
        """The evidence page from its table on, one condition's studies alone or sorted; None for one not listed."""
        page = self.pages.get(EVIDENCE)
        chosen = next((one for one in self.evidence if one.id == condition), None)
        if page is None or (condition is not None and chosen is None):
            return None
        if condition is None and not sort:
            return page
        _, table, rest = page.body.partition(EVIDENCE_TABLE)
        shown = (chosen,) if chosen else self.evidence
        grids = grids_of(self.evidence, self.schedules, chosen)
        if sort:
            grids["evidence"] = evidence.sorted_grid(shown, sort, self.references)
        document = markdown.parse(table + rest or page.body, page.language, grids)
        return replace(
            page,
            title=f"{page.title}: {typography.typeset(chosen.name)[0]}" if chosen else page.title,
            document=document,
            references=cited_works(document, self.references),
        )

    def chapters(self, section: str, language: str = "en") -> tuple[Page, ...]:
        """The pages of one section in their order."""
        found = [page for page in self.pages.values() if (page.section, page.language) == (section, language)]
        return tuple(sorted(found, key=lambda page: (page.order, page.path)))

    def neighbours(self, page: Page) -> tuple[Page | None, Page | None]:
        """The chapter before and the chapter after."""
        chapters = self.chapters(page.section, page.language)
        place = chapters.index(page)
        return (
            chapters[place - 1] if place else None,
            chapters[place + 1] if place + 1 < len(chapters) else None,
        )

    def waits_for_pharmacist(self, page: Page) -> bool:
        """Whether the pharmacist-in-charge has still to sign this text; of a translation, its original."""
        original = self.pages.get(page.twin) if page.language != "en" else None
        return (original or page).review not in ("signed", "none")

    def public(self) -> tuple[Page, ...]:
        """The pages anybody may read, by address."""
        return tuple(page for _, page in sorted(self.pages.items()) if not page.gated)

    def unsigned(self) -> tuple[Page, ...]:
        """The pages that somebody still has to review, by address."""
        return tuple(page for _, page in sorted(self.pages.items()) if page.waits_for)

    def overdue(self, today: date) -> tuple[Page, ...]:
        """The signed pages whose next review should have been before today, by address."""
        return tuple(
            page
            for _, page in sorted(self.pages.items())
            if page.next_review_on and page.next_review_on < today
        )


def stamp(folder: Path) -> tuple[int, int]:
    """What the files under `folder` look like now: a stat call for each, no reading."""
    times = sorted(file.stat().st_mtime_ns for file in folder.rglob("*.*") if file.suffix in (".md", ".yaml"))
    return len(times), hash(tuple(times))


def grids_of(
    conditions: tuple[Condition, ...], schedules: tuple[Schedule, ...], chosen: Condition | None = None
) -> dict[str, Grid]:
    """What `[[name]]` stands for; with `chosen`, the studies of that condition alone."""
    return {
        "evidence": evidence.grid((chosen,) if chosen else conditions),
        "conditions": evidence.glance(conditions, EVIDENCE),
        "schedules": plans.grid(schedules),
        **ages.grids(),
    }


def cited_works(document: markdown.Document, works: Mapping[str, Reference]) -> tuple[Cited, ...]:
    """The works that a text cites, numbered as they come."""
    return tuple(
        Cited(number, works[key], marks)
        for number, (key, marks) in enumerate(document.cited.items(), 1)
        if key in works
    )
