"""The bibliography: one YAML file, checked, and each work as a printed citation.

A field nobody has seen in the source is null, or named under `unconfirmed`; neither is ever printed, and a
work known from memory alone (certainty `c`) may not be cited at all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from markupsafe import Markup

from portal.library import records, typography

CERTAINTIES = {"b", "b/c", "c"}
TIERS = {"core", "extra"}
_INITIALS = re.compile(r" [A-Z]{1,4}\Z")
MOST_AUTHORS = 6  # then "et al": ICMJE's recommendation for reference lists

_KEY = re.compile(r"[a-z][a-z0-9_]+")
_DOI = re.compile(r"10\.\d{4,9}/\S+")
_FORMS = {
    "year": re.compile(r"\d{4}"),
    "doi": _DOI,
    "pmid": re.compile(r"\d{1,8}"),
    "url": re.compile(r"https://\S+"),
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One work. Empty text stands for what is not known."""

    id: str
    title: str
    kind: str
    certainty: str
    tier: str
    finding: str = ""
    authors: str = ""
    journal: str = ""
    year: str = ""
    volume: str = ""
    pages: str = ""
    doi: str = ""
    pmid: str = ""
    registration: str = ""
    url: str = ""
    note: str = ""
    unconfirmed: tuple[str, ...] = ()

    @property
    def may_be_cited(self) -> bool:
        """Whether somebody has seen the work itself."""
        return self.certainty != "c"

    def known(self, name: str) -> str:
        """A field's value, or nothing while it is unconfirmed."""
        return "" if name in self.unconfirmed else str(getattr(self, name))

    @property
    def address(self) -> str:
        """Where a reader finds it: by DOI, else in PubMed, else its own page; or nothing."""
        if self.known("doi"):
            return f"https://doi.org/{self.doi}"
        if self.known("pmid"):
            return f"https://pubmed.ncbi.nlm.nih.gov/{self.pmid}/"
        return self.known("url")

    @property
    def place(self) -> str:
        """The address as it is printed: `doi:…`, `PubMed …` or the site's name."""
        if self.known("doi"):
            return f"doi:{self.doi}"
        if self.known("pmid"):
            return f"PubMed {self.pmid}"
        return (urlsplit(self.url).hostname or "").removeprefix("www.")

    @property
    def citation(self) -> str:
        """Authors. Title. Journal. Year;volume:pages. Only what is known."""
        authors = self.known("authors").split(", ")
        if len(authors) > MOST_AUTHORS:
            authors = [*authors[:MOST_AUTHORS], "et al"]
        volume, pages = self.known("volume"), self.known("pages").replace("-", "–")
        dated = self.known("year") + (f";{volume}" if volume else "")
        dated += (f":{pages}" if volume else f", pages {pages}") if pages else ""
        parts = [", ".join(authors), self.title.replace(" - ", " – "), self.known("journal"), dated]
        if not self.journal:
            parts.append("Journal and year not confirmed")
        parts.append(self.known("registration"))
        return _sentences(parts)

    @property
    def brief(self) -> str:
        """First author, journal, year, place: enough to find the work, on a sheet that has one line for it."""
        names = self.known("authors").split(", ")
        author = f"{names[0]}, et al." if len(names) > 1 else f"{names[0]}." if names[0] else ""
        volume, pages = self.known("volume"), self.known("pages").replace("-", "–")
        dated = self.known("year") + (f";{volume}" if volume else "")
        dated += f":{pages}" if volume and pages else ""
        printed = " ".join(part for part in (self.known("journal"), dated) if part)
        title = "" if author else self.title.replace(" - ", " – ")
        parts = [author, title, printed or "Journal and year not confirmed", self.known("registration")]
        return _sentences(parts)

    @property
    def name(self) -> str:
        """First author and year; where an author is not known the journal's, or who publishes it."""
        who = _INITIALS.sub("", self.known("authors").split(", ")[0])
        return f"{who or self.known('journal')} {self.known('year')}".strip()

    def html(self, leaves: str) -> Markup:
        """The citation with its link; `leaves` is the hidden note that the link leaves the site."""
        words = Markup("{}").format(self.citation)
        if not self.address:
            return words
        link = Markup('<a class="out" rel="noopener" href="{}">{}<span class="vh"> ({})</span></a>')
        return words + " " + link.format(self.address, self.place, leaves)


def _sentences(parts: list[str]) -> str:
    ended = (part if part.endswith((".", "?")) else f"{part}." for part in parts if part)
    return typography.typeset(" ".join(ended))[0]


def load(path: Path) -> tuple[dict[str, Reference], list[str]]:
    """Read the bibliography: the works by id, and one sentence for each fault."""
    try:
        entries = records.read(path.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        return {}, [f"{path.name}: {fault}"]
    works: dict[str, Reference] = {}
    faults: list[str] = []
    for place, entry in enumerate(entries if isinstance(entries, list) else [], 1):
        found = _faults(entry)
        if not found and entry["id"] in works:
            found = ["the id is given twice"]
        if found:
            name = entry.get("id") if isinstance(entry, dict) else None
            faults += [f"{path.name}: {name or f'entry {place}'}: {fault}" for fault in found]
            continue
        known = {name: value for name, value in entry.items() if value is not None}
        known["unconfirmed"] = tuple(known.get("unconfirmed", ()))
        works[entry["id"]] = Reference(**known)
    if not works and not faults:
        faults.append(f"{path.name}: holds no list of works")
    return works, faults


def _faults(entry: Mapping[str, str | None]) -> list[str]:
    if not isinstance(entry, dict):
        return ["is no record"]
    names = {field.name for field in fields(Reference)}
    faults = [f"unknown field {name!r}" for name in sorted(set(entry) - names)]
    faults += [
        f"{name} is missing" for name in ("id", "title", "kind", "certainty", "tier") if not entry.get(name)
    ]
    faults += [
        f"{name} {value!r} is malformed"
        for name, form in {**_FORMS, "id": _KEY}.items()
        if (value := entry.get(name)) and not form.fullmatch(value)
    ]
    if entry.get("certainty") not in CERTAINTIES:
        faults.append(f"certainty must be one of {', '.join(sorted(CERTAINTIES))}")
    if entry.get("tier") not in TIERS:
        faults.append(f"tier must be one of {', '.join(sorted(TIERS))}")
    unconfirmed = entry.get("unconfirmed") or ()
    if isinstance(unconfirmed, str) or set(unconfirmed) - names:
        faults.append("unconfirmed must be a list of field names")
    return faults
