"""The works for reference managers: RIS, BibTeX and CSL JSON. What is not known, or not confirmed, is left out."""

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from portal.library.references import Reference

_VOLUME = re.compile(r"(?P<volume>[^()]*)(?:\((?P<issue>[^()]*)\))?")
# As PubMed writes people: "Guy GP Jr", "Roe A 3rd".
_PERSON = re.compile(r"(?P<family>[^\W\d].*) (?P<initials>[A-Z]{1,4})(?: (?P<suffix>Jr|Sr|2nd|3rd|4th))?")
_TEX = {char: f"\\{char}" for char in "{}&%$#_"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_ESCAPE = str.maketrans(_TEX)


class _Author(NamedTuple):
    """A person, or by the family name alone a body."""

    family: str
    initials: str = ""
    suffix: str = ""

    def last_first(self) -> str:
        """As RIS has it. A comma closes a body's name too: readers part its last word as a family's where none is."""
        given = ". ".join(self.initials) + "." if self.initials else ""
        return ", ".join(part for part in (self.family, given, self.suffix) if part) + ("" if given else ",")

    def tex(self) -> str:
        """As BibTeX has it: "Guy, Jr, G P", and a body in braces, which keep it whole."""
        if not self.initials:
            return f"{{{self.family.translate(_ESCAPE)}}}"
        parts = (self.family, self.suffix, " ".join(self.initials))
        return ", ".join(part.translate(_ESCAPE) for part in parts if part)

    def csl(self) -> dict[str, str]:
        """As CSL has it."""
        if not self.initials:
            return {"literal": self.family}
        found = {"family": self.family, "given": ". ".join(self.initials) + ".", "suffix": self.suffix}
        return {name: value for name, value in found.items() if value}


def ris(works: Iterable[Reference]) -> str:
    """RIS, one record for each work."""
    lines: list[str] = []
    for work in works:
        first, _, last = work.known("pages").partition("-")
        volume, issue = _volume(work)
        fields = [
            ("TY", "JOUR" if _is_article(work) else "GEN"),
            ("ID", work.id),
            *(("AU", author.last_first()) for author in _authors(work)),
            ("TI", work.title),
            ("JO" if _is_article(work) else "PB", work.known("journal")),
            ("PY", work.known("year")),
            ("VL", volume),
            ("IS", issue),
            ("SP", first),
            ("EP", last),
            ("DO", work.known("doi")),
            ("AN", work.known("pmid")),
            ("M1", work.known("registration")),
            ("UR", work.address),
        ]
        lines += [f"{tag}  - {value}" for tag, value in fields if value]
        lines += ["ER  - ", ""]
    return "\r\n".join(lines)


def bibtex(works: Iterable[Reference]) -> str:
    """BibTeX, in UTF-8 (biber, or a BibTeX of today)."""
    entries = []
    for work in works:
        names = [author.tex() for author in _authors(work)]
        if work.known("authors").endswith(", et al"):
            names.append("others")
        volume, issue = _volume(work)
        fields = {
            "author": " and ".join(names),
            "title": f"{{{work.title.translate(_ESCAPE)}}}",
            "journal" if _is_article(work) else "howpublished": work.known("journal").translate(_ESCAPE),
            "year": work.known("year"),
            "volume": volume,
            "number": issue,
            "pages": work.known("pages").replace("-", "--"),
            "doi": work.known("doi"),
            "note": work.known("registration").translate(_ESCAPE),
            "url": work.address,
        }
        kind = "article" if _is_article(work) else "misc"
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
        entries.append(f"@{kind}{{{work.id},\n{body}\n}}\n")
    return "\n".join(entries)


def csl(works: Iterable[Reference]) -> str:
    """CSL JSON 1.0.2, as Zotero and Pandoc read it."""
    return json.dumps([_item(work) for work in works], ensure_ascii=False, indent=1) + "\n"


def _item(work: Reference) -> dict[str, Any]:
    year, (volume, issue) = work.known("year"), _volume(work)
    found = {
        "id": work.id,
        "type": "article-journal" if _is_article(work) else "document",
        "title": work.title,
        "author": [author.csl() for author in _authors(work)],
        "container-title" if _is_article(work) else "publisher": work.known("journal"),
        "issued": {"date-parts": [[int(year)]]} if year else None,
        "volume": volume,
        "issue": issue,
        "page": work.known("pages"),
        "DOI": work.known("doi"),
        "PMID": work.known("pmid"),
        "number": work.known("registration"),
        "URL": work.address,
    }
    return {name: value for name, value in found.items() if value}


def _is_article(work: Reference) -> bool:
    """Whether it is in a journal: the entry of a trial is not, though its register stands in the journal's place."""
    return bool(work.known("journal")) and bool(
        work.known("volume") or work.known("doi") or work.known("pmid") or not work.known("registration")
    )


def _volume(work: Reference) -> tuple[str, str]:
    """Volume and issue of "10(4)"."""
    found = _VOLUME.fullmatch(work.known("volume"))
    return (found["volume"], found["issue"] or "") if found else (work.known("volume"), "")


def _authors(work: Reference) -> list[_Author]:
    """Those who are named; a body that is no person has no initials."""
    names = [name for name in work.known("authors").split(", ") if name and name != "et al"]
    people = [(name, _PERSON.fullmatch(name)) for name in names]
    return [_Author(**person.groupdict("")) if person else _Author(name) for name, person in people]
