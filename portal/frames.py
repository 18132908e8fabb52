"""Frames: pages of a form that is shown again, kept for a minute around what is one visitor's.

Such a page says to everybody the same but for the answers and tokens of the form. So it is rendered once for an empty
form (`controls.Mold`), cut where that one's parts would stand, and joined around those of each visitor's own. What
anybody typed is never in what is kept, nor is anything looked for in it: the cut is by position, made once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal import blank
from portal.controls import Draw


class Frame:
    """One page, ready to be drawn for anybody within its minute."""

    def __init__(self, page: str, holes: Mapping[str, Draw]) -> None:
        marks = sorted(holes, key=page.find)
        parts = blank.cut(page, marks)
        if parts is None:
            raise ValueError("the page does not hold each of its holes once")
        self._first, self._rest = (
            parts[0],
            [(holes[mark], part) for mark, part in zip(marks, parts[1:], strict=True)],
        )
        self._minute = blank.minute()

    def holds(self) -> bool:
        """Whether its minute lasts."""
        return blank.minute() == self._minute

    def around(self, form: Any, given: str) -> str:
        """The page of this form."""
        said = [self._first]
        for draw, part in self._rest:
            said += (draw(form, given), part)
        return "".join(said)
