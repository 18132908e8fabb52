"""The code a prescriber is given."""

import re

import pytest

from portal.intake.reference import ALPHABET, new_reference, normalise


def test_a_reference_has_the_shape_of_the_contract() -> None:
    made = {new_reference() for _ in range(500)}

    assert len(made) == 500
    assert all(
        re.fullmatch(r"LDN-[2-9B-DF-HJKMNPR-TV-Y]{4}-[2-9B-DF-HJKMNPR-TV-Y]{4}", code) for code in made
    )


def test_no_letter_can_be_mistaken_for_another() -> None:
    assert not set(ALPHABET) & set("AEIOU01LQZ")
    assert len(ALPHABET) == len(set(ALPHABET)) == 26


@pytest.mark.parametrize(
    "typed",
    [
        "LDN-7K4F-2XYW",
        "ldn-7k4f-2xyw",
        "LDN7K4F2XYW",
        " ldn 7k4f 2xyw ",
        "LDN–7K4F–2XYW",
        "LDN_7K4F.2XYW",
        "\u200dLDN-7K4F\ufe0f-2XYW",
    ],
)
def test_case_hyphens_and_spaces_do_not_matter(typed: str) -> None:
    assert normalise(typed) == "LDN-7K4F-2XYW"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "LDN",
        "7K4F-2XYW",
        "LDN-7K4F-2XY",
        "LDN-7K4F-2XYWX",
        "LDN-0K4F-2XYW",
        "LDN-7K4F-2XY\x00",
        "-" * 200,
    ],
)
def test_what_is_no_reference_is_none(typed: str) -> None:
    assert normalise(typed) is None
