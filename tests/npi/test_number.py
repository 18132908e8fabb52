"""The check digit of an NPI, against the published examples and an independent reckoning."""

import random

import pytest

from portal.npi import number
from portal.npi.number import Fault


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("1234567893", "the worked example of CMS"),
        ("1993999998", "well formed and unassigned"),
        ("1234567000", "a check digit of 0"),
        ("1999999984", "well formed and not in the registry"),
        ("2234567891", "leading 2"),
        ("1710983663", "deactivated, which the digits can't tell"),
        ("1209000003", "Luhn can't see 09 for 90"),
        ("1290000003", "Luhn can't see 90 for 09"),
    ],
)
def test_a_published_number_is_valid(typed: str, why: str) -> None:
    assert number.fault(typed) is None, why
    assert number.is_valid(typed)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("1234567890", Fault.CHECK_DIGIT),
        ("1243567893", Fault.CHECK_DIGIT),
        ("1234567894", Fault.CHECK_DIGIT),
        ("3234567899", Fault.FIRST_DIGIT),
        ("123456789", Fault.NOT_TEN_DIGITS),
        ("12345678930", Fault.NOT_TEN_DIGITS),
        ("12345A7893", Fault.NOT_TEN_DIGITS),
        ("١٢٣٤٥٦٧٨٩٣", Fault.OTHER_DIGITS),
        ("１２３４５６７８９３", Fault.OTHER_DIGITS),
        ("123456789३", Fault.OTHER_DIGITS),
        ("1234567893x", Fault.NOT_TEN_DIGITS),
        ("12345\n67893", Fault.NOT_TEN_DIGITS),
        ("NPI NPI 1234567893", Fault.NOT_TEN_DIGITS),
        ("", Fault.EMPTY),
        ("   ", Fault.EMPTY),
        ("NPI:", Fault.EMPTY),
        ("-", Fault.EMPTY),
    ],
)
def test_a_wrong_number_has_its_fault(typed: str, expected: Fault) -> None:
    assert number.fault(typed) is expected
    assert not number.is_valid(typed)


@pytest.mark.parametrize(
    "typed",
    [
        " 1234567893 ",
        "1234 567 893",
        "1234-567-893",
        "1234.567.893",
        "NPI 1234567893",
        "NPI: 1234567893",
        "npi:1234567893",
        "NPI#1234567893",
        "N.P.I. 1234567893",
        "1234\u00a0567\u2011893",
        "1234567893\t",
        "NPI No. 1234567893",
        "NPI Number: 1234567893",
        "(NPI) 1234567893",
        "NPI #: 1234567893",
        "1234567893\u200b",
        "\ufeff1234567893",
        "\u202d1234567893\u202c",
        "12\u200e34\u00ad56\u20607893",
        "1234\u2007567\u2212893",
        "1234567893\x00",
        "1234567893\u200d",
        "12345\u200c67893\ufe0f",
        "\u3164\u034f1234567893\U000e0001",
        "1234567893 (NPI)",
        "1234567893, NPI",
        "(NPI: 1234567893)",
        "NPI № 1234567893",
        "NPI Nº: 1234567893",
        "NPI = 1234567893",
        "#1234567893",
    ],
)
def test_what_people_write_around_a_number_is_dropped(typed: str) -> None:
    assert number.normalise(typed) == "1234567893"


def test_ten_thousand_random_numbers_agree_with_luhn_over_fifteen_digits() -> None:
    source = random.Random(80840)
    numbers = [f"{source.randrange(10**10):010}" for _ in range(5_000)]
    numbers += [f"{source.choice('12')}{source.randrange(10**9):09}" for _ in range(5_000)]

    disagreements = [n for n in numbers if number.is_valid(n) != (n[0] in "12" and _passes_luhn("80840" + n))]

    assert disagreements == []
    assert sum(map(number.is_valid, numbers)) > 500


def test_every_single_wrong_digit_is_refused() -> None:
    good = "1234567893"

    changed = [good[:i] + d + good[i + 1 :] for i in range(10) for d in "0123456789" if d != good[i]]

    assert len(changed) == 90
    assert not any(map(number.is_valid, changed))


def test_each_fault_says_what_to_do() -> None:
    assert number.MESSAGES == {
        Fault.EMPTY: "Enter your 10-digit NPI",
        Fault.OTHER_DIGITS: "NPI must be written with the digits 0 to 9. Other digits were seen",
        Fault.NOT_TEN_DIGITS: "NPI must be 10 digits",
        Fault.FIRST_DIGIT: "NPI must start with 1 or 2. Check it for a typing error",
        Fault.CHECK_DIGIT: "This NPI does not match its check digit. Check it for a typing error",
    }
    assert number.MESSAGES_WHEN_OPTIONAL.keys() == number.MESSAGES.keys()


def _passes_luhn(digits: str) -> bool:
    """Luhn as the standard words it, by table and without the constant that the product uses."""
    doubled = {"0": 0, "1": 2, "2": 4, "3": 6, "4": 8, "5": 1, "6": 3, "7": 5, "8": 7, "9": 9}
    odd = [int(d) for d in digits[::-1][0::2]]
    even = [doubled[d] for d in digits[::-1][1::2]]
    return (sum(odd) + sum(even)) % 10 == 0
