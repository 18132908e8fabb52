"""How long what is kept, as a table for the privacy pages: from the register, in each language."""

from __future__ import annotations

from portal.keeping import KEPT
from portal.library.tables import Grid, Group

# Backups are no table of the register: the newest of 7 days, 5 weeks and 12 months stays (portal/backup).
WORDS = {
    "en": (
        "How long we keep what",
        ("What", "How long"),
        (
            "Backups, which hold all of the above",
            "13 months at most; what you had us erase is erased again if one is used",
        ),
    ),
    "es": (
        "Cuánto tiempo guardamos qué",
        ("Qué", "Cuánto tiempo"),
        (
            "Las copias de seguridad, que contienen todo lo anterior",
            "13 meses como máximo; si se usa una, lo que usted nos pidió borrar se borra otra vez",
        ),
    ),
}


def grids() -> dict[str, Grid]:
    """`[[kept-en]]` and `[[kept-es]]`."""
    return {f"kept-{language}": _grid(language) for language in WORDS}


def _grid(language: str) -> Grid:
    caption, columns, backups = WORDS[language]
    told = sorted(
        (kept for kept in KEPT if kept.told), key=lambda kept: not kept.whose
    )  # what is a person's own first
    rows = (*(kept.told[language] for kept in told), backups)
    return Grid("kept-table", caption, columns, (Group("", "", "", rows),))
