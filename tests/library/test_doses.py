"""Doses are printed in one spelling, and no other is let through."""

import pytest

from portal.library import doses

NBSP = doses.NBSP


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("4.5 mg", f"4.5{NBSP}mg"),
        ("0.5mg", f"0.5{NBSP}mg"),
        ("50 mg", f"50{NBSP}mg"),
        ("1,000 mg", f"1,000{NBSP}mg"),
        ("0.1 mg/kg", f"0.1{NBSP}mg/kg"),
        ("1 mg/mL", f"1{NBSP}mg/mL"),
        ("1 microgram", f"1{NBSP}microgram"),
        ("0.5 to 1.5 mg", f"0.5{NBSP}to 1.5{NBSP}mg"),
    ],
)
def test_a_dose_is_printed_with_no_break_between_number_and_unit(typed: str, printed: str) -> None:
    assert doses.dose(typed) == printed


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        (".5 mg", "write the nought before the point, like 0.5 mg"),
        ("5.0 mg", "write no nought after the last figure"),
        ("4.50 mg", "write no nought after the last figure"),
        ("4,5 mg", "a point for the decimals"),
        ("05 mg", "write no nought"),
        ("5 mcg", "write micrograms in full"),
        ("5 µg", "write micrograms in full"),
        ("5 ml", "write mL in full"),
        (".5 to 1.5 mg", "write the nought before the point"),
        ("mg", "is not a dose"),
        ("a little", "is not a dose"),
    ],
)
def test_a_dangerous_spelling_is_refused_with_advice(typed: str, advice: str) -> None:
    with pytest.raises(ValueError, match="write|is not a dose") as refused:
        doses.dose(typed)

    assert advice in str(refused.value)


@pytest.mark.parametrize("prose", ["2-4 mg", "2–4 mg", "from 0.5 - 1.5 mg a day"])
def test_a_range_is_written_with_the_word_to(prose: str) -> None:
    assert "write a range of doses with the word to" in doses.typeset(prose)[1][0]


def test_every_dose_in_prose_is_typeset_and_the_rest_is_left_alone() -> None:
    prose = "In 2013, 31 women took 4.5 mg; p = 0.016, n=14, 1 to 2 weeks."

    assert doses.typeset(prose) == (prose.replace("4.5 mg", f"4.5{NBSP}mg"), [])
