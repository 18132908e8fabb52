"""The evidence is data: one study, one row, in two short lists of words."""

from pathlib import Path

import pytest

from portal.library import evidence

ENTRY = """
- id: a-condition
  name: A condition
  certainty: conflicting
  summary: Two trials.
  studies:
    - {name: One, design: 10 people, result: Better., reading: favors, sources: [a2000, b2001]}
"""


def load(tmp_path: Path, text: str) -> tuple[tuple[evidence.Condition, ...], list[str]]:
    file = tmp_path / "evidence.yaml"
    file.write_text(text, "utf-8")
    return evidence.load(file)


def test_a_study_becomes_a_row_with_its_reading_in_words_and_its_sources(tmp_path: Path) -> None:
    conditions, faults = load(tmp_path, ENTRY)

    assert not faults
    group = evidence.grid(conditions).groups[0]
    assert (group.id, group.heading) == ("a-condition", "A condition")
    assert group.detail == "Conflicting trials. Two trials."
    assert group.rows == (("One", "**Favors LDN**", "10 people", "Better.", "[@a2000; @b2001]"),)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("conflicting", "strong", "certainty must be one of"),
        ("favors", "wonderful", "reading must be one of"),
        ("sources: [a2000, b2001]", "sources: []", "'One' has no source"),
        ("id: a-condition", "id: A Condition", "is malformed"),
        ("  summary: Two trials.\n", "", "summary is missing"),
    ],
)
def test_a_faulty_entry_is_named(tmp_path: Path, old: str, new: str, fault: str) -> None:
    _, faults = load(tmp_path, ENTRY.replace(old, new))

    assert len(faults) == 1
    assert fault in faults[0]
