"""The portal's texts as checked pages: read once at start, together with the bibliography and the evidence.

`load` either gives a library in which every link leads somewhere, every citation has its work, every dose is
well spelt and no public page says what it may not; or it raises `ContentError` with *all* the faults it found.

A review is shown only when somebody signed it: `review: signed` wants the reviewer and the day, and every
other state forbids them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from markupsafe import Markup

from portal import addresses
from portal.library import evidence, markdown, plans, records, references, sheet, typography, words
from portal.library.evidence import Condition
from portal.library.plans import Schedule
from portal.library.references import Reference
from portal.library.tables import Grid

REVIEWS = {"pending", "translation-pending", "signed", "none"}
WAITS_FOR = {
    "pending": "pending review by the pharmacist-in-charge",
    "translation-pending": "pending review by a qualified translator",
}
SECTIONS = {"prescribers", "patients", "about"}
LANGUAGES = set(markdown.WORDS)

EVIDENCE = addresses.EVIDENCE  # the page that can show one condition alone,
EVIDENCE_TABLE = "## Studies {#studies}"  # and then begins here

# Pages that are no texts, and that a text may link to; a crawl of the portal visits them.
ELSEWHERE = frozenset(
    path
    for address in (*addresses.LISTED, addresses.SUMMARY, addresses.DOSE_PLAN)
    for path in address.twins.values()
)
# The ids that the page's frame uses itself.
RESERVED_IDS = frozenset(
    {
        *("main", "contents", "contents-title", "errors", "references", "all-references"),
        *("changes", "contact", "cite"),
    }
)

_FRONT = re.compile(r"\A---\n(?P<front>.*?\n)---\n(?P<body>.*)\Z", re.DOTALL)
_REQUIRED = ("title", "description", "path", "language", "section", "gated", "review", "updated_on")
_OPTIONAL = (
    *("short", "order", "references", "contact", "twin", "changes"),
    *("reviewer", "reviewed_on", "next_review_on"),
)
_CHOICES = {
    "language": LANGUAGES,
    "section": SECTIONS,
    "review": REVIEWS,
    "gated": {"yes", "no"},
    "contact": {"yes", "no"},
    "references": {"all"},
}


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
    loaded: tuple[int, int]

    def stamp(self) -> tuple[int, int]:
        """What the files look like now; differs from `loaded` once one was written, added or taken away."""
        return stamp(self.folder)

    def evidence_on(self, condition: str) -> Page | None:
        """The evidence page from its table on, with one condition's studies alone; None for one that is not there."""
        page = self.pages.get(EVIDENCE)
        chosen = next((one for one in self.evidence if one.id == condition), None)
        if page is None or chosen is None:
            return None
        _, table, rest = page.body.partition(EVIDENCE_TABLE)
        grids = _grids(self.evidence, self.schedules, chosen)
        document = markdown.parse(table + rest or page.body, page.language, grids)
        return replace(
            page,
            title=f"{page.title}: {typography.typeset(chosen.name)[0]}",
            document=document,
            references=_cited(document, self.references),
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


def load(folder: Path) -> Library:
    """Read and check everything under `folder`; raises ContentError with all faults."""
    loaded = stamp(folder)
    works, faults = references.load(folder / "references.yaml")
    conditions, more = evidence.load(folder / "evidence.yaml")
    schedules, others = plans.load(folder / "schedules.yaml")
    faults += more + others
    grids = _grids(conditions, schedules)
    pages: dict[str, Page] = {}
    for file in sorted(folder.rglob("*.md")):
        name = file.relative_to(folder).as_posix()
        page, found = _read(file.read_text("utf-8"), name, works, grids)
        faults += [f"{name}: {fault}" for fault in found]
        if page is None:
            continue
        if page.path in pages:
            faults.append(f"{name}: the path {page.path} is {pages[page.path].source}'s")
        pages[page.path] = page
    if not pages:
        faults.append("there is no page")
    sections, missing = sheet.make(pages)
    faults += _check_twins(pages) + _check_links(pages, conditions) + missing
    if sections:
        faults += [f"the sheet needs the work {key!r}" for key in sheet.KEY_REFERENCES if key not in works]
    if faults:
        raise ContentError(faults)
    full = {path: _with_bibliography(page, pages) for path, page in pages.items()}
    return Library(
        folder=folder,
        pages=full,
        references=works,
        evidence=conditions,
        schedules=schedules,
        sheet=sections,
        loaded=loaded,
    )


def stamp(folder: Path) -> tuple[int, int]:
    """What the files under `folder` look like now: a stat call for each, no reading."""
    times = sorted(file.stat().st_mtime_ns for file in folder.rglob("*.*") if file.suffix in (".md", ".yaml"))
    return len(times), hash(tuple(times))


def split(text: str) -> tuple[dict[str, Any], str]:
    """Front matter and body; raises ValueError when the fences or the record are broken."""
    match = _FRONT.match(text)
    if match is None:
        raise ValueError("the front matter must stand between two lines of ---, at the very top")
    front = records.read(match["front"])
    if not isinstance(front, dict):
        raise ValueError("the front matter is no record")
    return front, match["body"]


def _grids(
    conditions: tuple[Condition, ...], schedules: tuple[Schedule, ...], chosen: Condition | None = None
) -> dict[str, Grid]:
    """What `[[name]]` stands for; with `chosen`, the studies of that condition alone."""
    return {
        "evidence": evidence.grid((chosen,) if chosen else conditions),
        "conditions": evidence.glance(conditions, EVIDENCE),
        "schedules": plans.grid(schedules),
    }


def _read(
    text: str, name: str, works: Mapping[str, Reference], grids: Mapping[str, Grid]
) -> tuple[Page | None, list[str]]:
    try:
        front, body = split(text)
    except ValueError as fault:
        return None, [str(fault)]
    faults = _front_faults(front)
    if faults:
        return None, faults
    document = markdown.parse(body, front["language"], grids)
    faults += document.faults
    faults += [f"the id {taken!r} is the page frame's" for taken in sorted(document.ids & RESERVED_IDS)]
    for key in document.cited:
        if key not in works:
            faults.append(f"there is no reference {key!r}")
        elif not works[key].may_be_cited:
            faults.append(f"the reference {key!r} is from memory: confirm it before it is cited")
    faults += [fault for line in _front_words(front) for fault in typography.typeset(line)[1]]
    page = _page(front, name, body, document, _cited(document, works))
    return page, faults + _word_faults(page)


def _cited(document: markdown.Document, works: Mapping[str, Reference]) -> tuple[Cited, ...]:
    return tuple(
        Cited(number, works[key], marks)
        for number, (key, marks) in enumerate(document.cited.items(), 1)
        if key in works
    )


def _front_words(front: dict[str, Any]) -> list[str]:
    """What of the front matter is printed."""
    return [
        *(front.get(key) or "" for key in ("title", "short", "description")),
        *(change["what"] for change in front.get("changes") or ()),
    ]


def _page(
    front: dict[str, Any], name: str, body: str, document: markdown.Document, cited: tuple[Cited, ...]
) -> Page:
    def typeset(text: str) -> str:
        return typography.typeset(text)[0]

    return Page(
        path=front["path"],
        language=front["language"],
        title=typeset(front["title"]),
        short=typeset(front.get("short") or front["title"]),
        description=typeset(front["description"]),
        section=front["section"],
        order=int(front.get("order") or 0),
        gated=front["gated"] == "yes",
        review=front["review"],
        reviewer=front.get("reviewer") or "",
        reviewed_on=_day(front.get("reviewed_on")),
        next_review_on=_day(front.get("next_review_on")),
        updated_on=date.fromisoformat(front["updated_on"]),
        changes=tuple((date.fromisoformat(c["on"]), typeset(c["what"])) for c in front.get("changes") or ()),
        twin=front.get("twin") or "",
        shows_contact=front.get("contact") == "yes",
        lists_all_references=front.get("references") == "all",
        source=name,
        body=body,
        document=document,
        references=cited,
    )


def _front_faults(front: dict[str, Any]) -> list[str]:
    faults = [f"unknown field {key!r}" for key in sorted(set(front) - {*_REQUIRED, *_OPTIONAL})]
    faults += [f"{key} is missing" for key in _REQUIRED if not front.get(key)]
    several = [key for key, value in front.items() if isinstance(value, list | dict) and key != "changes"]
    if several:
        return [*faults, *(f"{key} must be one line of text" for key in several)]
    for key, allowed in _CHOICES.items():
        if front.get(key) and front[key] not in allowed:
            faults.append(f"{key} must be one of {', '.join(sorted(allowed))}, not {front[key]!r}")
    if front.get("path") and re.fullmatch(r"(/[a-z0-9-]+)+", front["path"]) is None:
        faults.append(f"the path {front['path']!r} is malformed")
    if front.get("order") and not front["order"].isdigit():
        faults.append("order must be a whole number")
    return faults + _day_faults(front) + _review_faults(front)


def _day_faults(front: dict[str, Any]) -> list[str]:
    faults = []
    days = [(key, front.get(key)) for key in ("updated_on", "reviewed_on", "next_review_on")]
    for change in front.get("changes") or ():
        if isinstance(change, dict) and set(change) == {"on", "what"}:
            days.append(("changes", change["on"]))
        else:
            faults.append("each change must be a record of on and what")
    for key, value in days:
        try:
            _day(value)
        except ValueError:
            faults.append(f"{key}: {value!r} is no day; write it like 2026-11-23")
    return faults


def _review_faults(front: dict[str, Any]) -> list[str]:
    signed = [key for key in ("reviewer", "reviewed_on", "next_review_on") if front.get(key)]
    if front.get("review") == "signed" and not {"reviewer", "reviewed_on"} <= set(signed):
        return ["a signed review names its reviewer and its day (reviewed_on)"]
    if front.get("review") != "signed" and signed:
        return ["only a signed review has a reviewer and days"]
    try:
        changed, reviewed, following = (
            _day(front.get(f"{key}_on")) for key in ("updated", "reviewed", "next_review")
        )
    except ValueError:
        return []  # told by its own name
    faults = []
    if reviewed and changed and reviewed < changed:
        faults.append(f"changed on {changed}, after it was signed on {reviewed}: have it read again")
    if reviewed and following and following <= reviewed:
        faults.append("next_review_on must be after reviewed_on")
    return faults


def _word_faults(page: Page) -> list[str]:
    if page.gated:
        return []
    printed = "\n".join((page.text, *(cited.work.citation for cited in page.references)))
    found = words.promises(page.text, page.language)
    faults = [f"a public page may not say {', '.join(map(repr, found))}"] if found else []
    found = words.conditions(printed)
    if found:
        faults.append(f"a public page may not name {', '.join(map(repr, found))}")
    return faults


def _check_twins(pages: Mapping[str, Page]) -> list[str]:
    """A page and its translation name each other."""
    return [
        f"{page.source}: its twin {page.twin} does not name it in turn"
        for page in pages.values()
        if page.twin and (page.twin not in pages or pages[page.twin].twin != page.path)
    ]


def _check_links(pages: Mapping[str, Page], conditions: tuple[Condition, ...]) -> list[str]:
    faults = []
    views = {f"{EVIDENCE}?condition={one.id}": EVIDENCE for one in conditions}
    for page in pages.values():
        for link in page.document.links:
            path, _, anchor = link.partition("#")
            target = pages.get(views.get(path, path)) if path else page
            if target is None and path not in ELSEWHERE:
                faults.append(f"{page.source}: the link {link} leads to no page")
            elif anchor and (target is None or anchor not in target.document.ids):
                faults.append(f"{page.source}: the link {link} leads to no such place")
    return faults


def _with_bibliography(page: Page, pages: Mapping[str, Page]) -> Page:
    """The page that lists all works gets them, by first author, with where each is cited."""
    if not page.lists_all_references:
        return page
    places: dict[str, list[tuple[str, str]]] = {}
    works: dict[str, Reference] = {}
    for other in sorted(pages.values(), key=lambda one: (one.order, one.path)):
        for cited in other.references:
            works[cited.work.id] = cited.work
            places.setdefault(cited.work.id, []).append((f"{other.path}#ref-{cited.work.id}", other.short))
    ordered = sorted(works.values(), key=lambda work: (work.citation.casefold(), work.id))
    return replace(page, bibliography=tuple(Listed(work, tuple(places[work.id])) for work in ordered))


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None
