"""Works for reference managers: what is known goes in, what is not stays out, and nothing breaks the format."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from portal.library import citations
from portal.library.pages import Library
from portal.library.references import Reference
from tests.pages import Visitor

WORK = Reference(
    id="known2020",
    title="Pain & {gain}: 100% of_it",
    kind="RCT",
    certainty="b",
    tier="core",
    authors="Younger J, O'Kelly B, U.S. Food and Drug Administration, et al",
    journal="J Known",
    year="2020",
    volume="7",
    pages="12-19",
    doi="10.1000/x_1",
    unconfirmed=("volume",),
)


def test_each_format_says_what_is_known_and_nothing_else() -> None:
    assert citations.ris([WORK]).split("\r\n") == [
        *("TY  - JOUR", "ID  - known2020", "AU  - Younger, J.", "AU  - O'Kelly, B."),
        *("AU  - U.S. Food and Drug Administration,", "TI  - Pain & {gain}: 100% of_it", "JO  - J Known"),
        *("PY  - 2020", "SP  - 12", "EP  - 19", "DO  - 10.1000/x_1", "UR  - https://doi.org/10.1000/x_1"),
        *("ER  - ", ""),
    ]
    assert citations.bibtex([WORK]).splitlines()[:4] == [
        "@article{known2020,",
        "  author = {Younger, J and O'Kelly, B and {U.S. Food and Drug Administration} and others},",
        r"  title = {{Pain \& \{gain\}: 100\% of\_it}},",
        "  journal = {J Known},",
    ]
    (item,) = json.loads(citations.csl([WORK]))
    assert item["issued"] == {"date-parts": [[2020]]} and "volume" not in item
    assert item["author"][0] == {"family": "Younger", "given": "J."}
    assert item["author"][2] == {"literal": "U.S. Food and Drug Administration"}


def test_a_work_without_a_journal_is_a_document_and_initials_are_apart() -> None:
    bare = replace(WORK, journal="", doi="", pages="", authors="Raknes GB")
    assert "TY  - GEN\r\nID  - known2020\r\nAU  - Raknes, G. B.\r\n" in citations.ris([bare])
    assert citations.bibtex([bare]).startswith("@misc{known2020,\n  author = {Raknes, G B},")
    assert json.loads(citations.csl([bare]))[0]["type"] == "document"


def test_what_stands_behind_a_name_is_no_part_of_it_and_a_body_stays_whole() -> None:
    several = replace(WORK, authors="Guy GP Jr, de Paula TM, Roe A 3rd, D'Souza RS, Center for Pain")
    lines = citations.ris([several]).split("\r\n")
    assert [line[6:] for line in lines if line.startswith("AU")] == [
        *("Guy, G. P., Jr", "de Paula, T. M.", "Roe, A., 3rd", "D'Souza, R. S.", "Center for Pain,")
    ]
    assert (
        "author = {Guy, Jr, G P and de Paula, T M and Roe, 3rd, A and D'Souza, R S and {Center for Pain}}"
        in citations.bibtex([several])
    )
    people = json.loads(citations.csl([several]))[0]["author"]
    assert people[0] == {"family": "Guy", "given": "G. P.", "suffix": "Jr"}
    assert people[2]["suffix"] == "3rd" and people[4] == {"literal": "Center for Pain"}


@pytest.mark.parametrize(
    ("printed", "volume", "issue"),
    [
        ("153(10)", "153", "10"),
        ("45(9 Pt 2)", "45", "9 Pt 2"),
        ("124(Pt B)", "124", "Pt B"),
        ("518", "518", ""),
    ],
)
def test_the_issue_has_a_field_of_its_own(printed: str, volume: str, issue: str) -> None:
    work = replace(WORK, volume=printed, unconfirmed=())
    lines = citations.ris([work]).split("\r\n")
    entry = citations.bibtex([work])
    (item,) = json.loads(citations.csl([work]))

    assert [line for line in lines if line[:2] in ("VL", "IS")] == [
        f"VL  - {volume}",
        *([f"IS  - {issue}"] if issue else []),
    ]
    assert f"  volume = {{{volume}}}" in entry and (f"  number = {{{issue}}}" in entry) is bool(issue)
    assert (item["volume"], item.get("issue", "")) == (volume, issue)


def test_a_trials_entry_in_a_register_is_no_article() -> None:
    entry = replace(
        WORK, journal="ClinicalTrials.gov", registration="NCT01", volume="", doi="", pages="", unconfirmed=()
    )
    (item,) = json.loads(citations.csl([entry]))

    assert "PB  - ClinicalTrials.gov" in citations.ris([entry])
    assert "  howpublished = {ClinicalTrials.gov}" in citations.bibtex([entry])
    assert (item["type"], item["publisher"], item["number"]) == ("document", "ClinicalTrials.gov", "NCT01")


def test_every_work_goes_through_every_format(library: Library) -> None:
    works = library.references.values()
    written = citations.ris(works)

    assert written.count("\r\nER  - ") == len(works)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9]  - .*", line) for line in written.split("\r\n") if line)
    assert [item["id"] for item in json.loads(citations.csl(works))] == [work.id for work in works]
    for entry in citations.bibtex(works).split("\n@"):
        bare = re.sub(r"\\[{}]", "", entry)
        assert bare.count("{") == bare.count("}")


@pytest.mark.parametrize("kind", ["ris", "bib", "json"])
def test_they_stand_behind_the_gate_all_or_one(kind: str, visitor: Visitor, professional: Visitor) -> None:
    one = professional.get(f"/prescribers/references.{kind}?work=bruun2024")
    every = professional.get(f"/prescribers/references.{kind}")

    assert one.status_code == every.status_code == 200 and 0 < len(one.data) < len(every.data) / 20
    assert one.headers["Content-Disposition"] == f'attachment; filename="bruun2024.{kind}"'
    assert professional.get(f"/prescribers/references.{kind}?work=none").status_code == 404
    visitor.client.delete_cookie("professional", path="/prescribers")
    assert visitor.get(f"/prescribers/references.{kind}").status_code == 403


def test_another_format_is_not_there(professional: Visitor) -> None:
    assert professional.get("/prescribers/references.doc").status_code == 404


def test_each_work_on_the_page_can_be_taken(professional: Visitor) -> None:
    soup = professional.open("/prescribers/references").soup
    for entry in soup.select(".refs > li"):
        links = [a["href"] for a in entry.select(".detail a[href*='?work=']")]
        assert links == [
            f"/prescribers/references.{kind}?work={entry['id']}" for kind in ("ris", "bib", "json")
        ]
