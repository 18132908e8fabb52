"""What a prescriber prints or sees first, measured in a real browser: one page is one page, the answer is in view."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader

from portal.library import doses
from tests.figures import Figure
from tests.journeys.conftest import Person
from tests.live import Live
from tests.stage import has_focus

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

GATE = "I am a health professional: continue"
PLANS = ("weekly-to-4-5", "monthly-to-2", "slow-to-3")
SPARE = 24  # CSS pixels: a line that another machine's letters may need
IN_VIEW = 800  # CSS pixels from the top, at 1280 wide
PHONE = 844  # CSS pixels, with 390 across
BOTTOM = "one => one.getBoundingClientRect().bottom + scrollY"
LETTER = (612, 792)  # points
LONG_NAME = "Contra Costa and Tri-Valley Compounding and Wellness Pharmacy"
SIGNED = (
    "Reviewed November 28, 2026 by Maximiliana Featherstonehaugh, PharmD, RPh (California RPH 54321). "
    "Next review by May 28, 2027. Last changed November 27, 2026."
)
LONG_FACTS = f"{LONG_NAME}, 925-555-0100. https://prescribers.contracostacompounding.example/prescribers"


@pytest.fixture
def professional(person: Callable[..., Person]) -> Person:
    """A prescriber at a desk, past the gate."""
    return person().open("/prescribers").press(GATE)


def printed(person: Person) -> list[str]:
    """What Chromium prints, with nothing changed in its dialog: the text of each page."""
    pages = PdfReader(io.BytesIO(person.page.pdf(format="Letter", prefer_css_page_size=True))).pages
    assert all((page.mediabox.width, page.mediabox.height) == LETTER for page in pages)
    return [" ".join(page.extract_text().split()) for page in pages]


def test_the_summary_is_one_page(professional: Person, portal: Live, figure: Figure) -> None:
    pages = printed(professional.open("/prescribers/summary").check())

    assert len(pages) == 1, [page[:80] for page in pages]
    figure("one-page summary", len(pages), "letter page")
    for words in ("Do not start", "Interactions", "Monitoring", f"{portal.base}/prescribers", "NCT04739995"):
        assert words in pages[0], f"{words!r} is not in: {pages[0]}"
    assert "Back to the overview" not in pages[0] and "Ask a pharmacist" not in pages[0]


def test_the_summary_has_room_for_long_facts_and_wider_letters(professional: Person) -> None:
    """Other pharmacies have longer names, two reviewers sign, and no two machines set a line alike."""
    professional.open("/prescribers/summary")
    professional.page.evaluate(
        """([facts, signed]) => {
            document.querySelector(".only-print").textContent = facts;
            document.querySelector(".tag").nextSibling.textContent = signed;
            document.documentElement.style.letterSpacing = ".02em";
        }""",
        [LONG_FACTS, SIGNED],
    )

    assert len(printed(professional)) == 1


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("plan", PLANS)
def test_a_dose_plan_is_one_page_in_large_print(
    plan: str, language: str, professional: Person, figure: Figure
) -> None:
    professional.open("/prescribers/dose-plan")
    professional.page.locator(f"input[value='{plan}']").check()
    professional.page.locator(f"input[value='{language}']").check()
    professional.press("Make the plan").page.wait_for_selector("body.plan")
    professional.check().page.emulate_media(media="print")
    sizes = professional.page.evaluate(
        "['main td strong', 'main li'].map(one => getComputedStyle(document.querySelector(one)).fontSize)"
    )
    professional.page.evaluate(
        "name => document.querySelector('.tel').parentElement.prepend(name)", f"{LONG_NAME}. "
    )

    pages = printed(professional)

    assert len(pages) == 1, [page[:80] for page in pages]
    figure("dose plan, the longest of three in two languages", len(pages), "letter page")
    dose, words = (float(size.removesuffix("px")) * 72 / 96 for size in sizes)
    assert dose >= 15.99 and words >= 13.99, "16 points for the doses, 14 for the rest"
    for words in ("911", "925-555-0100", "opioid"):
        assert words in pages[0]
    assert "Make another plan" not in pages[0]
    assert professional.page.url.endswith("/prescribers/dose-plan"), "nothing of the choice is in the address"


def test_the_whole_resource_is_at_most_eight_pages(professional: Person) -> None:
    assert len(printed(professional.open("/prescribers"))) <= 8


def test_a_fault_in_the_plan_takes_the_focus_and_keeps_what_was_typed(professional: Person) -> None:
    professional.open("/prescribers/dose-plan").type("Day of the first dose", "tomorrow").press(
        "Make the plan"
    )

    has_focus(professional.page, "#errors")
    assert professional.page.get_by_label("Day of the first dose").input_value() == "tomorrow"
    professional.check()


def test_the_answer_for_a_patient_in_the_room_is_in_view(professional: Person, figure: Figure) -> None:
    """Can I start this patient, and at what dose?"""
    box = professional.page.locator(".head .notice")
    bottom = box.evaluate("box => box.getBoundingClientRect().bottom + scrollY")

    assert bottom <= IN_VIEW - SPARE
    figure("overview: where the answer ends, at 1280 px wide", round(bottom), f"px of at most {IN_VIEW}")
    text = box.inner_text().replace(doses.NBSP, " ")
    professional.page.evaluate(
        """([name, signed]) => {
            document.querySelector(".brand span").textContent = name;
            document.querySelector(".dates").textContent = signed;
        }""",
        [LONG_NAME, SIGNED],
    )
    dose = box.locator("li").nth(1)  # after who may start at all
    bottom = dose.evaluate("line => line.getBoundingClientRect().bottom + scrollY")
    assert bottom <= IN_VIEW, "under a long name, of a text that is signed"
    for words in ("do not start", "7 to 10 days", "0.5 to 1.5 mg once a day", "3 to 4.5 mg", "week 8 to 12"):
        assert words in text


@pytest.mark.parametrize("width", [320, 1280])
def test_one_condition_is_shown_alone(width: int, person: Callable[..., Person]) -> None:
    reader = (
        person(width=width, scripts=False).open("/prescribers/evidence?condition=fibromyalgia").press(GATE)
    )

    assert reader.page.url.endswith("/prescribers/evidence?condition=fibromyalgia")
    reader.sees("FINAL 2024", "Younger 2013")
    assert reader.page.locator("th[scope=rowgroup]").count() == 1
    reader.follow("All conditions")
    assert reader.page.locator("th[scope=rowgroup]").count() > 10


def test_a_phone_answers_the_four_questions_in_two_taps_and_two_screens(
    person: Callable[..., Person], figure: Figure
) -> None:
    """May I start, the first dose, what to write, how many days before surgery: from the front page on."""
    phone = person(width=390)
    phone.page.set_viewport_size({"width": 390, "height": PHONE})
    phone.open("/")
    way_in = phone.page.get_by_role("main").get_by_role("link", name="For prescribers").first
    assert way_in.evaluate(BOTTOM) <= PHONE, "the way in is on the first screen"
    way_in.click()
    phone.press(GATE)  # the second tap, and the last
    lines = phone.page.locator(".head .notice li")
    ends = {
        "may I start": lines.filter(has_text="do not start").evaluate(BOTTOM),
        "the first dose": lines.filter(has_text="once a day").evaluate(BOTTOM),
        "what to write": lines.filter(has_text="Write this").evaluate(BOTTOM),
        "days before surgery": lines.filter(has_text="before surgery").evaluate(BOTTOM),
    }

    screens = {question: -(-round(end) // PHONE) for question, end in ends.items()}
    assert screens == {
        "may I start": 1,
        "the first dose": 1,
        "what to write": 1,
        "days before surgery": 2,
    }, ends
    figure("four answers on a phone, from the front page", 2, "taps")
    figure(
        "four answers on a phone: where the last of them ends",
        round(max(ends.values())),
        f"px, {PHONE} a screen",
    )


def test_a_number_leads_to_its_reference_though_it_was_not_laid_out_yet(
    person: Callable[..., Person],
) -> None:
    reader = person(width=390).open("/prescribers").press(GATE).open("/prescribers/evidence")
    reader.page.emulate_media(reduced_motion="no-preference")
    last = reader.page.locator(".refs li").last
    for reference in (last, reader.page.locator(".refs li").nth(20), last):
        number = reader.page.locator(f"main a[href='#{reference.get_attribute('id')}']").first
        number.evaluate("link => link.click()")
        expect(reference).to_be_in_viewport(ratio=0.9)
    words = last.inner_text().split(".")[0]
    assert words in " ".join(printed(reader)), "what was never in view is printed too"
