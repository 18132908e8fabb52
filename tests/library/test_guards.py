"""What holds for every page this room shows, whoever wrote it: doses, disclaimers, and nothing unknown in print."""

import re
from copy import copy

import pytest
from flask import Flask

from portal.library import doses, words
from portal.library.loading import ELSEWHERE
from portal.library.pages import Library
from tests.pages import Page, Visitor

SHEETS = ("/prescribers/summary", "/prescribers/dose-plan", "/prescribers/evidence?condition=crps")
PATIENTS = ("/", "/patients", "/patients/faq", "/es/pacientes", "/es/pacientes/preguntas")
FOOT = {
    "en": ("general information, not medical advice", "In an emergency, call 911."),
    "es": ("información general, no consejo médico", "En una emergencia, llame al 911."),
}
UNIT = re.compile(r"(?:[.,]\d|\d)[\d.,]*[ \N{NO-BREAK SPACE}]?(?:mg|mcg|µg|micrograms?|mL|ml)(?![\w/])")
HARMLESS = "Best time to call"  # a field of the consultation
# Values that nobody typed, and marks of our own that were not read.
UNREAD = re.compile(r"\b(?:None|null|nan|undefined|True|False|TODO|CHECK)\b|\[@|\{#|\{\{|\]\(|:::|\[\[")


def every_page(app: Flask, visitor: Visitor) -> list[Page]:
    """Every text and sheet, as a professional sees it, and a plan in both languages."""
    pages = [visitor.open(path) for path in ("/", *app.extensions["library"].pages, *SHEETS)]
    for language in ("en", "es"):
        form = visitor.open("/prescribers/dose-plan").set(schedule="slow-to-3", language=language)
        pages.append(form.press("Make the plan", status=200))
    return pages


@pytest.fixture
def shown(app: Flask, professional: Visitor) -> list[Page]:
    return every_page(app, professional)


def test_every_dose_that_is_shown_is_spelt_in_the_one_way(shown: list[Page]) -> None:
    for page in shown:
        soup = copy(page.soup)
        for place in soup.select("script, style, code, .refs a, q"):
            place.decompose()
        text = soup.get_text(" ")
        assert doses.typeset(text)[1] == [], page.title
        for found in UNIT.findall(text):
            assert doses.NBSP in found, f"{page.title}: {found!r} may break between its number and unit"


def test_nothing_unknown_or_unread_is_shown(shown: list[Page]) -> None:
    for page in shown:
        assert not UNREAD.search(page.text), f"{page.title}: {UNREAD.search(page.text)}"
        for element in page.soup.select("main li, main td, main th, main h2, main p"):
            empty = not element.get_text(strip=True) and not element.select(".write")
            assert not empty or element.find_parent(class_="trap"), f"{page.title}: an empty {element.name}"


def test_the_short_disclaimers_stand_at_the_foot_of_every_page(shown: list[Page]) -> None:
    for page in shown:
        foot = " ".join(page.soup.footer.get_text(" ").split())
        for sentence in FOOT[page.soup.html["lang"]]:
            assert sentence in foot, page.title


def test_every_clinical_page_says_off_label_and_compounded(app: Flask, professional: Visitor) -> None:
    chapters = [page.path for page in app.extensions["library"].chapters("prescribers")]

    for path in (*chapters, *SHEETS):
        text = professional.open(path).text
        assert "off-label" in text, path
        assert re.search(r"[Cc]ompounded medicines are not FDA-approved", text), path


@pytest.mark.parametrize("path", PATIENTS)
def test_every_page_for_patients_warns_of_opioids(path: str, visitor: Visitor) -> None:
    box = visitor.open(path).soup.select_one("main .notice.danger")

    assert box is not None
    assert re.search(
        r"any dose, if you (?:take opioids|use opioid medicines)|ninguna dosis, si toma opioides",
        box.get_text(),
    )


def test_every_form_page_of_this_room_says_nothing_is_kept(professional: Visitor) -> None:
    professional.open("/prescribers/dose-plan").sees("Nothing you choose here is kept")


def test_no_page_before_the_gate_names_a_condition_or_promises(app: Flask, visitor: Visitor) -> None:
    library: Library = app.extensions["library"]
    gated = [path for path, page in library.pages.items() if page.gated]

    for path in (*sorted(ELSEWHERE), *(page.path for page in library.public()), *gated, *SHEETS):
        page = visitor.open(path)
        if page.response.mimetype == "application/pdf":  # set from the same texts; a test of its own reads it
            continue
        assert not words.conditions(page.text), path
        said = page.text.replace(HARMLESS, "")
        assert not words.promises(said, page.soup.html["lang"]), path


def test_a_negative_trial_is_told_as_fully_as_a_positive_one(library: Library) -> None:
    studies = [study for one in library.evidence for study in one.studies]

    def fullness(reading: str) -> float:
        told = [len(study.result.split()) for study in studies if study.reading == reading]
        return sum(told) / len(told)

    assert fullness("no-difference") >= 0.8 * fullness("favors")
    for study in studies:
        if study.reading in ("favors", "no-difference"):
            assert re.search(r"\d|^No |^Nothing |^Better ", study.result), study.name


def people(design: str) -> int:
    found = re.search(r"(\d[\d,]*) (?:women|people|children|enrolled)", design)
    return int(found[1].replace(",", "")) if found else 0


def test_the_larger_trial_stands_before_the_smaller_whatever_it_found(library: Library) -> None:
    for condition in library.evidence:
        sizes = [
            people(study.design)
            for study in condition.studies
            if study.design.startswith("Randomized, placebo-controlled") and study.reading != "waiting"
        ]
        assert sizes == sorted(sizes, reverse=True), condition.id
        assert all(sizes), f"{condition.id}: a trial without its size"


def test_controlled_trials_stand_before_uncontrolled_data_and_cases_last(library: Library) -> None:
    rank = {"uncontrolled": 1, "cases": 2, "no-results": 3}
    ranks = [rank.get(condition.certainty, 0) for condition in library.evidence]

    assert ranks == sorted(ranks)
    assert (
        library.evidence[0].certainty == "larger-negative" and library.evidence[1].certainty == "no-benefit"
    )


def test_a_condition_with_a_negative_trial_says_so_in_its_first_words(library: Library) -> None:
    for condition in library.evidence:
        readings = {study.reading for study in condition.studies}
        if condition.certainty == "favorable-small":
            assert "no-difference" not in readings, condition.id
        if "no-difference" in readings and "favors" in readings:
            assert condition.certainty in ("conflicting", "larger-negative"), condition.id


def test_every_reference_in_use_exists_and_every_one_listed_is_used(library: Library) -> None:
    used = {key for one in library.evidence for study in one.studies for key in study.sources}
    used |= {key for plan in library.schedules for key in plan.sources}
    used |= {cited.work.id for page in library.pages.values() for cited in page.references}

    assert used == set(library.references)


def test_what_was_only_quoted_is_not_told_as_the_labels_own(library: Library) -> None:
    """The statement of the brief that is still to be compared with the current label."""
    safety = library.pages["/prescribers/safety"].text

    assert "we have not seen that line in the tablet’s own label" in safety
    assert "drawn from older product texts at full dose" in safety
