"""The prescribers' guide: accessible, whole, the same bytes each time, and nothing an author writes is code."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import page as page_validation
import pytest
from flask import Flask
from markdown_it.token import Token
from pypdf import PageObject, PdfReader
from pypdf.generic import DictionaryObject

from portal.library import loading
from portal.library.pages import Library
from portal.library.typography import typeset
from portal.ops import checks
from portal.organisation import Organisation
from portal.print import guide, manuscript
from portal.print.guide import Guide, Printed
from tests.figures import Figure
from tests.library.conftest import write_page
from tests.pages import Visitor

# In one group, so that it is printed in one process only.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("guide")]

ADDRESS = "/prescribers/guide.pdf"
BASE_URL = "https://portal.example"
ORG = Organisation(name="Linden Test Pharmacy", phone="925-555-0100")
CHAPTER = {"section": "prescribers", "gated": "yes"}
ROOT = Path(__file__).resolve().parents[2]
ARTICLE = ROOT / "templates" / "resource" / "article.html"
LETTER = (612, 792)  # points
# Whatever Typst could take for its own: code, markup, references, comments, ends of strings.
HOSTILE = (
    r"#panic(1) #{1/0} $x^2$ \u{41} @ref <label> = head // note /* note */ ~ ``x`` -- --- "
    r'"); panic("x #"; [b] {c} \" \\ %%TOKEN%%'
)


@pytest.fixture(scope="module")
def printed(the_app: Flask) -> Printed:
    """The portal's own guide."""
    found = the_app.extensions["guide"].printed(the_app.extensions["library"], wait=60)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def reader(printed: Printed) -> PdfReader:
    """The real guide, opened."""
    return PdfReader(BytesIO(printed.body))


@pytest.fixture(scope="module")
def texts(reader: PdfReader) -> list[str]:
    """What can be read on each page."""
    return [read(one) for one in reader.pages]


@pytest.fixture(scope="module")
def words(texts: list[str]) -> str:
    """Everything that can be read in it."""
    return " ".join(texts)


@pytest.fixture
def small(folder: Path) -> Callable[..., Library]:
    """Loads a guide of one short chapter."""

    def load(body: str = "## One {#one}\n\nWords [@known2020].\n", **front: str) -> Library:
        write_page(folder, body, **{**CHAPTER, **front})
        return loading.load(folder)

    return load


@pytest.fixture
def let_press(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str, date], Printed]], None]:
    """Has something else press from now on, once what other tests have begun is done: that keeps what comes of it."""

    def let(by: Callable[[str, date], Printed]) -> None:
        guide._ONE_AT_A_TIME.submit(int).result(60)
        monkeypatch.setitem(vars(guide), "press", by)

    return let


def read(*pages_of_it: PageObject) -> str:
    """The text of pages, white space folded."""
    text = "\n".join(one.extract_text() for one in pages_of_it)
    return " ".join(text.split())


def squeezed(text: str) -> str:
    """Without white space: an address may go over a line's end."""
    return "".join(text.split())


def failed_rules(body: bytes, tell: Figure | None = None) -> list[str]:
    report = page_validation.validate_pdf_bytes(body, profile=page_validation.ValidationProfile.PDF_UA_1)
    assert report.rules.total > 100
    if tell:
        tell("guide: rules of PDF/UA-1 that failed", len(report.failures), f"of {report.rules.total}")
    return [f"{failure.rule_id}: {failure.message}" for failure in report.failures]


def test_an_independent_checker_finds_no_fault_against_pdf_ua(printed: Printed, figure: Figure) -> None:
    assert failed_rules(printed.body, figure) == []


def test_it_says_its_title_language_and_that_it_is_tagged(reader: PdfReader, library: Library) -> None:
    root = reader.root_object

    assert reader.metadata is not None
    assert reader.metadata.title == library.pages["/prescribers"].title
    assert reader.metadata.author == "Linden Test Pharmacy"
    assert root["/Lang"] == "en-US"
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert "/StructTreeRoot" in root


def test_its_date_is_the_newest_texts(reader: PdfReader, library: Library, printed: Printed) -> None:
    newest = max(chapter.updated_on for chapter in library.chapters("prescribers"))

    assert printed.changed_on == newest
    assert reader.metadata is not None and reader.metadata.creation_date is not None
    assert reader.metadata.creation_date.date() == newest


def test_its_pages_are_letter_size_and_as_many_as_we_say(
    reader: PdfReader, printed: Printed, figure: Figure
) -> None:
    assert len(reader.pages) == printed.pages
    figure("guide", len(reader.pages), "letter pages")
    assert {(float(one.mediabox.width), float(one.mediabox.height)) for one in reader.pages} == {LETTER}


def test_every_page_has_its_number(texts: list[str]) -> None:
    assert all(f"Page {number} of {len(texts)}" in text for number, text in enumerate(texts, 1))


def test_every_font_is_embedded(reader: PdfReader) -> None:
    fonts: dict[str, DictionaryObject] = {}
    for one in reader.pages:
        for font in one["/Resources"].get("/Font", {}).values():
            fonts[font.get_object()["/BaseFont"]] = font.get_object()

    assert fonts
    for name, font in fonts.items():
        inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
        assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(inner["/FontDescriptor"]), name


def test_its_bookmarks_lead_to_every_chapter_and_section(reader: PdfReader, library: Library) -> None:
    def titles(outline: list) -> list[str]:
        return [
            title
            for entry in outline
            for title in (titles(entry) if isinstance(entry, list) else [entry.title])
        ]

    marked = titles(reader.outline)

    first, *others = library.chapters("prescribers")
    assert marked[:2] == ["Check before you prescribe", first.short]
    for chapter in others:
        assert chapter.title in marked
    for chapter in library.chapters("prescribers"):
        printed = {section for key, section in chapter.contents if key not in manuscript.ON_THE_WEB}
        assert printed <= set(marked)


def test_the_list_of_contents_tells_the_pages_the_bookmarks_lead_to(
    reader: PdfReader, texts: list[str]
) -> None:
    chapters = [entry for entry in reader.outline if not isinstance(entry, list)][1:]

    assert len(chapters) > 7
    for entry in chapters:
        place = (reader.get_destination_page_number(entry) or 0) + 1
        assert re.search(rf"{re.escape(entry.title)} [. ]*{place}(?!\d)", texts[1]), entry.title
        assert entry.title in texts[place - 1] or place == 1  # the first one's head is the guide's title


def test_the_safety_box_stands_first(texts: list[str]) -> None:
    first = texts[0]

    assert "Any opioid, at any dose: do not start." in first
    assert first.index("Check before you prescribe") < first.index("Can I start this patient?")


def test_page_1_decides_and_the_guide_stays_a_leaflet(texts: list[str]) -> None:
    """Start, dose, what to write, what to watch, on one page; at most 20 pages, the code on the back."""
    for words in (
        "Can I start this patient?",
        "Quantity: 126 capsules (56 days)",
        "Upper limit",
        "Hold: 3 to 4 days",
    ):
        assert words in texts[0].replace("\N{NO-BREAK SPACE}", " "), words
    assert len(texts) <= 20
    assert "On the web http://localhost:8000/prescribers" in texts[-1]


def test_the_numbers_of_notes_do_not_run_into_words(reader: PdfReader) -> None:
    """A reader who copies `placebo` and its note must not get `placebo24`, nor `4.5 mg24`."""
    for one in reader.pages:
        text = one.extract_text(extraction_mode="plain")
        assert not re.search(r"(?:mg|placebo|benefit on pain)\d", text), re.findall(r"\S*mg\d\S*", text)


def test_the_works_of_a_point_stand_in_the_margin_beside_it(
    texts: list[str], small: Callable[..., Library]
) -> None:
    body = "## One {#one}\n\nNo source.\n\n- A point [@known2020].\n- Another.\n"
    made = manuscript.source(small(body), ORG, BASE_URL).partition('#chapter("references"')[0]
    beside = re.findall(r"noted\(.*?, (\(\)|\(\(.*?\), \))[,)]", made)

    assert beside[0] == "()"  # the paragraph's
    assert '("1", "J Known 2020", "trial"' in beside[1]
    assert beside[2] == "()"

    said = next(text for text in texts if "All 13 guidelines in a 2024 review advise" in text)
    number = re.search(r"whatever the dose, indication or route\s*(\d+)", said)
    assert number and f"{number[1]} Goel 2024, scoping review" in said.replace("\N{NO-BREAK SPACE}", " ")


def test_nothing_of_the_chapters_is_left_out(reader: PdfReader, library: Library) -> None:
    first, *others = [one.extract_text().partition(manuscript.FOR_WHOM)[0] for one in reader.pages]
    flowing = [
        first,
        *(text.partition("\n")[2] for text in others),
    ]  # a sentence may go over a page's foot and head
    printed = squeezed("".join(flowing))
    printed += squeezed(
        library.pages["/prescribers"].document.text[-1700:]
    )  # what leads around the web pages
    for chapter in library.chapters("prescribers"):
        assert (
            squeezed(chapter.description.replace("\N{NO-BREAK SPACE}", " ")) in printed or chapter.order == 1
        )
        for token in chapter.document.tokens:
            for child in token.children or ():
                if child.type == "text":
                    assert squeezed(child.content) in printed, child.content


def test_every_study_stands_in_the_table(words: str, library: Library) -> None:
    printed = squeezed(words)
    for condition in library.evidence:
        assert squeezed(typeset(condition.name)[0]) in printed
        for study in condition.studies:
            assert (
                squeezed(typeset(study.name)[0]) in printed and squeezed(typeset(study.result)[0]) in printed
            )


def test_every_work_cited_is_listed_once_with_where_to_find_it(reader: PdfReader, library: Library) -> None:
    above = re.compile(r"\A(?:\d\n)?[^\n]*\n")  # the thumb index and the running head
    bare = [above.sub("", one.extract_text().partition(manuscript.FOR_WHOM)[0]) for one in reader.pages]
    words = " ".join(" ".join(bare).split())
    listed = squeezed(words[words.rindex("All references", 0, words.rindex("What changed")) :])
    works = {cited.work for chapter in library.chapters("prescribers") for cited in chapter.references}

    assert len(works) > 40
    for work in works:
        assert listed.count(squeezed(work.citation)) == 1, work.id
        assert squeezed(
            work.doi if work.known("doi") else work.address.removeprefix("https://")
        ) in listed or (work.place in words)


def test_links_of_the_web_lead_to_the_web_and_others_into_the_guide(
    reader: PdfReader, library: Library
) -> None:
    addresses, inner = set(), 0
    for one in reader.pages:
        for annotation in one.get("/Annots", ()):
            action = annotation.get_object().get("/A", {})
            if "/URI" in action:
                addresses.add(action["/URI"])
            else:
                inner += 1

    ours = {address for address in addresses if address.startswith("http://localhost:8000/")}
    assert "http://localhost:8000/requests/consultation" in ours
    assert not [
        address
        for address in ours
        if (page := library.pages.get(urlsplit(address).path))
        and page.gated
        and not address.endswith("/prescribers")
    ]
    assert all(address.startswith(("https://", "tel:")) for address in addresses - ours)
    assert inner > 200


def test_a_draft_says_so_and_a_signed_text_says_by_whom(library: Library) -> None:
    signed = replace(
        library.pages["/prescribers"], review="signed", reviewer="A. Reviewer", reviewed_on=date(2026, 12, 1)
    )
    drafts = [replace(signed, review="pending", reviewed_on=None)]

    assert manuscript.review([signed, *drafts]).startswith(manuscript.DRAFT)
    assert manuscript.review([signed]).startswith("Reviewed December 1, 2026 by A. Reviewer. Last changed")


def test_the_pages_of_the_web_and_the_guide_warn_in_the_same_words() -> None:
    article = ARTICLE.read_text("utf-8")

    assert manuscript.NOT_SIGNED in article
    assert manuscript.OFF_LABEL in article


def test_facts_that_are_not_known_are_left_out(small: Callable[..., Library]) -> None:
    made = manuscript.source(small(), ORG, BASE_URL)

    facts = made[made.index("#back(") :].partition("\n")[0]
    assert "925-555-0100" in facts and "Telephone" in facts
    assert not [word for word in ("Fax", "license", "Pharmacist-in-charge", "Open") if f'"{word}' in facts]


def test_the_same_texts_give_the_same_bytes(small: Callable[..., Library]) -> None:
    made = manuscript.source(small(), ORG, BASE_URL)

    assert guide.press(made, date(2026, 1, 15)).body == guide.press(made, date(2026, 1, 15)).body


def test_what_an_author_writes_is_never_code(folder: Path) -> None:
    plain = HOSTILE.replace("[b]", "(b)")  # brackets would be Markdown's
    escaped = re.sub(r"([\\`*_{}<>\[\]#~|@:/\"])", r"\\\1", plain)
    body = (
        f"## {escaped} {{#one}}\n\n::: warning {escaped}\n{escaped}\n:::\n\n**{escaped}**\n\n- {escaped}\n\n"
        f"Table: {escaped} {{#two}}\n\n| {escaped} |\n|---|\n| {escaped} |\n\n```` {plain} ````\n"
    )
    write_page(folder, body, **CHAPTER)
    library = loading.load(folder)
    (chapter,) = library.pages.values()
    library = replace(library, pages={chapter.path: replace(chapter, title=plain, description=plain)})
    org = Organisation(name=plain, address=plain)

    printed = guide.press(manuscript.source(library, org, f"{BASE_URL}/{plain}"), date(2026, 1, 15))

    found = squeezed(read(*PdfReader(BytesIO(printed.body)).pages))
    assert found.count(squeezed(plain)) >= 9
    assert failed_rules(printed.body) == []


@pytest.mark.parametrize("place", ["block", "word"])
def test_a_token_nobody_taught_the_guide_is_refused(small: Callable[..., Library], place: str) -> None:
    library = small()
    (chapter,) = library.pages.values()
    strange = Token("blink", "blink", 0)
    tokens = list(chapter.document.tokens)
    if place == "block":
        tokens.append(strange)
    else:
        tokens[-2].children.append(strange)
    broken = replace(chapter, document=replace(chapter.document, tokens=tuple(tokens)))

    with pytest.raises(ValueError, match="blink"):
        manuscript.source(replace(library, pages={chapter.path: broken}), ORG, BASE_URL)


def test_a_letter_no_font_has_is_refused_with_the_text_it_stands_in(small: Callable[..., Library]) -> None:
    library = small("## One {#one}\n\nA word, 中.\n")

    with pytest.raises(guide.GuideError, match=r"page\.md, line 4 of the text: .*中"):
        guide.press(manuscript.source(library, ORG, BASE_URL), date(2026, 1, 15))


def test_a_changed_text_gives_another_guide_and_the_old_one_goes(
    small: Callable[..., Library], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    made = Guide(cache, ORG, BASE_URL)

    before = made.printed(small(), wait=30)
    after = made.printed(small("## One {#one}\n\nOther words.\n", updated_on="2026-02-20"), wait=30)

    assert before is not None and after is not None
    assert "Other words." in read(*PdfReader(BytesIO(after.body)).pages)
    assert after.body != before.body
    assert after.facts.startswith("PDF, 3 pages, ") and after.facts.endswith(" KB, Feb 20, 2026")
    (kept,) = cache.iterdir()
    assert kept.read_bytes() == after.body and kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("size", [0, 4000])
def test_what_a_power_cut_left_of_a_guide_is_made_anew(
    small: Callable[..., Library], tmp_path: Path, size: int
) -> None:
    library, cache = small(), tmp_path / "cache"
    before = Guide(cache, ORG, BASE_URL).printed(library, wait=30)
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:size])

    after = Guide(cache, ORG, BASE_URL).printed(library, wait=30)

    assert before is not None and after is not None
    assert kept.read_bytes() == after.body == before.body


def test_a_guide_that_was_made_before_is_not_made_again(
    small: Callable[..., Library], tmp_path: Path, let_press: Callable[..., None]
) -> None:
    library = small()
    first = Guide(tmp_path / "cache", ORG, BASE_URL).printed(library, wait=30)

    let_press(lambda source, on: pytest.fail("it was pressed again"))
    again = Guide(tmp_path / "cache", ORG, BASE_URL)

    assert again.printed(library, wait=30) == first is not None


def test_a_guide_that_cannot_be_made_is_tried_again_later(
    small: Callable[..., Library],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    let_press: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    library, tries = small(), []

    def press(source: str, on: date) -> Printed:
        tries.append(on)
        if len(tries) < 2:
            raise guide.GuideError("page.md: no")
        return Printed(b"%PDF", 1, on)

    let_press(press)
    made = Guide(tmp_path / "cache", ORG, BASE_URL)

    with caplog.at_level(logging.ERROR):
        assert made.printed(library, wait=30) is None
        assert made.printed(library, wait=30) is None
    assert len(tries) == 1
    assert made.fault == "page.md: no" and "the guide could not be made" in caplog.text
    monkeypatch.setattr(made, "_try_again_at", 0.0)
    assert made.printed(library, wait=30) == Printed(b"%PDF", 1, date(2026, 1, 15))


def test_the_page_links_to_a_guide_in_the_making_without_its_size_and_is_not_kept_so(
    app: Flask, visitor: Visitor, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.open("/prescribers").press("I am a health professional: continue")
    app.extensions["ready"].drop()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Guide, "prepare", lambda self, library: Future())
        page = visitor.open("/prescribers")

    assert page.soup.select_one(f"main a[href='{ADDRESS}']").get_text(strip=True) == "Get the guide (PDF)"
    visitor.open("/prescribers").sees(f"Get the guide ({printed.facts})")


def test_changed_texts_set_the_press_going_before_anybody_asks(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(Guide, "prepare", lambda self, library: asked.append(library))
    monkeypatch.setitem(
        app.extensions, "library", app.extensions["library"]
    )  # put back what the change replaces
    layer = app.extensions["ready"]
    monkeypatch.setattr(layer, "_seen", layer._seen)
    monkeypatch.setattr(layer, "_stamp", lambda: "other")
    monkeypatch.setattr(layer, "_next_look", 0.0)

    visitor.open("/patients")

    assert asked == [app.extensions["library"]] * (1 + len(app.extensions["leaflets"]))


STARTS = "import time, wsgi; wsgi.front.__rsgi_init__(None); time.sleep(2)"


@pytest.mark.parametrize(
    ("arguments", "is_made"),
    [(["-c", STARTS], True), (["-m", "flask", "npi", "check", "1234567893"], False)],
)
def test_a_server_begins_the_guide_at_its_start_and_a_command_does_not(
    arguments: list[str], is_made: bool, settings: dict[str, str], tmp_path: Path
) -> None:
    env = {**os.environ, **settings, "INSTANCE_DIR": str(tmp_path)}

    subprocess.run([sys.executable, *arguments], env=env, cwd=ROOT, capture_output=True, check=True)

    assert bool(list(tmp_path.glob("cache/guide-*.pdf"))) is is_made


def test_nobody_waits_longer_than_they_said(
    small: Callable[..., Library], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Guide(tmp_path / "cache", ORG, BASE_URL)

    assert made.printed(small(), wait=0) is None


def test_a_stranger_is_shown_the_gate_and_then_gets_the_guide(visitor: Visitor) -> None:
    shown = visitor.open(ADDRESS)
    assert shown.title == "For health professionals"
    assert b"%PDF" not in shown.response.data

    got = shown.press("I am a health professional: continue").response

    assert got.request.path == ADDRESS
    assert got.mimetype == "application/pdf" and got.data.startswith(b"%PDF-1.7")
    assert got.headers["Content-Disposition"] == 'inline; filename="ldn-prescriber-guide.pdf"'
    assert got.headers["Cache-Control"] == "private, no-cache"
    assert got.headers["X-Robots-Tag"] == "noindex"
    again = visitor.get(ADDRESS, headers={"If-None-Match": got.headers["ETag"]})
    assert again.status_code == 304 and not again.data


def test_the_resource_page_links_to_the_guide_with_its_size_and_date(app: Flask, visitor: Visitor) -> None:
    body = visitor.open(ADDRESS).press("I am a health professional: continue").response.data
    app.extensions["ready"].drop()

    page = visitor.open("/prescribers")

    link = page.soup.select_one(f"main a[href='{ADDRESS}']").get_text(strip=True)
    pages_of_it = len(PdfReader(BytesIO(body)).pages)
    assert link.startswith(f"Get the guide (PDF, {pages_of_it} pages, {round(len(body) / 1000)} KB, ")
    assert "guide.pdf" not in visitor.open("/prescribers/dosing").text


def test_without_a_guide_the_page_promises_none_and_its_address_says_when_to_come_back(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.open("/prescribers").press("I am a health professional: continue")
    app.extensions["ready"].drop()
    failed: Future[Printed] = Future()
    failed.set_exception(guide.GuideError("no"))
    monkeypatch.setattr(app.extensions["guide"], "_making", failed)
    monkeypatch.setattr(Guide, "prepare", lambda self, library: self._making)

    assert not visitor.open("/prescribers").soup.select(f"a[href='{ADDRESS}']")
    answer = visitor.get(ADDRESS)
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    monkeypatch.undo()
    assert visitor.open("/prescribers").soup.select(f"a[href='{ADDRESS}']"), (
        "it was not kept without the link"
    )


def test_the_doctor_makes_the_guide_or_says_why_it_cannot(
    app: Flask, printed: Printed, let_press: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        assert (checks.guide().ok, checks.guide().detail) == (True, printed.facts)

        def fail(source: str, on: date) -> Printed:
            raise guide.GuideError("page.md, line 4 of the text: no")

        let_press(fail)
        monkeypatch.setitem(app.extensions, "guide", Guide(Path("/nowhere"), ORG, BASE_URL))
        found = checks.guide()

    assert (found.ok, found.detail) == (False, "page.md, line 4 of the text: no")
    assert found.remedy and not found.serving


def test_the_web_process_never_loads_the_press(printed: Printed) -> None:
    assert "typst" not in sys.modules
