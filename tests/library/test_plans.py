"""A dose plan: only what somebody wrote down, on the right days, in figures and words, about nobody."""

from copy import copy
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from flask import Flask

from portal.library import plans, words
from portal.library.pages import Library
from portal.library.plans import Schedule, Step
from tests import pages
from tests.library import reading
from tests.pages import Page, Visitor

ENTRY = """
- id: slow
  name: 1 mg, then 2 mg
  level: study
  note: As in a study.
  sources: [known2020]
  steps:
    - {dose: 1 mg, for: 2 weeks}
    - {dose: 2 mg}
"""
PAGE = "/prescribers/dose-plan"


def schedule(*steps: Step) -> Schedule:
    return Schedule(id="x", name="X", level="practice", note="", sources=(), steps=steps)


def days(found: tuple[plans.Line, ...]) -> list[tuple[date, date | None]]:
    return [(line.first, line.last) for line in found]


def test_weeks_follow_each_other_without_a_gap() -> None:
    plan = schedule(Step("1.5 mg", 1, "week"), Step("3 mg", 2, "week"), Step("4.5 mg"))

    assert days(plans.work_out(plan, date(2026, 12, 28))) == [
        (date(2026, 12, 28), date(2027, 1, 3)),
        (date(2027, 1, 4), date(2027, 1, 17)),
        (date(2027, 1, 18), None),
    ]


def test_a_month_is_a_calendar_month_and_never_runs_over_its_end() -> None:
    plan = schedule(Step("1 mg", 1, "month"), Step("1.5 mg", 1, "month"), Step("2 mg"))

    assert days(plans.work_out(plan, date(2026, 1, 31))) == [
        (date(2026, 1, 31), date(2026, 2, 27)),
        (date(2026, 2, 28), date(2026, 3, 30)),
        (date(2026, 3, 31), None),
    ]
    assert plans.work_out(plan, date(2028, 1, 31))[1].first == date(2028, 2, 29)


def test_every_day_has_exactly_one_dose_whatever_the_start(library: Library) -> None:
    for plan in library.schedules:
        for ordinal in range(date(2027, 12, 1).toordinal(), date(2028, 4, 1).toordinal()):
            lines = plans.work_out(plan, date.fromordinal(ordinal))
            assert lines[0].first.toordinal() == ordinal and lines[-1].last is None
            for before, after in zip(lines, lines[1:], strict=False):
                assert before.last and before.first <= before.last
                assert after.first.toordinal() == before.last.toordinal() + 1


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        *(("2026-01-19", 19), ("2026-1-9", 9), (" 1/19/2026 ", 19), ("01/09/2026", 9)),
        *(("1-19-2026", 19), ("1.19.2026", 19), ("1/ 19 /2026", 19), ("1\u200d/19/2026\u00a0", 19)),
    ],
)
def test_a_day_is_read_as_people_type_it(typed: str, day: int) -> None:
    assert plans.read_day(typed) == date(2026, 1, day)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        *((typed, "as month/day/year, like 1/19/2027") for typed in ("", "soon", "1/19", "２０２６-01-19x")),
        ("1/19/27", "the year with four figures, like 1/19/2027"),
        ("2/3/09", "like 2/3/2009"),
        ("12/1/202", "the year with four figures, like 1/19/2027"),
        ("12/1/99999", "the year with four figures"),
        ("2/29/2027", "There is no day 29 in February 2027"),
        ("2026-02-30", "There is no day 30 in February 2026"),
        ("4/31/2026", "There is no day 31 in April 2026"),
        ("1/0/2026", "There is no day 0 in January 2026"),
        ("19/1/2027", "There is no month 19; write the month first, like 1/19/2027"),
        ("13/45/2027", "There is no month 13"),
        ("0/1/2027", "There is no month 0"),
    ],
)
def test_what_is_no_day_is_refused_with_the_reason(typed: str, words: str) -> None:
    with pytest.raises(plans.NoDay) as refused:
        plans.read_day(typed)

    assert words in str(refused.value)


def test_the_first_day_offered_is_the_next_monday() -> None:
    assert plans.next_monday(date(2026, 1, 15)) == date(2026, 1, 19)
    assert plans.next_monday(date(2026, 1, 19)) == date(2026, 1, 26)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("id: slow", "id: Slow One", "the id 'Slow One' is malformed"),
        ("study", "sure", "level must be one of"),
        ("[known2020]", "[]", "only usual practice may go without a source"),
        ("for: 2 weeks", "for: a while", "'a while' is no length"),
        ("dose: 2 mg", "dose: 2.0 mg", "the dose '2.0 mg' has no words"),
        ("dose: 1 mg, for: 2 weeks", "dose: 1 mg", "every step but the last says how long it lasts"),
        ("  note: As in a study.\n", "", "note is missing"),
        ("As in a study.", "To .5 mg.", "write the nought before the point"),
    ],
)
def test_a_faulty_schedule_is_named(tmp_path: Path, old: str, new: str, fault: str) -> None:
    file = tmp_path / "schedules.yaml"
    file.write_text(ENTRY.replace(old, new), "utf-8")

    _, faults = plans.load(file)

    assert len(faults) == 1 and fault in faults[0]


def test_a_folder_without_schedules_has_none_and_an_empty_file_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "schedules.yaml"
    assert plans.load(file) == ((), [])

    file.write_text("{}", "utf-8")
    assert plans.load(file)[1] == ["schedules.yaml: holds no list of schedules"]


def test_the_table_of_steps_says_when_how_much_and_whence() -> None:
    steps = (Step("1 mg", 1, "week"), Step("2 mg", 2, "week"), Step("3 mg", 4, "week"), Step("4 mg"))
    plan = Schedule(id="x", name="X", level="trial", note="Note.", sources=("a1",), steps=steps)

    group = plans.grid((plan,)).groups[0]

    assert group.detail == "Steps of a registered placebo-controlled trial. Note. [@a1]"
    assert [row[0] for row in group.rows] == ["Week 1", "Weeks 2 and 3", "Weeks 4 to 7", "From week 8"]
    months = Schedule(**{**vars(plan), "steps": (Step("1 mg", 1, "month"), Step("2 mg"))})
    assert [row[0] for row in plans.grid((months,)).groups[0].rows] == ["Month 1", "From month 2"]


def test_every_schedule_is_printed_in_the_dosing_chapter_with_its_source(library: Library) -> None:
    chapter = library.pages["/prescribers/dosing"]
    cited = {cited.work.id for cited in chapter.references}

    assert {f"plan-{plan.id}" for plan in library.schedules} <= chapter.document.ids
    for plan in library.schedules:
        assert set(plan.sources) <= cited
        assert plan.name in chapter.text and plans.LEVELS[plan.level] in chapter.text


def test_no_schedule_leaves_the_doses_of_usual_practice(library: Library) -> None:
    for plan in library.schedules:
        amounts = [float(step.dose.removesuffix(" mg")) for step in plan.steps]
        assert amounts == sorted(amounts), plan.id
        assert 0.5 <= amounts[0] <= 1.5 and amounts[-1] <= 4.5, plan.id
        assert all(after - before <= 1.5 for before, after in zip(amounts, amounts[1:], strict=False))


# The page


def make(visitor: Visitor, **fields: str) -> Page:
    page = visitor.open(PAGE).set(**{"schedule": "weekly-to-4-5", **fields})
    return page.press("Make the plan", follow=False)


def test_the_form_names_each_source_and_offers_next_monday(professional: Visitor) -> None:
    page = professional.open(PAGE)

    page.sees("NCT04678895", "Brain Behav Immun Health 2022", "Usual practice; no trial has tested it")
    page.sees("Not yet signed by the pharmacist-in-charge", "Compounded medicines are not FDA-approved")
    assert page.soup.find("input", {"name": "start"})["value"] == "1/19/2026"
    names = {control["name"] for control in page.soup.select("main form [name]")}
    assert names == {"schedule", "start", "language", "csrf_token", "form_token", "office_code"}


def test_a_plan_has_its_days_its_doses_twice_and_lines_to_write_on(professional: Visitor) -> None:
    page = make(professional, start="2026-01-19")

    assert (page.status, page.title) == (200, "Your dose plan")
    page.sees("Mon, Jan 19 to Sun, Jan 25", "1.5 mg (one and a half milligrams)")
    page.sees("Mon, Jan 26 to Sun, Feb 1", "3 mg (three milligrams)")
    page.sees("From Mon, Feb 2, until your next visit", "4.5 mg (four and a half milligrams)")
    page.sees("First dose: January 19, 2026", "If you miss a dose, skip it. Do not take two.")
    page.sees("Linden Test Pharmacy", "925-555-0100", "In an emergency, call 911")
    assert len(page.soup.select(".write")) == 8, (
        "name, time, strength, how many for each step, visit, prescriber"
    )
    assert "opioid" in page.soup.select_one(".notice.danger").get_text()
    before = page.soup.select_one(".notice.danger").find_all_previous(["p", "table"])
    assert not [p for p in before if p.find_parent("main") and "back" not in p.get("class", [])]


def test_a_plan_in_spanish_has_the_same_layout(professional: Visitor) -> None:
    english, spanish = make(professional), make(professional, language="es")

    assert spanish.soup.html["lang"] == "es" and spanish.title == "Su plan de dosis"
    spanish.sees(
        "Del lunes 19 al domingo 25 de enero", "1.5 mg (un miligramo y medio)", "911", "925-555-0100"
    )
    spanish.sees("No tome opioides con esta medicina", "19 de enero de 2026")

    def shape(page: Page) -> list[str]:
        return [
            element.name for element in page.soup.main.find_all(True) if element.name not in ("svg", "path")
        ]

    assert shape(english) == shape(spanish)


@pytest.mark.parametrize("plan", ["weekly-to-4-5", "monthly-to-2", "slow-to-3"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_a_plan_is_plain_names_no_condition_and_promises_nothing(
    plan: str, language: str, professional: Visitor
) -> None:
    page = make(professional, schedule=plan, language=language)
    main = copy(page.soup.main)
    for part in main.select("[lang], table, h1"):
        part.decompose()
    text = pages.words(main)
    lines = [line for element in main.select("p, li") for line in reading.split(element.get_text(" "))]

    assert not words.conditions(text) and not words.promises(text, language)
    assert len(lines) > 12
    assert max(len(reading.WORD.findall(line)) for line in lines) <= 20
    if language == "en":
        assert reading.grade_of(lines) <= 6
    else:
        assert reading.ease_of(lines) >= 65


def test_nothing_of_the_choice_is_in_the_address_or_kept_by_a_cache(professional: Visitor) -> None:
    page = make(professional)

    assert page.address == PAGE and "Location" not in page.response.headers
    assert page.response.headers["Cache-Control"] == "no-store"
    assert page.response.headers["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"schedule": "free"}, {"schedule-0": "Select a schedule"}),
        ({"language": "fr"}, {"language-0": "Select the patient's language"}),
        ({"start": ""}, {"start": "Enter the day of the first dose as month/day/year"}),
        ({"start": "Monday"}, {"start": "Enter the day of the first dose as month/day/year, like 1/19/2027"}),
        ({"start": "1/19/27"}, {"start": "Write the year with four figures, like 1/19/2027"}),
        ({"start": "2020-01-01"}, {"start": "Enter a day between 12/15/2025 and 1/16/2027"}),
        ({"start": "2027-01-17"}, {"start": "Enter a day between 12/15/2025 and 1/16/2027"}),
    ],
)
def test_a_fault_is_said_beside_its_field_and_what_was_typed_stays(
    fields: dict[str, str], advice: dict[str, str], professional: Visitor
) -> None:
    page = make(professional, **fields)

    assert page.status == 422 and page.errors == advice
    if "start" in fields:
        assert page.soup.find("input", {"name": "start"})["value"] == fields["start"]
        assert page.soup.find("input", {"value": "weekly-to-4-5"}).has_attr("checked")


@pytest.mark.parametrize("start", ["2/1/2026", "2/30/2026"])
def test_whose_gate_cookie_is_lost_keeps_the_choices(professional: Visitor, start: str) -> None:
    page = professional.open(PAGE).set(schedule="weekly-to-4-5", start=start, language="es")
    professional.client.delete_cookie("professional", path="/prescribers")

    gate = page.press("Make the plan").sees("Your choices are still here")
    assert gate.title == "For health professionals"
    again = gate.press("I am a health professional: continue")

    assert again.title == "A dose plan for your patient"
    assert again.soup.find("input", {"name": "start"})["value"] == start
    chosen = {box["value"] for box in again.soup.select("[type=radio][checked]")}
    assert chosen == {"weekly-to-4-5", "es"}
    if start == "2/1/2026":
        assert again.press("Make the plan").soup.html["lang"] == "es"


def test_today_is_the_pharmacys_day(professional: Visitor, clock: object) -> None:
    clock.set(datetime(2026, 1, 19, 6, 0, tzinfo=UTC))  # type: ignore[attr-defined]  # still Sunday in San Ramon

    page = professional.open(PAGE)

    assert page.soup.find("input", {"name": "start"})["value"] == "1/19/2026"


def test_the_plan_stands_behind_the_gate_for_every_method(app: Flask, visitor: Visitor) -> None:
    page = visitor.open(PAGE)
    assert page.title == "For health professionals"

    answer = visitor.post(PAGE, data={"schedule": "slow-to-3"})
    assert answer.status_code == 403 and "For health professionals" in answer.text
    assert page.press("I am a health professional: continue").title == "A dose plan for your patient"


def test_a_plan_of_a_pharmacy_without_a_telephone_has_a_line_for_it(
    app: Flask, professional: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.jinja_env.globals, "org", replace(app.config["ORG"], phone=""))

    page = make(professional)

    (questions,) = (line for line in page.soup.select("main p") if line.get_text().startswith("Questions?"))
    assert questions.select_one(".write")


def test_a_plan_without_the_pages_tokens_is_shown_again_with_its_choices(professional: Visitor) -> None:
    answer = professional.post(PAGE, data={"schedule": "slow-to-3", "start": "2026-01-19", "language": "es"})

    chosen = BeautifulSoup(answer.text, "html.parser").find_all("input", checked=True)
    assert answer.status_code == 400
    assert [control["value"] for control in chosen] == ["slow-to-3", "es"]
