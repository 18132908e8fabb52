"""What the pharmacy sends to prescribers who ask: one list, its slugs stored, its labels shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Material:
    """One thing that can be sent."""

    slug: str
    label: str
    hint: str


CATALOGUE = (
    Material(
        "prescriber-guide",
        "Prescriber guide",
        "Evidence, dosing, interactions and compounding, with references",
    ),
    Material("prescriber-summary", "One-page summary for prescribers", "The main facts on one sheet"),
    Material("dose-plan", "Dose plan sheets", "A blank plan to fill in with your patient"),
    Material("patient-leaflet-en", "Patient leaflet in English", "How to take it, and when to call"),
    Material("patient-leaflet-es", "Patient leaflet in Spanish", "The same leaflet, in Spanish"),
    Material("opioid-card", "Wallet card: no opioids with naltrexone", "For your patient to carry"),
)
LABELS = {material.slug: material.label for material in CATALOGUE}
