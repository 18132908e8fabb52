"""Reading the texts: front matter, links, twins, words; every fault is found before the library is refused."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from portal import addresses
from portal.library import (
    cards,
    evidence,
    markdown,
    pictures,
    plans,
    records,
    references,
    sheet,
    typography,
    words,
)
from portal.library.evidence import Condition
from portal.library.pages import (
    EVIDENCE,
    Cited,
    ContentError,
    Library,
    Listed,
    Page,
    cited_works,
    grids_of,
    stamp,
)
from portal.library.references import Reference
from portal.library.tables import Grid

REVIEWS = {"pending", "translation-pending", "signed", "none"}


SECTIONS = {"prescribers", "patients", "about"}


LANGUAGES = set(markdown.WORDS)


# Pages that are no texts, and that a text may link to; a crawl of the portal visits them.
PAPERS = (
    *(addresses.SUMMARY, addresses.DOSE_PLAN, addresses.PRESCRIPTION),
    *(addresses.LEAFLET, addresses.CARD, addresses.SEARCH, addresses.SEARCH_GATED),
)
ELSEWHERE = frozenset(path for address in (*addresses.LISTED, *PAPERS) for path in address.twins.values())


# The ids that the page's frame uses itself.
RESERVED_IDS = frozenset(
    {
        *("main", "contents", "contents-title", "errors", "references", "all-references"),
        *("changes", "contact", "cite", "pictures"),
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


def load(folder: Path) -> Library:
    """Read and check everything under `folder`; raises ContentError with all faults."""
    loaded = stamp(folder)
    works, faults = references.load(folder / "references.yaml")
    conditions, more = evidence.load(folder / "evidence.yaml")
    schedules, others = plans.load(folder / "schedules.yaml")
    carried, wrong = cards.load(folder / "cards.yaml")
    faults += more + others + wrong
    grids = grids_of(conditions, schedules)
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
        cards=carried,
        pictures=pictures.load(folder, conditions),
        loaded=loaded,
    )


def split(text: str) -> tuple[dict[str, Any], str]:
    """Front matter and body; raises ValueError when the fences or the record are broken."""
    match = _FRONT.match(text)
    if match is None:
        raise ValueError("the front matter must stand between two lines of ---, at the very top")
    front = records.read(match["front"])
    if not isinstance(front, dict):
        raise ValueError("the front matter is no record")
    return front, match["body"]


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
    page = _page(front, name, body, document, cited_works(document, works))
    return page, faults + _word_faults(page)


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
