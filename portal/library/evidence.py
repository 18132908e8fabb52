"""The evidence by condition: one data file, from which the page's table (and any other form) is made.

Every study stands in a row of its own, those that found nothing as large as those that found something. How far
a body of evidence goes, and which way a study reads, are words from two short lists, never a color or a star.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.library import records, tables
from portal.library.references import Reference

CERTAINTY = {
    "conflicting": "Conflicting trials",
    "larger-negative": "Larger trials found no benefit, small ones did",
    "no-benefit": "No benefit shown in trials",
    "favorable-small": "One small favorable trial",
    "safety-only": "One safety pilot only",
    "active-only": "Compared with another drug only",
    "uncontrolled": "Uncontrolled data only",
    "cases": "Case reports only",
    "no-results": "No usable results",
}
READING = {
    "favors": "Favors LDN",
    "favors-cream": "Favors naltrexone cream",
    "no-difference": "No difference shown",
    "unclear": "Cannot tell",
    "uncontrolled": "No control group",
    "safety": "Safety only",
    "waiting": "Results not found",
}
COLUMNS = ("Study", "Reads as", "Design", "Result", "Source")
SORTS = {"n": "Largest first", "year": "Newest first", "direction": "By direction"}
DIRECTIONS = ("no-difference", "favors", "favors-cream", "unclear", "safety", "uncontrolled", "waiting")
SCALES = {"points": "Difference in points on a 0 to 10 scale", "sd": "Standardized difference"}
GLANCE = ("Condition", "Certainty", "In one line")

_PEOPLE = re.compile(
    r"(\d[\d,]*)(?: and \d+)? (?:women|people|children|adults|enrolled|recruited|opioid users|completers)"
)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_SLUG = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One difference in pain as the source prints it, LDN less its comparator: below 0 favors LDN.

    Each number stands in the study's `result` too; an interval that the source does not print is None.
    """

    scale: str
    label: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Study:
    """One study or pooled analysis: what was done, what came out, which way it reads, where it is printed."""

    name: str
    design: str
    result: str
    reading: str
    sources: tuple[str, ...]
    effect: Effect | None = None

    @property
    def people(self) -> int:
        """How many the design names first; 0 where it names none."""
        found = _PEOPLE.search(self.design)
        return int(found[1].replace(",", "")) if found else 0

    def year(self, works: Mapping[str, Reference]) -> str:
        """The year in its name, else that of its first work; nothing where neither is known."""
        named = _YEAR.search(self.name)
        return named[0] if named else works[self.sources[0]].known("year") if self.sources[0] in works else ""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition with its studies, newest and largest first; `id` is its anchor."""

    id: str
    name: str
    certainty: str
    summary: str
    studies: tuple[Study, ...]


def load(path: Path) -> tuple[tuple[Condition, ...], list[str]]:
    """Read the evidence: the conditions in order, and one sentence for each fault."""
    try:
        entries = records.read(path.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        return (), [f"{path.name}: {fault}"]
    conditions: list[Condition] = []
    faults: list[str] = []
    for place, entry in enumerate(entries if isinstance(entries, list) else [], 1):
        try:
            conditions.append(_condition(entry))
        except (KeyError, TypeError, ValueError) as fault:
            name = entry.get("id") if isinstance(entry, dict) else None
            faults.append(f"{path.name}: {name or f'entry {place}'}: {_words(fault)}")
    if not conditions and not faults:
        faults.append(f"{path.name}: holds no list of conditions")
    return tuple(conditions), faults


def grid(conditions: tuple[Condition, ...]) -> tables.Grid:
    """The table of the page."""
    return tables.Grid(
        id="evidence-table",
        caption="Studies of low dose naltrexone, by condition. Every use listed is off-label.",
        columns=COLUMNS,
        groups=tuple(
            tables.Group(
                id=condition.id,
                heading=condition.name,
                detail=f"{CERTAINTY[condition.certainty]}. {condition.summary}",
                rows=tuple(
                    (
                        study.name,
                        f"**{READING[study.reading]}**",
                        study.design,
                        study.result,
                        _cite(study.sources),
                    )
                    for study in condition.studies
                ),
            )
            for condition in conditions
        ),
    )


def glance(conditions: tuple[Condition, ...], page: str) -> tables.Grid:
    """One line for each condition, which leads to its studies alone; `page` is the address of the studies."""
    return tables.Grid(
        id="conditions-table",
        caption="Conditions in which low dose naltrexone was studied. Every use listed is off-label.",
        columns=GLANCE,
        groups=(
            tables.Group(
                id="",
                heading="",
                detail="",
                rows=tuple(
                    (f"[{one.name}]({page}?condition={one.id})", CERTAINTY[one.certainty], one.summary)
                    for one in conditions
                ),
            ),
        ),
    )


def sorted_grid(conditions: tuple[Condition, ...], sort: str, works: Mapping[str, Reference]) -> tables.Grid:
    """All studies in one list, in an order of SORTS; those without the number come last."""
    rows = [(one, study) for one in conditions for study in one.studies]
    keys: dict[str, Callable[[Study], Any]] = {
        "n": lambda study: -study.people,
        "year": lambda study: -int(study.year(works) or 0),
        "direction": lambda study: (DIRECTIONS.index(study.reading), -study.people),
    }
    rows.sort(key=lambda row: keys[sort](row[1]))
    return tables.Grid(
        id="evidence-table",
        caption=f"Studies of low dose naltrexone. {SORTS[sort]}. Every use listed is off-label.",
        columns=("Study", "Condition", "People", "Year", *COLUMNS[1:]),
        groups=(
            tables.Group(
                id="",
                heading="",
                detail="",
                rows=tuple(
                    (
                        *(study.name, one.name, f"{study.people:,}" if study.people else "–"),
                        *(study.year(works) or "–", f"**{READING[study.reading]}**"),
                        *(study.design, study.result, _cite(study.sources)),
                    )
                    for one, study in rows
                ),
            ),
        ),
    )


def _effect(entry: Mapping[str, str], result: str) -> Effect:
    numbers = [entry["value"], *(entry[name] for name in ("low", "high") if entry.get(name))]
    for number in numbers:
        if number not in result:
            raise ValueError(f"the effect {number} does not stand in the result")
    if entry["scale"] not in SCALES:
        raise ValueError(f"scale must be one of {', '.join(SCALES)}")
    value, low, high = (_number(entry.get(name)) for name in ("value", "low", "high"))
    if (
        value is None
        or (low is None) != (high is None)
        or (low is not None and not low <= value <= (high or 0))
    ):
        raise ValueError("an effect has a value, and both ends of its interval or none")
    return Effect(scale=entry["scale"], label=entry["label"], value=value, low=low, high=high)


def _number(text: str | None) -> float | None:
    return float(text.replace("−", "-")) if text else None


def _cite(sources: tuple[str, ...]) -> str:
    return f"[{'; '.join(f'@{key}' for key in sources)}]"


def _condition(entry: Mapping[str, Any]) -> Condition:
    condition = Condition(
        id=entry["id"],
        name=entry["name"],
        certainty=entry["certainty"],
        summary=entry["summary"],
        studies=tuple(
            Study(
                name=study["name"],
                design=study["design"],
                result=study["result"],
                reading=study["reading"],
                sources=tuple(study["sources"]),
                effect=_effect(study["effect"], study["result"]) if study.get("effect") else None,
            )
            for study in entry["studies"]
        ),
    )
    if _SLUG.fullmatch(condition.id) is None:
        raise ValueError(f"the id {condition.id!r} is malformed")
    if condition.certainty not in CERTAINTY:
        raise ValueError(f"certainty must be one of {', '.join(CERTAINTY)}")
    for study in condition.studies:
        if study.reading not in READING:
            raise ValueError(f"reading must be one of {', '.join(READING)}")
        if not study.sources:
            raise ValueError(f"{study.name!r} has no source")
    return condition


def _words(fault: Exception) -> str:
    return f"{fault.args[0]} is missing" if isinstance(fault, KeyError) else str(fault)
