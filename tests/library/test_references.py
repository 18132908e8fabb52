"""The bibliography prints what is known, and nothing else."""

from pathlib import Path

import pytest

from portal.library import references
from portal.library.references import Reference


def make(**fields: object) -> Reference:
    known = {
        "id": "a1",
        "title": "A title",
        "kind": "trial",
        "certainty": "b",
        "tier": "core",
        "journal": "J",
    }
    return Reference(**{**known, **fields})  # type: ignore[arg-type]


def test_a_full_citation() -> None:
    work = make(authors="Ada A, Bee B", year="2020", volume="3(1)", pages="5-9", doi="10.1000/x")

    assert work.citation == "Ada A, Bee B. A title. J. 2020;3(1):5–9."
    assert work.html("leaves this site") == (
        "Ada A, Bee B. A title. J. 2020;3(1):5–9. "
        '<a class="out" rel="noopener" href="https://doi.org/10.1000/x">doi:10.1000/x'
        '<span class="vh"> (leaves this site)</span></a>'
    )


def test_what_is_not_known_or_not_confirmed_is_not_printed() -> None:
    work = make(authors="Ada A", volume="3", doi="10.1000/x", unconfirmed=("authors", "volume", "doi"))

    assert work.citation == "A title. J."
    assert work.html("x") == "A title. J."


def test_a_work_without_a_journal_says_so() -> None:
    assert make(journal="").citation == "A title. Journal and year not confirmed."


def test_many_authors_become_six_and_others() -> None:
    work = make(authors=", ".join(f"N{n} A" for n in range(9)))

    assert work.citation.startswith("N0 A, N1 A, N2 A, N3 A, N4 A, N5 A, et al. ")


def test_a_title_is_text() -> None:
    assert "&lt;b&gt;" in make(title="<b>", url="https://x.example/?a=1&b=2").html("x")


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("{id: a1, title: T, kind: k, certainty: b, tier: core, isbn: 3}", "unknown field 'isbn'"),
        ("{id: a1, kind: k, certainty: b, tier: core}", "title is missing"),
        ("{id: A 1, title: T, kind: k, certainty: b, tier: core}", "id 'A 1' is malformed"),
        ("{id: a1, title: T, kind: k, certainty: b, tier: core, year: 20}", "year '20' is malformed"),
        ("{id: a1, title: T, kind: k, certainty: b, tier: core, doi: abc}", "doi 'abc' is malformed"),
        (
            "{id: a1, title: T, kind: k, certainty: b, tier: core, url: 'http://x.y'}",
            "url 'http://x.y' is malformed",
        ),
        ("{id: a1, title: T, kind: k, certainty: sure, tier: core}", "certainty must be one of"),
        ("{id: a1, title: T, kind: k, certainty: b, tier: some}", "tier must be one of"),
        (
            "{id: a1, title: T, kind: k, certainty: b, tier: core, unconfirmed: [nothing]}",
            "unconfirmed must be",
        ),
        ("word", "is no record"),
    ],
)
def test_a_faulty_entry_is_named(tmp_path: Path, entry: str, fault: str) -> None:
    file = tmp_path / "references.yaml"
    file.write_text(f"- {entry}\n", "utf-8")

    _, faults = references.load(file)

    assert any(fault in found for found in faults), faults


def test_an_id_given_twice_and_an_empty_list_are_faults(tmp_path: Path) -> None:
    file = tmp_path / "references.yaml"
    entry = "- {id: a1, title: T, kind: k, certainty: b, tier: core}\n"

    file.write_text(entry * 2, "utf-8")
    assert references.load(file)[1] == ["references.yaml: a1: the id is given twice"]
    file.write_text("{}", "utf-8")
    assert references.load(file)[1] == ["references.yaml: holds no list of works"]
