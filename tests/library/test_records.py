"""YAML is read as text: nothing is guessed, nothing is lost."""

import pytest

from portal.library import records


def test_values_stay_as_they_were_typed() -> None:
    text = "a: NO\nb: 01234\nc: 12:30\nd: 1.10\ne: 2026-11-23\nf: [yes, 1]"

    assert records.read(text) == {
        "a": "NO",
        "b": "01234",
        "c": "12:30",
        "d": "1.10",
        "e": "2026-11-23",
        "f": ["yes", "1"],
    }


def test_null_is_nothing_and_a_quoted_null_is_a_word() -> None:
    assert records.read("a: null\nb: ~\nc:\nd: 'null'") == {"a": None, "b": None, "c": None, "d": "null"}


def test_a_key_given_twice_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 2: the key 'a' is given twice"):
        records.read("a: 1\na: 2")


def test_a_tag_builds_no_object() -> None:
    assert records.read("a: !!python/object/apply:os.getcwd []") == {"a": []}


def test_broken_yaml_names_its_line() -> None:
    with pytest.raises(ValueError, match="line 2: did not find"):
        records.read("a: [1")
