"""What the portal's own texts promise: nothing on a public page that may not stand there, and nothing unread."""

import re

import pytest
from bs4 import BeautifulSoup

from portal.library import markdown, words
from portal.library.pages import Library
from tests.figures import Figure
from tests.library import reading
from tests.library.conftest import FOLDER

ADDRESSES = {
    *("/how-we-work", "/es/como-trabajamos"),
    "/prescribers",
    *(
        f"/prescribers/{name}"
        for name in ("evidence", "dosing", "safety", "compounding", "faq", "references")
    ),
    *("/patients", "/patients/faq", "/es/pacientes", "/es/pacientes/preguntas"),
    *("/links", "/privacy", "/accessibility", "/legal"),
    *("/es/privacidad", "/es/accesibilidad", "/es/aviso-legal"),
}
PATIENTS = {"/patients", "/patients/faq", "/es/pacientes", "/es/pacientes/preguntas"}


def test_every_address_has_its_text(library: Library) -> None:
    assert set(library.pages) == ADDRESSES


def test_exactly_the_pages_for_prescribers_are_gated(library: Library) -> None:
    gated = {path for path, page in library.pages.items() if page.gated}

    assert gated == {path for path in ADDRESSES if path.startswith("/prescribers")}


def test_no_public_page_promises_anything_or_names_a_condition(library: Library) -> None:
    for page in library.public():
        assert not words.promises(page.text, page.language), page.path
        assert not words.conditions(page.text), page.path


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("LDN is safe.", "en"),
        ("It works for many.", "en"),
        ("A natural cure with no side effects", "en"),
        ("clinically proven", "en"),
        ("FDA-approved LDN", "en"),
        ("Es muy eficaz y segura.", "es"),
    ],
)
def test_the_word_list_catches_promises(sentence: str, language: str) -> None:
    assert words.promises(sentence, language)


@pytest.mark.parametrize(
    "words_of_the_brief",
    [
        *(
            "safe",
            "non-toxic",
            "groundbreaking",
            "breakthrough",
            "miracle",
            "proven",
            "clinically proven",
            "cure",
        ),
        *("effective", "works for", "no side effects", "natural", "boosts immunity", "boosting immunity"),
        *(
            "regulates the immune system",
            "regulating the immune system",
            "FDA-approved LDN",
            "generic",
            "same as",
        ),
        *("hope", "pain-free", "opioid alternative", "inexpensive", "cheap", "best", "guarantee"),
    ],
)
def test_each_word_that_may_not_be_printed_is_on_the_list(words_of_the_brief: str) -> None:
    assert words.promises(f"LDN: {words_of_the_brief}.", "en")


@pytest.mark.parametrize(
    "sentence",
    [
        "The FDA does not review their safety, effectiveness or quality.",
        "It has been studied. It may help. Your prescriber decides.",
        "approved for alcohol and opioid use disorders",
        "Efectos secundarios",
    ],
)
def test_the_word_list_lets_honest_words_through(sentence: str) -> None:
    assert not words.promises(sentence, "en") and not words.promises(sentence, "es")
    assert not words.conditions(sentence)


@pytest.mark.parametrize(
    "sentence",
    ["Crohn's disease", "esclerosis múltiple", "Depression", "dolor crónico", "autoimmune", "Long COVID"],
)
def test_the_list_of_conditions_catches_them_in_both_languages(sentence: str) -> None:
    assert words.conditions(sentence)


def test_no_page_for_prescribers_promises_in_its_own_voice(library: Library) -> None:
    """Allowed are what the agency calls misleading, what a compounded drug is not, and California's CURES."""
    allowed = {"/prescribers/compounding": {"safe", "effective", "generic"}, "/prescribers/safety": {"cures"}}
    for path, page in library.pages.items():
        if page.gated:
            assert set(words.promises(page.text, "en")) <= allowed.get(path, set()), path


def test_the_errors_of_the_old_article_do_not_come_back(library: Library) -> None:
    everything = "\n".join(page.text for page in library.pages.values()).replace("\N{NO-BREAK SPACE}", " ")

    for wrong in (
        "200 mg daily",
        "non-toxic",
        "groundbreaking",
        "inexpensive",
        "opiate",
        "dysfunctional immune",
    ):
        assert wrong not in everything


def test_the_negative_trials_are_on_the_first_page_and_lead_the_table(library: Library) -> None:
    cited = {cited.work.id for cited in library.pages["/prescribers"].references}
    assert {"bruun2024", "innova", "bested2023"} <= cited

    first = library.evidence[0]
    assert first.id == "fibromyalgia"
    assert [study.reading for study in first.studies[:2]] == ["no-difference"] * 2


def test_every_work_in_the_bibliography_is_cited_and_may_be(library: Library) -> None:
    cited = {cited.work.id for page in library.pages.values() for cited in page.references}

    assert cited == set(library.references)
    assert all(work.may_be_cited for work in library.references.values())


def test_nothing_unknown_is_printed(library: Library) -> None:
    for page in library.pages.values():
        printed = [page.text, *(c.work.citation for c in page.references)]
        for text in printed:
            assert not re.search(r"\b(?:null|None|TODO|CHECK)\b|\[@|\{#", text), page.path


def test_no_review_is_claimed_that_nobody_signed(library: Library) -> None:
    for page in library.pages.values():
        assert page.review in ("pending", "translation-pending", "none"), page.path
        assert not page.reviewer and page.reviewed_on is None


def test_the_spanish_waits_for_a_translator(library: Library) -> None:
    spanish = [page for page in library.pages.values() if page.language == "es"]

    assert spanish and all(page.review == "translation-pending" for page in spanish)
    assert {page.path for page in spanish} <= {page.path for page in library.unsigned()}
    assert {page.waits_for for page in spanish} == {"pending review by a qualified translator"}


def test_both_languages_have_the_same_layout(library: Library) -> None:
    for page in library.public():
        if page.twin:
            ours = [anchor for anchor, _ in page.contents]
            assert ours == [anchor for anchor, _ in library.pages[page.twin].contents], page.path


@pytest.mark.parametrize("path", sorted(PATIENTS))
def test_a_page_for_patients_begins_with_the_opioid_warning(library: Library, path: str) -> None:
    lead = library.pages[path].lead_html

    assert "opioid" in lead and 'class="notice danger"' in lead


@pytest.mark.parametrize("path", sorted(PATIENTS))
def test_a_page_for_patients_ends_with_the_sign_up(library: Library, path: str) -> None:
    page = library.pages[path]

    assert page.document.links[-1] == ("/newsletter" if page.language == "en" else "/es/boletin")


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/prescribers", ("start", "dose-table", "write", "watch", "summary", "print", "ask")),
        (
            "/prescribers/evidence",
            ("studies", "evidence-table", "mechanism", "mechanism-table", "hypothesis-table"),
        ),
        ("/prescribers/dosing", ("schedule", "steps", "trial-doses", "stopping", "groups")),
        (
            "/prescribers/safety",
            ("contraindications", "opioids", "interactions", "surgery", "liver", "pregnancy"),
        ),
        ("/prescribers/safety", ("adverse-effects", "monitoring", "counseling")),
        ("/prescribers/compounding", ("prescription", "forms", "fillers")),
    ],
)
def test_everything_a_prescriber_needs_has_its_place(
    library: Library, path: str, parts: tuple[str, ...]
) -> None:
    assert set(parts) <= library.pages[path].document.ids


@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("/prescribers/safety", "adverse-table"),
        ("/prescribers/dosing", "trial-dose-table"),
        ("/prescribers/evidence", "evidence-table"),
    ],
)
def test_each_number_of_a_trial_stands_beside_its_source(library: Library, path: str, table: str) -> None:
    soup = BeautifulSoup(library.pages[path].document.html, "html.parser")
    rows = [row for row in soup.select(f"table:has(> #{table}) tr") if row.select("td")]

    assert len(rows) > 5
    for row in rows:
        assert row.select("td:last-child a[href^='#ref-']"), row.get_text(" ")


@pytest.mark.parametrize("path", ["/patients/faq", "/es/pacientes/preguntas"])
def test_patients_find_ten_questions(library: Library, path: str) -> None:
    assert len(library.pages[path].contents) == 10
    assert all(words.endswith("?") for _, words in library.pages[path].contents)


def test_prescribers_find_fifteen_questions(library: Library) -> None:
    assert len(library.pages["/prescribers/faq"].contents) == 15


def test_a_page_for_patients_is_read_in_the_eighth_school_year_or_before(
    library: Library, figure: Figure
) -> None:
    for path in PATIENTS:
        document = library.pages[path].document
        if library.pages[path].language == "en":
            grade = reading.grade(document)
            assert grade <= 8, path
            figure(f"{path}: Flesch-Kincaid grade", round(grade, 1), "of at most 8")
        else:
            ease = reading.ease(document)
            assert ease >= 65, path
            figure(f"{path}: INFLESZ ease", round(ease, 1), "of at least 65")


def test_no_sentence_for_patients_is_long(library: Library) -> None:
    for path in PATIENTS:
        for sentence in reading.sentences(library.pages[path].document):
            assert len(reading.WORD.findall(sentence)) <= 28, f"{path}: {sentence}"


def test_the_trust_stands_first_among_the_links(library: Library) -> None:
    page = library.pages["/links"]

    assert page.contents[0] == ("ldn-research-trust", "LDN Research Trust")
    assert "independent" in page.text and "promotes LDN" in page.text


def test_every_page_for_prescribers_cites_its_sources(library: Library) -> None:
    for page in library.chapters("prescribers"):
        assert page.references or page.bibliography, page.path


def test_summary_lines_are_short(library: Library) -> None:
    html = (
        library.pages["/prescribers"].document.text.split("Summary\n")[1].split("What each chapter holds")[0]
    )
    lines = html.strip().split("\n")

    assert len(lines) == 6, "five points, and where every condition stands"
    assert all(len(line.split()) <= 25 for line in lines), lines


def test_the_source_files_name_no_machine(library: Library) -> None:
    for file in (one for one in FOLDER.rglob("*.*") if one.suffix != ".svg"):  # which name their XML's own
        assert not re.search(r"http://|\d+\.\d+\.\d+\.\d+:\d+", file.read_text("utf-8")), file.name


@pytest.mark.parametrize(
    ("formula", "text", "expected"),
    [
        (reading.grade, "The cat sat on the mat. It was a very good cat.\n", -0.47),
        (reading.ease, "El gato duerme en la casa. Es un gato muy bueno.\n", 110.72),
    ],
)
def test_the_formulae_agree_with_a_count_by_hand(formula: object, text: str, expected: float) -> None:
    assert formula(markdown.parse(text)) == pytest.approx(expected, abs=0.01)  # type: ignore[operator]
