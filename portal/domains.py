"""Slips in an address: `gmial.com`, `gmail.con`. A suggestion is a person's to take or leave."""

from __future__ import annotations

import difflib
from functools import lru_cache

# Where most of our readers have their mail; the last ones are here so that they are not taken for a slip.
USUAL = (
    *(
        "gmail.com",
        "yahoo.com",
        "hotmail.com",
        "outlook.com",
        "icloud.com",
        "aol.com",
        "comcast.net",
        "msn.com",
    ),
    *("live.com", "att.net", "sbcglobal.net", "pacbell.net", "verizon.net", "cox.net", "earthlink.net"),
    *(
        "charter.net",
        "bellsouth.net",
        "optonline.net",
        "protonmail.com",
        "yahoo.es",
        "hotmail.es",
        "outlook.es",
    ),
    *("yahoo.com.mx", "hotmail.com.mx", "prodigy.net.mx"),
    *("mail.com", "email.com", "ymail.com", "me.com", "mac.com", "gmx.com", "gmx.net", "gmx.us", "proton.me"),
    *("live.com.mx", "googlemail.com", "rocketmail.com", "pm.me", "fastmail.com", "hey.com", "zoho.com"),
)
# No such ending is in the root zone.
_SLIPS = {
    **dict.fromkeys(("con", "cmo", "ocm", "vom", "xom", "comm", "coom", "cim", "clm"), "com"),
    "ogr": "org",
    "orgg": "org",
    "nte": "net",
    "ent": "net",
    "ner": "net",
    "eud": "edu",
    "deu": "edu",
}
LIKENESS = 0.85  # of difflib.SequenceMatcher: one slip in nine letters, two in fourteen


def suggestion(address: str) -> str:
    """The address that was probably meant; empty where nothing speaks for a slip."""
    local, at, domain = address.rpartition("@")
    meant = _meant(domain.lower()) if at else ""
    return f"{local}@{meant}" if meant else ""


@lru_cache(maxsize=4096)
def _meant(domain: str) -> str:
    if domain in USUAL:
        return ""
    name, _, ending = domain.rpartition(".")
    likely = f"{name}.{_SLIPS.get(ending, ending)}"
    usual = difflib.get_close_matches(likely, USUAL, n=1, cutoff=LIKENESS)
    return usual[0] if usual else likely if ending in _SLIPS else ""
