"""What the pharmacy sends to prescribers who ask: one list, its slugs stored, its labels shown.

An item is offered only when it exists. One that can be printed from this site has its address, and is linked at once
in the receipt and in the mail.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from portal import addresses


@dataclass(frozen=True)
class Material:
    """One thing that can be sent; `address` is where it can be had at once."""

    slug: str
    label: str
    hint: str
    address: str = ""


CATALOGUE = (
    Material(
        "prescriber-guide",
        "Prescriber guide",
        "Evidence, dosing, interactions and compounding, with references",
        addresses.GUIDE,
    ),
    Material(
        "prescriber-summary",
        "One-page summary for prescribers",
        "The main facts on one sheet",
        addresses.SUMMARY,
    ),
    Material("dose-plan", "Dose plan sheets", "One page with a date for each step", addresses.DOSE_PLAN),
    Material(
        "patient-leaflet-en",
        "Patient leaflet in English",
        "How to take it, and when to call",
        addresses.LEAFLET,
    ),
    Material(
        "patient-leaflet-es",
        "Patient leaflet in Spanish",
        "The same leaflet, in Spanish",
        addresses.LEAFLET.speaking("es"),
    ),
    Material("opioid-card", "Wallet card in English", "For your patient to carry", addresses.CARD),
    Material(
        "opioid-card-es",
        "Wallet card in Spanish",
        "The back is in English, for emergency staff",
        addresses.CARD.speaking("es"),
    ),
)
LABELS = {material.slug: material.label for material in CATALOGUE}


def links(slugs: Iterable[str]) -> list[tuple[str, str]]:
    """Label and address of what was asked for and can be had at once, in the catalogue's order."""
    asked = set(slugs)
    return [(one.label, one.address) for one in CATALOGUE if one.slug in asked and one.address]
