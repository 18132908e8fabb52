"""The shape of a National Provider Identifier: ten digits, the first a 1 or a 2, the last a check digit.

Pure: it says whether a number could be an NPI, never whether anybody holds it.
Source: CMS, "Requirements for National Provider Identifier (NPI) and NPI Check Digit".
"""

import re
from enum import StrEnum

from portal.text import bare

LENGTH = 10

# The check digit is Luhn's, over the NPI with the card-issuer prefix 80840 before it, which always adds 24.
PREFIX_SUM = 24

# Listed, not \s and \d: those also take control characters and the digits of other scripts.
_SEPARATORS = re.compile("[ \t.\u2010-\u2015\u2212-]")
_LABEL = re.compile(r"^[(#]*(?:NPI\)?(?:Number|Num|No|Nr|N[º°]|№|ID)?[:#=]*)?", re.IGNORECASE)
_AFTER = re.compile(r"[(,;]*(?:NPI)?[),;]*$", re.IGNORECASE)
_TEN_DIGITS = re.compile(r"[0-9]{10}")


class Fault(StrEnum):
    """What is wrong with a typed NPI; the first of these that applies."""

    EMPTY = "empty"
    OTHER_DIGITS = "other_digits"
    NOT_TEN_DIGITS = "not_ten_digits"
    FIRST_DIGIT = "first_digit"
    CHECK_DIGIT = "check_digit"


MESSAGES = {
    Fault.EMPTY: "Enter your 10-digit NPI",
    Fault.OTHER_DIGITS: "NPI must be written with the digits 0 to 9. Other digits were seen",
    Fault.NOT_TEN_DIGITS: "NPI must be 10 digits",
    Fault.FIRST_DIGIT: "NPI must start with 1 or 2. Check it for a typing error",
    Fault.CHECK_DIGIT: "This NPI does not match its check digit. Check it for a typing error",
}

MESSAGES_WHEN_OPTIONAL = MESSAGES | {
    Fault.NOT_TEN_DIGITS: "NPI must be 10 digits. Check it, or leave it empty",
    Fault.FIRST_DIGIT: "NPI must start with 1 or 2. Check it, or leave it empty",
    Fault.CHECK_DIGIT: "This NPI does not match its check digit. Check it, or leave it empty",
}


def normalise(text: str) -> str:
    """The NPI without what people write or paste around it: blanks, hyphens, dots, "NPI No.:" before it, "(NPI)"
    behind it, and what nobody can see.

    Everything else stays, so that a wrong character is a fault and not a silent repair.
    """
    number = _SEPARATORS.sub("", bare(text))
    return _AFTER.sub("", _LABEL.sub("", number))


def fault(text: str) -> Fault | None:
    """The first thing wrong with the number as typed, or None when it is well formed."""
    number = normalise(text)
    if not number:
        return Fault.EMPTY
    if any(char.isdecimal() and not char.isascii() for char in number):
        return Fault.OTHER_DIGITS
    if not _TEN_DIGITS.fullmatch(number):
        return Fault.NOT_TEN_DIGITS
    if number[0] not in "12":
        return Fault.FIRST_DIGIT
    if _luhn_sum(number) % 10:
        return Fault.CHECK_DIGIT
    return None


def is_valid(text: str) -> bool:
    """Whether the number as typed is well formed."""
    return fault(text) is None


def _luhn_sum(number: str) -> int:
    """Luhn's sum of ten digits behind the prefix: every second digit from the right counts double."""
    total = PREFIX_SUM
    for position, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total
