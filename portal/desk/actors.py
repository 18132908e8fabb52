"""Whoever acts without being one of the staff: the portal itself, and whoever asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Portal:
    """The portal itself, as an actor: it may do what no person has to decide."""

    id: int = 0
    name: str = "the portal"


PORTAL: Any = Portal()


@dataclass(frozen=True)
class Asker:
    """Whoever asked: they did not sign in, and the trail calls all of them the same."""

    id: None = None
    name: str = "whoever asked"


ASKER: Any = Asker()
