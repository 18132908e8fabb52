"""Where a licence is looked up: an NPI proves none. Addresses of which somebody saw that they are a look-up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LookUp:
    """One public look-up."""

    name: str
    address: str


CALIFORNIA = LookUp("California license search (DCA, BreEZe)", "https://search.dca.ca.gov/")
PHYSICIANS = LookUp("DocInfo: physicians and PAs of all states (FSMB)", "https://www.docinfo.org/")
NURSES = LookUp("Nursys: nurses of most states (NCSBN)", "https://www.nursys.com/")

NURSING = ("363L", "364S", "367A", "3675")


def look_ups(states: tuple[str, ...], taxonomies: tuple[str, ...]) -> list[LookUp]:
    """Where to look: the state's own where we know it, then the national one of the profession."""
    found = [CALIFORNIA] if "CA" in states else []
    if any(code.startswith(NURSING) for code in taxonomies):
        return [*found, NURSES]
    # Of other professions there is no national one; where none is known, it is a physician's most likely.
    if not taxonomies or any(code.startswith(("20", "363A")) for code in taxonomies):
        return [*found, PHYSICIANS]
    return found
