"""The wallet card, in each language: what the patient carries, and what is written for those who help."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from portal.library import records, typography


@dataclass(frozen=True, kw_only=True)
class Card:
    """The words of one card; `how` stands on the sheet beside it."""

    language: str
    title: str
    how: str
    front: str
    warning: str
    blanks: tuple[str, ...]
    pharmacy: str
    back: str
    points: tuple[str, ...]
    help: str


def load(path: Path) -> tuple[dict[str, Card], list[str]]:
    """Read the cards by language, and one sentence for each fault; none when there is no such file."""
    if not path.exists():
        return {}, []
    try:
        entries = records.read(path.read_text("utf-8"))
        cards = [Card(**{name: _typeset(value) for name, value in entry.items()}) for entry in entries]
        missing = [
            f"{card.language}: {f.name} is missing"
            for card in cards
            for f in fields(card)
            if not getattr(card, f.name)
        ]
    except (OSError, ValueError, TypeError, AttributeError) as fault:
        return {}, [f"{path.name}: {fault}"]
    return {card.language: card for card in cards}, [f"{path.name}: {fault}" for fault in missing]


def _typeset(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_typeset, value))
    put, faults = typography.typeset(value)
    if faults:
        raise ValueError(faults[0])
    return put
