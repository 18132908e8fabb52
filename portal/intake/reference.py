"""The code a prescriber is given for a request: LDN-XXXX-XXXX, easy to read out and to copy by hand.

Random, never a running number, so that it tells nothing about how many there are. No vowels (no words arise), and
none of 0 O 1 I L Q Z, which are mistaken for one another.
"""

import re
import secrets

from portal.text import bare

PREFIX = "LDN"
ALPHABET = "23456789BCDFGHJKMNPRSTVWXY"
_LENGTH = 8
_SHAPE = re.compile(f"{PREFIX}([{ALPHABET}]{{4}})([{ALPHABET}]{{4}})")
# What people put between the groups: spaces, and every kind of hyphen a keyboard or a word processor makes.
_SEPARATORS = re.compile("[\\s\u2010-\u2015\u2212_.-]")


def new_reference() -> str:
    """A fresh code out of 26^8 (2 * 10^11); the unique index, not luck, keeps two apart."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))
    return f"{PREFIX}-{code[:4]}-{code[4:]}"


def normalise(text: str) -> str | None:
    """The reference in its one spelling, whatever its case, hyphens and spaces; None when it is none."""
    if len(text) > 100:
        return None
    match = _SHAPE.fullmatch(_SEPARATORS.sub("", bare(text)).upper())
    return f"{PREFIX}-{match[1]}-{match[2]}" if match else None
