"""Why a search found a request, where its words stand in what was written: for who may read that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from portal.desk import finding
from portal.desk.passages import Passage
from portal.intake import terms
from portal.intake.models import Request

BEFORE, AFTER = 4, 8  # words on each side


@dataclass(frozen=True)
class Excerpt:
    """In which text the words stand, and a little of it; nothing of it where they stand in no one piece, as a number
    in groups, and of one that may name a patient: nobody reads that where reading is not recorded."""

    where: str
    passage: Passage | None


def of(requests: Iterable[Request], typed: str, by: Any) -> dict[int, Excerpt]:
    """By request: where the first word stands that its names, numbers and addresses do not hold."""
    wanted = finding.wanted(typed)
    missing = {one.id: _missing(one, wanted) for one in requests if wanted and finding.may_read(by, one)}
    found: dict[int, Excerpt] = {}
    for request, where, text in finding.texts_of([one for one in requests if missing.get(one.id)]):
        if request.id not in found and _holds(text, missing[request.id]):
            found[request.id] = Excerpt(
                where, None if request.patient_data else _passage(text, missing[request.id])
            )
    return found


def _missing(request: Request, wanted: Sequence[str]) -> list[str]:
    """What whoever asked is not found by."""
    told = [word for name in terms.SEARCHED for word in terms.words_of(str(getattr(request, name) or ""))]
    return [word for word in wanted if not any(one.startswith(word) for one in told)]


def _holds(text: str, wanted: Sequence[str]) -> bool:
    return any(one.startswith(word) for one in terms.words_of(text) for word in wanted)


def _passage(text: str, wanted: Sequence[str]) -> Passage | None:
    """The first place in a text where one of these words begins, and a little of what stands around it."""
    pieces = text.split()
    for place, piece in enumerate(pieces):
        if _holds(piece, wanted):
            start, end = max(0, place - BEFORE), place + 1 + AFTER
            before, after = " ".join(pieces[start:place]), " ".join(pieces[place + 1 : end])
            return Passage(
                f"… {before}" if start else before, piece, f"{after} …" if end < len(pieces) else after
            )
    return None
