"""Texts cut into statements: what names one, and what makes it another."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from portal.app import CONTENT
from portal.library import loading, prescriptions, references
from portal.library.pages import Library
from portal.library.statements import Basis, Risk, Statement, statements, translated
from portal.review import sheets, signing

FRONT = """---
title: A page
description: What it is about.
path: /prescribers/safety
language: en
section: prescribers
gated: yes
review: pending
updated_on: 2026-11-27
---

"""
BODY = """## Opioids {#opioids}

Do not combine them [@known2020]. It is dangerous.

- One point. With a second sentence.
- Usual practice.

Table: What to do {#table}

| Situation | What to do |
|---|---|
| Surgery | Stop |
"""
WORK = """- id: known2020
  title: A trial
  journal: J
  year: '2020'
  kind: RCT
  certainty: b
  tier: core
"""


def cut(folder: Path, body: str = BODY) -> tuple[Statement, ...]:
    (folder / "references.yaml").write_text(WORK)
    (folder / "evidence.yaml").write_text(
        (CONTENT / "evidence.yaml").read_text().partition("\n- id")[0] + "\n[]\n"
    )
    page, faults = loading._read(FRONT + body, "a.md", references.load(folder / "references.yaml")[0], {})
    assert page and not faults
    return statements(page, references.load(folder / "references.yaml")[0])


def test_a_point_a_row_and_a_paragraph_are_each_one(tmp_path: Path) -> None:
    found = cut(tmp_path)

    assert [(one.anchor, one.words) for one in found] == [
        ("", "What it is about."),
        ("opioids", "Do not combine them. It is dangerous."),
        ("opioids", "One point. With a second sentence."),
        ("opioids", "Usual practice."),
        ("table", "Situation: Surgery; What to do: Stop"),
    ]
    assert [one.basis for one in found[1:]] == [
        (Basis.STUDY,),
        (Basis.NONE,),
        (Basis.PRACTICE,),
        (Basis.NONE,),
    ]
    assert found[1].works == ("known2020",)
    assert found[-1].address == "/prescribers/safety#table"


DANGER, POINT = "Do not combine them. It is dangerous.", "One point. With a second sentence."
ROW = "Situation: Surgery; What to do: Stop"


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ("It is dangerous", "It is harmless", {DANGER}),
        (" [@known2020]", "", {DANGER}),
        ("| What to do |", "| What not to do |", {ROW}),
        ("Table: What to do", "Table: What not to do", {ROW}),
        ("## Opioids {", "## Harmless things {", {DANGER, POINT, "Usual practice."}),
        ("- One point.", "- A new point.\n- One point.", set()),
        (f"- {POINT}\n- Usual practice.", f"- Usual practice.\n- {POINT}", set()),
    ],
)
def test_what_gives_a_statement_its_sense_makes_it_another(
    tmp_path: Path, before: str, after: str, lost: set[str]
) -> None:
    was = {one.digest: one.words for one in cut(tmp_path)}
    now = {one.digest for one in cut(tmp_path, BODY.replace(before, after))}

    assert {words for digest, words in was.items() if digest not in now} == lost


def test_every_word_of_a_text_that_is_signed_is_in_a_statement_or_above_one(library: Library) -> None:
    found = signing.cut(library)
    for path in ("/prescribers", "/prescribers/safety", "/prescribers/evidence", "/patients"):
        said = "\n".join(f"{one.heading} {one.words}" for one in found[path])
        missing = {
            line for line in library.pages[path].document.text.splitlines() if _plain(line) not in said
        }
        # A heading over a table alone is its caption in other words; a column of works has no words.
        headings = {words for _, words in library.pages[path].document.contents}
        assert missing <= headings | {"Source"}, missing - headings


def _plain(line: str) -> str:
    return " ".join(line.split())


def test_what_could_hurt_soonest_is_read_first(library: Library) -> None:
    found = signing.cut(library)
    safety, legal = found["/prescribers/safety"], found["/legal"]

    assert {
        one.risk for one in safety if one.anchor in ("withdrawal", "urine", "opioid-free-table", "surgery")
    } == {Risk.A}
    assert {
        one.risk
        for one in found["/prescribers/dosing"]
        if one.anchor == "schedule-table" and " mg" in one.words
    } == {Risk.A}
    assert {one.risk for one in legal} == {Risk.A, Risk.C}
    assert {one.risk for one in legal if one.anchor in ("opioids", "other-sites")} == {Risk.A, Risk.C}
    assert {one.risk for one in found["/prescribers/evidence"]} == {Risk.B}


def test_a_passage_that_rests_on_nothing_says_so(library: Library) -> None:
    safety = signing.cut(library)["/prescribers/safety"]
    bare = {one.anchor for one in safety if Basis.NONE in one.basis}

    assert {"withdrawal", "urine"} <= bare
    assert not [one for one in safety if Basis.NONE in one.basis and one.works]


def test_the_sentences_of_the_dose_plan_are_signed_with_the_dosing_chapter(library: Library) -> None:
    found = [one for one in signing.cut(library)["/prescribers/dosing"] if one.anchor == "plan"]

    assert {one.address for one in found} == {"/prescribers/dose-plan"}
    said = [one.words for one in found]
    assert [
        one for one in said if one.endswith("Never take extra opioids to make up for it. That can kill you.")
    ]
    assert [one for one in said if one.startswith("Stop, and call today: yellow skin or eyes")]
    assert not [one for one in said if one.endswith(":") or "%(" in one]
    sentences = re.findall(r'_\("([^"]+[.])"\)', sheets.PLAN.read_text("utf-8"))
    assert len(sentences) > 12 and all(any(one in line for line in said) for one in sentences)


def test_the_wallet_card_is_signed_with_the_patients_page(library: Library) -> None:
    found = signing.cut(library)["/patients"]

    assert [one.words for one in found if one.anchor == "card"][1:-1] == list(library.cards["en"].points)


def test_the_words_of_the_prescription_page_are_signed_with_compounding(library: Library) -> None:
    found = [
        one
        for one in signing.cut(library)["/prescribers/compounding"]
        if one.address.endswith("/prescription")
    ]
    said = {one.words for one in found}
    reached = {note for steps, product, _ in sheets.SPECIMENS for note in _notes(steps, product)}

    assert len(reached) == 3 and reached <= said  # as many as `prescriptions` can note
    assert " ".join(prescriptions.limits().split()) in said
    whole = [words for words in said if words.startswith("Naltrexone hydrochloride")]
    assert len(whole) == 3 and all(
        "Reason for compounding" in words and "Opioids: asked" in words for words in whole
    )
    assert [one for one in said if one.startswith("Only after the checks before a first dose.")]
    assert {one.risk for one in found if one.words in whole} == {Risk.A}
    assert not [words for words in said if "{" in words or "<" in words]


def _notes(steps: tuple[prescriptions.Step, ...], product: str) -> tuple[str, ...]:
    of = {one.id: one for one in prescriptions.PRODUCTS}
    return tuple(" ".join(note.split()) for note in prescriptions.write(steps, of[product], "morning").notes)


def test_each_statement_in_spanish_stands_beside_the_one_it_translates(
    context: Flask, library: Library
) -> None:
    found = signing.cut(library)
    translations = [page for page in signing.signable(library) if page.language == "es"]

    assert len(translations) >= 6
    for page in translations:
        twin = statements(library.pages[page.twin], library.references, sheets.originals(page, library))
        assert [one.original for one in found[page.path]] == [one.words for one in twin], page.path
        assert [one.risk for one in found[page.path]] == [one.risk for one in twin]
    patients = {one.original: one for one in found["/es/pacientes"]}
    assert patients["Do not share it."].words == "No la comparta."
    plan = next(one for one in found["/es/pacientes"] if one.anchor == "plan" and "988" in one.words)
    assert "oprima el 2" in plan.words and plan.risk == Risk.A


def test_a_translation_is_another_once_its_original_is(library: Library) -> None:
    page, twin = library.pages["/es/pacientes"], library.pages["/patients"]
    own, theirs = statements(page, library.references), statements(twin, library.references)
    other = replace(theirs[5], words="Other words.", digest="0" * 64)
    was = [one.digest for one in translated(own, theirs)]
    now = [one.digest for one in translated(own, (*theirs[:5], other, *theirs[6:]))]

    assert [place for place, pair in enumerate(zip(was, now, strict=True)) if pair[0] != pair[1]] == [5]


def test_where_a_translation_has_more_or_less_each_stands_beside_all(library: Library) -> None:
    page, twin = library.pages["/es/pacientes"], library.pages["/patients"]
    own, theirs = statements(page, library.references), statements(twin, library.references)
    asked = [one for one in theirs if one.anchor == "ask"]
    found = translated(own, [one for one in theirs if one is not asked[1] and one.anchor != "help"])

    beside = {one.original for one in found if one.anchor == "ask"}
    assert beside == {" ".join(one.words for one in (asked[0], *asked[2:]))}
    assert {(one.original, one.risk) for one in found if one.anchor == "help"} == {("", Risk.A)}
