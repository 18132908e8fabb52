"""What the index keeps of a provider, in which order, and how it is written down.

A line is the values with a quote between them, since no value has one, the number first, without the empty ones at
the end.
"""

from __future__ import annotations

from datetime import date

PRACTICE = "Provider Business Practice Location Address "
CODES = tuple(f"Healthcare Provider Taxonomy Code_{n}" for n in range(1, 16))
LICENSED = tuple(f"Provider License Number State Code_{n}" for n in range(1, 16))
PRIMARY = tuple(f"Healthcare Provider Primary Taxonomy Switch_{n}" for n in range(1, 16))

# The order of the values. Behind them, for a person who is several kinds of provider, three for each other one.
FACTS = (
    "NPI",
    "Entity Type Code",
    "Last Update Date",
    "NPI Deactivation Date",
    "NPI Reactivation Date",
    "Replacement NPI",
    "Provider Organization Name (Legal Business Name)",
    "Provider Last Name (Legal Name)",
    "Provider First Name",
    "Provider Middle Name",
    "Provider Other Last Name",
    "Provider Other First Name",
    "Provider Credential Text",
    f"{PRACTICE}State Name",
    f"{PRACTICE}Telephone Number",
    CODES[0],
    LICENSED[0],
    PRIMARY[0],
)
DAYS = slice(2, 5)  # those that are dates
ORGANISATION = 7  # of these are kept of one
OTHERS = tuple(name for three in zip(CODES[1:], LICENSED[1:], PRIMARY[1:], strict=True) for name in three)
NEEDED = (*FACTS, *OTHERS)


def line(values: list[str]) -> bytes:
    """The values as they are kept."""
    return '"'.join(values).rstrip('"').encode()


def values(line: bytes) -> list[str]:
    """What a line says, each of FACTS, and then three and three for the other kinds of provider."""
    found = line.decode().split('"')
    if len(found) < len(FACTS):
        return found + [""] * (len(FACTS) - len(found))
    return found + [""] * (-len(found) % 3) if len(found) % 3 else found


def dated(said: bytes, day: date) -> bytes:
    """The same line, as if it had been updated on that day."""
    return line([*(found := values(said))[:2], f"{day:%m/%d/%Y}", *found[3:]])


def updated(line: bytes) -> bytes:
    """The day of a line's last update, so that it sorts; empty where there is none."""
    day = line.split(b'"', 3)[2:3]
    return day[0][6:] + day[0][:5] if day else b""
