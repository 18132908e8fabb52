"""The evidence table for other programs: JSON, and CSV that a spreadsheet can open without being told to calculate.

Both hold what the page shows, in the page's words, with what the page says of itself: its address, the day it was
changed, whether somebody has reviewed it. What is not known is left out of the JSON and empty in the CSV. The names
of fields and columns are a promise; new ones are added at the end.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from portal.library.evidence import CERTAINTY, READING, Condition, Study
from portal.library.references import Reference

COLUMNS = (
    *("condition_id", "condition", "certainty", "summary", "study", "design", "result", "reads_as"),
    *("reference_ids", "references", "reference_urls", "address", "changed_on", "review", "terms"),
    *("people", "year"),
)
TERMS = "Every use listed is off-label. For health professionals. MIT license; cite the address and the day."
# What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
# A spreadsheet that guesses the encoding of a CSV wrongly must not turn a minus sign into nonsense.
_PLAIN = str.maketrans({"−": "-", "–": "-", "\N{NO-BREAK SPACE}": " ", "’": "'"})


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What the page says of itself."""

    title: str
    publisher: str
    address: str
    changed_on: str
    review: str

    @property
    def citation(self) -> str:
        """How to cite it."""
        return f"{self.publisher}. {self.title}. Changed {self.changed_on}. {self.review} {self.address}"


def as_json(
    conditions: Iterable[Condition], works: Mapping[str, Reference], page: Circumstances, address_of: str
) -> str:
    """The evidence as one JSON object (RFC 8259); `address_of` plus an id is the address of one condition."""
    shown = tuple(conditions)
    cited = {key: works[key] for one in shown for study in one.studies for key in study.sources}
    found: dict[str, Any] = {
        "title": page.title,
        "address": page.address,
        "citation": page.citation,
        "terms": TERMS,
        "changed_on": page.changed_on,
        "review": page.review,
        "conditions": [
            {
                "id": one.id,
                "name": one.name,
                "address": f"{address_of}{one.id}",
                "certainty": CERTAINTY[one.certainty],
                "summary": one.summary,
                "studies": [_study(study, works) for study in one.studies],
            }
            for one in shown
        ],
        "references": {key: _work(work) for key, work in sorted(cited.items())},
    }
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def as_csv(conditions: Iterable[Condition], works: Mapping[str, Reference], page: Circumstances) -> str:
    """The evidence as CSV (RFC 4180), one study a row, under COLUMNS."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for one in conditions:
        for study in one.studies:
            cited = [works[key] for key in study.sources]
            row = (
                *(one.id, one.name, CERTAINTY[one.certainty], one.summary),
                *(study.name, study.design, study.result, READING[study.reading]),
                *("; ".join(study.sources), " | ".join(work.citation for work in cited)),
                " ".join(work.address for work in cited if work.address),
                *(page.address, page.changed_on, page.review, TERMS),
                *(str(study.people or ""), study.year(works)),
            )
            writer.writerow([cell(value) for value in row])
    return text.getvalue()


def cell(value: str) -> str:
    """A cell that no spreadsheet takes for a formula; plain minus signs and spaces."""
    value = value.translate(_PLAIN)
    return f"'{value}" if value.startswith(FORMULA) or value.lstrip().startswith(FORMULA) else value


def _study(study: Study, works: Mapping[str, Reference]) -> dict[str, Any]:
    found = {
        "name": study.name,
        "design": study.design,
        "result": study.result,
        "reads_as": READING[study.reading],
        "reference_ids": list(study.sources),
        "people": study.people,
        "year": study.year(works),
    }
    return {name: value for name, value in found.items() if value}


def _work(work: Reference) -> dict[str, str]:
    found = {
        "citation": work.citation.replace("\N{NO-BREAK SPACE}", " "),
        "kind": work.kind,
        **{name: work.known(name) for name in ("year", "doi", "pmid", "registration")},
        "url": work.address,
    }
    return {name: value for name, value in found.items() if value}
