"""The pictures of the evidence: what they are drawn from, and whether what is kept was drawn from just that.

They are drawn by `make pictures` and kept beside the texts; the portal has no plotting library. A picture whose stamp
is not that of today's data is left out, and its table stands alone; a test says so before it comes to that.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from portal.library.evidence import CERTAINTY, Condition, Effect

FONT = "Liberation Sans, Arial, sans-serif"
SIZE = re.compile(r'width="(?P<width>[\d.]+)" height="(?P<height>[\d.]+)"')
# The tokens of site.css: light, and what stands for it in the dark.
DARK = {
    "#1b2130": "#eceae5",
    "#4f5563": "#b4bac6",
    "#dcd6c9": "#363e4f",
    "#72767f": "#8b92a1",
    "#1d3557": "#a9c9f7",
    "#a4560a": "#f2b866",
}
UNCONTROLLED = {"safety-only", "uncontrolled", "cases"}
TITLES = {
    "forest": (
        "Pain: LDN against its comparator",
        "Squares are differences in pain, lines their 95% intervals; left of the dashed line favors LDN. "
        "FINAL reaches over the line and INNOVA lies right of it, the two largest trials in fibromyalgia. "
        "A pooled analysis made without INNOVA lies left of it. On the standardized scale one pooled analysis "
        "in fibromyalgia lies left of it; another, and the one in chronic pain, reach over it.",
    ),
    "map": (
        "Map of the evidence: condition, certainty, size",
        "Each condition has one mark under its certainty. Its area grows with the people of the largest study. "
        "Circles had a controlled trial, diamonds none. Most conditions stand under uncontrolled data; the largest "
        "marks are registries.",
    ),
}


@dataclass(frozen=True)
class Picture:
    """One drawing, light; with its title, its description and its size."""

    name: str
    title: str
    description: str
    svg: str
    width: int
    height: int

    def in_the_dark(self) -> str:
        """The same in the colours of the dark."""
        return re.sub("|".join(DARK), lambda found: DARK[found[0]], self.svg)


def effects(conditions: Sequence[Condition]) -> list[Effect]:
    """Every effect the evidence has, in its order."""
    return [study.effect for one in conditions for study in one.studies if study.effect]


def words_of(effect: Effect) -> str:
    """`−0.34 (−0.95 to 0.27)`."""
    told = (
        f"({_signed(effect.low)} to {_signed(effect.high)})"
        if effect.low is not None
        else "(interval not printed)"
    )
    return f"{_signed(effect.value)} {told}"


def places(conditions: Sequence[Condition]) -> list[dict[str, Any]]:
    """Each condition with its certainty, and the people of its largest study with results."""
    return [_place(one) for one in conditions]


def data_of(conditions: Sequence[Condition]) -> dict[str, str]:
    """What each picture is drawn from, as a digest."""
    data = {"forest": [asdict(one) for one in effects(conditions)], "map": places(conditions)}
    return {name: hashlib.sha256(json.dumps(one).encode()).hexdigest()[:16] for name, one in data.items()}


def stamped(svg: str, data: str) -> str:
    """The drawing with the digest of its data; one that names no parts of itself to a screen reader."""
    bare = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", svg)
    return bare.replace("<svg ", f'<svg data-drawn-from="{data}" ', 1) + "\n"


def load(folder: Path, conditions: Sequence[Condition]) -> dict[str, Picture]:
    """The pictures that were drawn from today's data."""
    found = {}
    for name, data in data_of(conditions).items():
        file = Path(folder, f"{name}.svg")
        svg = file.read_text("utf-8") if file.exists() else ""
        size = SIZE.search(svg)
        if size and f'data-drawn-from="{data}"' in svg:
            width, height = (round(float(size[side])) for side in ("width", "height"))
            found[name] = Picture(name, *TITLES[name], svg, width, height)
    return found


def _place(one: Condition) -> dict[str, Any]:
    done = [study for study in one.studies if study.reading != "waiting"]
    people = max((study.people for study in done), default=0)
    return {
        "name": one.name,
        "certainty": CERTAINTY[one.certainty],
        "people": people,
        "controlled": one.certainty not in UNCONTROLLED,
        "words": f"{people:,} people" if people else "no results",
    }


def _signed(number: float | None) -> str:
    return f"{number:.2f}".replace("-", "−") if number is not None else ""
