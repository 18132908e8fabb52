"""The evidence is data: one study, one row, in two short lists of words."""

import re
from pathlib import Path

import pytest

from portal.library import evidence
from portal.library.pages import Library

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


NUMBER = re.compile(r"\d+(?:\.\d+)?%?")


def figures(text: str) -> set[str]:
    """The figures in a text: `0.50` is `0.5`, and the end of a registration's name or a confidence level is none."""
    said = re.sub(r"95% ?CI|NCT\d+|(?<=HAM-D)-\d+|SF-36|TLR4|6-beta", "", text.replace(",", ""))
    return {f"{float(one.rstrip('%')):g}" for one in NUMBER.findall(said)}


def test_each_figure_of_a_result_is_quoted_from_its_source(library: Library) -> None:
    """A slip of the pen in the table, or in the note beside the work, makes the two differ."""
    for condition in library.evidence:
        for study in condition.studies:
            works = [library.references[key] for key in study.sources]
            quoted = figures(" ".join(f"{work.finding} {work.note}" for work in works))
            if "not found" in study.result or study.reading == "waiting":
                continue
            assert figures(study.result) <= quoted, f"{study.name}: {sorted(figures(study.result) - quoted)}"
