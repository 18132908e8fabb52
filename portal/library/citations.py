"""The works for reference managers: RIS, BibTeX and CSL JSON. What is not known, or not confirmed, is left out."""

import json
import re
from collections.abc import Iterable
from typing import Any

from portal.library.references import Reference

_PERSON = re.compile(r"(?P<family>[^\W\d].*) (?P<initials>[A-Z]{1,4})")
_TEX = {char: f"\\{char}" for char in "{}&%$#_"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
_ESCAPE = str.maketrans(_TEX)


def ris(works: Iterable[Reference]) -> str:
    """RIS, one record for each work."""
    lines: list[str] = []
    for work in works:
        first, _, last = work.known("pages").partition("-")
        fields = [
            ("TY", "JOUR" if work.known("journal") else "GEN"),
            ("ID", work.id),
            *(
                ("AU", f"{family}, {'. '.join(given)}." if given else family)
                for family, given in _authors(work)
            ),
            ("TI", work.title),
            ("JO", work.known("journal")),
            ("PY", work.known("year")),
            ("VL", work.known("volume")),
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
        names = (
            f"{family}, {' '.join(given)}" if given else f"{{{family}}}" for family, given in _authors(work)
        )
        fields = {
            "author": " and ".join(name.translate(_ESCAPE) if "," in name else name for name in names),
            "title": f"{{{work.title.translate(_ESCAPE)}}}",
            "journal": work.known("journal").translate(_ESCAPE),
            "year": work.known("year"),
            "volume": work.known("volume"),
            "pages": work.known("pages").replace("-", "--"),
            "doi": work.known("doi"),
            "note": work.known("registration").translate(_ESCAPE),
            "url": work.address,
        }
        kind = "article" if work.known("journal") else "misc"
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
        entries.append(f"@{kind}{{{work.id},\n{body}\n}}\n")
    return "\n".join(entries)


def csl(works: Iterable[Reference]) -> str:
    """CSL JSON 1.0.2, as Zotero and Pandoc read it."""
    return json.dumps([_item(work) for work in works], ensure_ascii=False, indent=1) + "\n"


def _item(work: Reference) -> dict[str, Any]:
    year = work.known("year")
    found = {
        "id": work.id,
        "type": "article-journal" if work.known("journal") else "document",
        "title": work.title,
        "author": [
            {"family": family, "given": ". ".join(given) + "."} if given else {"literal": family}
            for family, given in _authors(work)
        ],
        "container-title": work.known("journal"),
        "issued": {"date-parts": [[int(year)]]} if year else None,
        "volume": work.known("volume"),
        "page": work.known("pages"),
        "DOI": work.known("doi"),
        "PMID": work.known("pmid"),
        "number": work.known("registration"),
        "URL": work.address,
    }
    return {name: value for name, value in found.items() if value}


def _authors(work: Reference) -> list[tuple[str, str]]:
    """Family name and initials; a body that is no person has none."""
    names = [name for name in work.known("authors").split(", ") if name and name != "et al"]
    found = []
    for name in names:
        person = _PERSON.fullmatch(name)
        found.append((person["family"], person["initials"]) if person else (name, ""))
    return found
