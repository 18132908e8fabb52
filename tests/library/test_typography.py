"""Quotes, apostrophes and statistics as a book has them."""

from __future__ import annotations

import pytest

from portal.library import markdown, typography
from portal.library.doses import NBSP
from tests.pages import Visitor


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("the label's words", "the label’s words"),
        ("the patients' pages", "the patients’ pages"),
        ('called "low" and "very low"', "called “low” and “very low”"),
        ("2 < 3 & *not* a [mark]", "2 < 3 & *not* a [mark]"),
        ("(p = 0.27)", f"(p{NBSP}={NBSP}0.27)"),
        ("p < 0.001", f"p{NBSP}<{NBSP}0.001"),
        ("(95% CI −0.95 to 0.27)", f"(95%{NBSP}CI −0.95 to 0.27)"),
        ("4.5 mg", f"4.5{NBSP}mg"),
        ("every 1 to 2 weeks", f"every 1 to 2{NBSP}weeks"),
        ("40 adults; 2 semanas", f"40{NBSP}adults; 2{NBSP}semanas"),
        ("stop = go", "stop = go"),
    ],
)
def test_plain_words_are_set(typed: str, printed: str) -> None:
    assert typography.typeset(typed) == (printed, [])


def test_a_wrong_dose_is_named() -> None:
    assert typography.typeset("Dr. Ruiz's .5 mg")[1] == [
        "'.5 mg': write the nought before the point, like 0.5 mg"
    ]


def test_quotes_are_set_across_marks_and_not_in_code() -> None:
    document = markdown.parse('She said "take *one*", the label\'s `"word"`.')

    assert '“take <em>one</em>”, the label’s <code>"word"</code>' in document.html


@pytest.mark.parametrize(
    "path", ["/prescribers", "/prescribers/evidence", "/prescribers/references", "/patients"]
)
def test_no_straight_quote_is_left_in_a_text(path: str, professional: Visitor) -> None:
    main = professional.open(path).soup.main

    assert not [words for words in main.stripped_strings if "'" in words or '"' in words]
