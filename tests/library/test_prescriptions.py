"""Text of a prescription: quantities reckoned by hand, what is refused, and the page."""

from __future__ import annotations

from decimal import Decimal

import pytest

from portal.library import doses, prescriptions
from portal.library.pages import Library
from portal.library.prescriptions import PRODUCTS, Refused
from tests.pages import Visitor

PAGE = "/prescribers/prescription"
SUBMIT = "Write the prescription"
BY_ID = {product.id: product for product in PRODUCTS}
NONE: tuple[str, str] = ("", "")

# schedule, product, days in all; how many capsules or mL, the sum reckoned by hand.
BY_HAND = [
    ("weekly-to-4-5", "capsules-1.5", 56, "147 capsules"),  # 7 + 14 + 42 × 3
    ("weekly-to-4-5", "capsules-1.5", 84, "231 capsules"),  # 7 + 14 + 70 × 3
    ("weekly-to-4-5", "liquid-1", 56, "220.5 mL"),  # 10.5 + 21 + 189
    ("weekly-to-4-5", "liquid-0.5", 28, "189 mL"),  # 7 × 3 + 7 × 6 + 14 × 9
    ("two-weeks-to-4-5", "capsules-1.5", 56, "126 capsules"),  # 14 + 28 + 84
    ("two-weeks-to-4-5", "capsules-0.5", 56, "378 capsules"),  # 42 + 84 + 252
    ("two-weeks-to-4-5", "liquid-1", 84, "315 mL"),  # 21 + 42 + 252
    ("monthly-to-2", "capsules-1", 60, "90 capsules"),  # 30 + 60
    ("monthly-to-2", "capsules-0.5", 31, "64 capsules"),  # 60 + 4
    ("slow-to-3", "capsules-0.5", 84, "294 capsules"),  # 14 × (1 + 2 + 3 + 4 + 5 + 6)
    ("slow-to-3", "liquid-1", 71, "108 mL"),  # 14 × 7.5 + 3
    ("slow-to-3", "liquid-0.5", 84, "294 mL"),
]
# own steps, product, days in all; the amount and the days of each step.
OWN = [
    ([("0.5", "14"), ("1.5", "14"), ("3", "")], "capsules-0.5", 56, "224 capsules", [14, 14, 28]),
    ([("0.75", "7"), ("1.5", "7"), ("3", "14")], "liquid-1", 28, "57.75 mL", [7, 7, 14]),
    ([("4.5 mg", "")], "capsules-4.5", 84, "84 capsules", [84]),
    ([("1.5", "10 days"), ("3 mg", "18")], "capsules-1.5", 28, "46 capsules", [10, 18]),
    ([("1", "7"), ("2", "")], "capsules-1", 8, "9 capsules", [7, 1]),
    ([("6", "")], "capsules-3", 7, "14 capsules", [7]),
]
REFUSED = [
    ([("3", "14"), ("1.5", "")], 28, 2, "Step 2 is not higher than step 1: only steps up are written"),
    ([("1.5", "14"), ("1.5", "")], 28, 2, "Step 2 is not higher than step 1"),
    ([("1.5", "14"), NONE, ("3", "")], 28, 2, "Step 2 is empty, but step 3 is not"),
    ([("1.5", "14"), ("3", "7")], 28, 2, "The steps take 21 days, but you wrote 28 days in all"),
    ([("1.5", "0"), ("3", "")], 28, 1, "Step 1 takes 0 days: write at least 7"),
    ([("1.5", "6"), ("3", "")], 28, 1, "Step 1 is shorter than 7 days"),
    ([("1.5", "28"), ("3", "")], 28, 2, "The steps before step 2 already take all 28 days"),
    ([("1.5", ""), ("3", "")], 28, 1, "Write how many days step 1 takes"),
    ([("1.5", "a week"), ("3", "")], 28, 1, "Write how many days step 1 takes"),
    ([("1.5", "-7"), ("3", "")], 28, 1, "Write how many days step 1 takes"),
    ([("6.5", "")], 28, 1, "Step 1 is above 6 mg, the highest documented dose"),
    ([("45", "")], 28, 1, "Step 1 is above 6 mg"),
    ([("0", "")], 28, 1, "Step 1 is below 0.5 mg"),
    ([("0.1", "")], 28, 1, "Step 1 is below 0.5 mg"),
    ([("3", "14"), ("4.5", "")], 28, 1, "Step 1 is above 1.5 mg: start at 0.5 to 1.5 mg"),
    ([("1.5", "14"), ("4.5", "")], 28, 2, "Step 2 is 3 mg higher: raise by 0.5 to 1.5 mg"),
    ([("1.5", "14"), ("1.75", "")], 28, 2, "Step 2 is 0.25 mg higher: raise by 0.5 to 1.5 mg"),
    ([(".5", "")], 28, 1, "write the nought before the point, like 0.5 mg"),
    ([("1.50", "")], 28, 1, "write no nought after the last figure"),
    ([("1,5", "")], 28, 1, "a point for the decimals"),
    ([("1.5 mcg", "")], 28, 1, "Write the dose of step 1 in mg, like 1.5"),
    ([("-1.5", "")], 28, 1, "write a number, like 1.5"),
    ([("1e0", "")], 28, 1, "write a number, like 1.5"),
    ([("NaN", "")], 28, 1, "write a number, like 1.5"),
    ([("٣", "")], 28, 1, "write a number, like 1.5"),
    ([("1.125", "")], 28, 1, "more than two decimals"),
    ([("", "14")], 14, 1, "Write the dose of step 1 in mg, like 1.5"),
    ([NONE] * 6, 28, 1, "Write the first step"),
]


@pytest.mark.parametrize(("schedule", "product", "days", "quantity"), BY_HAND)
def test_a_documented_schedule_is_counted_as_by_hand(
    schedule: str, product: str, days: int, quantity: str, library: Library
) -> None:
    chosen = next(one for one in library.schedules if one.id == schedule)
    steps = prescriptions.steps_of(chosen, days)

    prescriptions.check(steps)
    written = prescriptions.write(steps, BY_ID[product], "bedtime")

    assert written.quantity.replace(doses.NBSP, " ") == quantity
    assert f"\nQuantity: {quantity}\nDays' supply: {days}\n" in written.text
    assert doses.NBSP not in written.text and not doses.typeset(written.text)[1]


@pytest.mark.parametrize(("rows", "product", "days", "quantity", "lengths"), OWN)
def test_own_steps_are_counted_as_by_hand(
    rows: list[tuple[str, str]], product: str, days: int, quantity: str, lengths: list[int]
) -> None:
    steps = prescriptions.read_steps([*rows, NONE, NONE], days)

    prescriptions.check(steps)
    written = prescriptions.write(steps, BY_ID[product], "morning")

    assert [step.days for step in steps] == lengths
    assert written.quantity.replace(doses.NBSP, " ") == quantity


@pytest.mark.parametrize(("rows", "days", "step", "words"), REFUSED)
def test_what_is_outside_the_limits_is_refused_in_words(
    rows: list[tuple[str, str]], days: int, step: int, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        prescriptions.check(prescriptions.read_steps(rows, days))

    assert words in str(refused.value).replace(doses.NBSP, " ")
    assert refused.value.step == step


@pytest.mark.parametrize("typed", ["0", "6", "85", "999", "8 weeks", "", "-56", "56.5"])
def test_days_in_all_are_within_the_review(typed: str) -> None:
    with pytest.raises(Refused, match="from 7 to 84"):
        prescriptions.read_days(typed)


def test_a_dose_that_the_strength_cannot_make_is_refused() -> None:
    for rows, product, words in (
        ([("1", "7"), ("2", "")], "capsules-1.5", "Step 1, 1 mg, is not a whole number of 1.5 mg capsules"),
        ([("1.5", "7"), ("3", "")], "capsules-1", "Step 1, 1.5 mg, is not a whole number"),
        ([("1.51", "")], "liquid-1", "is not a full mark of an oral syringe (0.05 mL)"),
    ):
        with pytest.raises(Refused) as refused:
            prescriptions.write(prescriptions.read_steps(rows, 14), BY_ID[product], "bedtime")
        assert words in str(refused.value).replace(doses.NBSP, " ")


def test_the_limits_are_those_the_overview_prints(library: Library) -> None:
    table = library.pages["/prescribers"].body
    for words in ("| Start | 0.5 to 1.5 mg |", "Raise by 0.5 to 1.5 mg", "| Upper limit | 6 mg |"):
        assert words in table
    assert ((Decimal("0.5"), Decimal("1.5")),) * 2 == (prescriptions.FIRST, prescriptions.RAISE)
    assert Decimal(6) == prescriptions.MOST and prescriptions.LONGEST == 12 * 7
    assert (
        "14 days refrigerated without a preservative, 35 days with one"
        in library.pages["/prescribers/compounding"].body
    )


def test_the_page_writes_what_the_overview_gives_as_its_example(professional: Visitor) -> None:
    page = professional.open(PAGE).set(schedule="two-weeks-to-4-5").press(SUBMIT, status=200)

    text = page.soup.select_one("#rx").get_text()
    assert text.splitlines() == [
        "Naltrexone hydrochloride 1.5 mg capsules, immediate release, compounded",
        "Directions: Days 1 to 14: 1 capsule (1.5 mg) by mouth once a day at bedtime."
        " Days 15 to 28: 2 capsules (3 mg) by mouth once a day at bedtime."
        " Days 29 to 56: 3 capsules (4.5 mg) by mouth once a day at bedtime.",
        "Quantity: 126 capsules",
        "Days' supply: 56",
        "Refills: 0 before the review",
        "Reason for compounding: tablets are sold as 50 mg; this strength is not sold. For this patient: ____",
        "Leave out (fillers, allergens): ____",
        "Opioids: asked about and monitoring program checked on ____; last opioid on ____",
    ]
    page.sees("28 × 3 = 84 capsules")
    assert page.response.headers["Cache-Control"] == "no-store"
    professional.open("/prescribers").sees("Quantity: 126 capsules (56 days). No refills before the review.")


def test_a_liquid_says_milliliters_and_that_it_may_pass_its_date(professional: Visitor) -> None:
    page = professional.open(PAGE).set(schedule="weekly-to-4-5", product="liquid-1", time="morning")

    page.press(SUBMIT, status=200).sees(
        "1 mg/mL oral liquid, measured with an oral syringe",
        "Days 1 to 7: 1.5 mL (1.5 mg) by mouth once a day in the morning.",
        "Quantity: 220.5 mL",
        "A liquid may pass its beyond-use date before 56 days are over.",
    )


def test_what_is_refused_stands_beside_its_step_and_nothing_typed_is_lost(professional: Visitor) -> None:
    cases = (
        ({"schedule": "own", "dose_1": "1.5", "days_1": "14", "dose_2": "1"}, "dose_2", "only steps up"),
        ({"schedule": "own", "dose_1": "1.5", "days_1": "0", "dose_2": "3"}, "days_1", "takes 0 days"),
        ({"schedule": "weekly-to-4-5", "dose_1": "1.5"}, "schedule-0", "You wrote own steps"),
        ({"schedule": "slow-to-3", "product": "capsules-0.5", "days": "56"}, "schedule-0", "begins on day 71"),
        ({"schedule": "monthly-to-2"}, "schedule-0", "choose another strength"),
        ({"schedule": "weekly-to-4-5", "days": "90"}, "schedule-0", "from 7 to 84"),
        ({"schedule": "by-heart"}, "schedule-0", "Select a schedule"),
    )  # fmt: skip
    for typed, field, words in cases:
        page = professional.open(PAGE).set(**typed).press(SUBMIT, status=422)
        assert words in page.errors[field].replace(doses.NBSP, " "), page.errors
        kept = {control["name"]: control["value"] for control in page.soup.select("main input[value]")}
        assert all(kept[name] == value for name, value in typed.items() if name.startswith(("d",)))


def test_whose_gate_cookie_is_lost_keeps_the_steps(professional: Visitor) -> None:
    page = professional.open(PAGE).set(schedule="own", dose_1="1.5", days_1="14", dose_2="3", days="28")
    professional.client.delete_cookie("professional", path="/prescribers")

    gate = page.press(SUBMIT, status=403)
    again = gate.press("I am a health professional: continue")

    assert again.soup.select_one("#dose_2")["value"] == "3"
    again.press(SUBMIT, status=200).sees("Days 15 to 28: 2 capsules (3 mg)")


def test_the_page_asks_nothing_about_a_person_and_stands_behind_the_gate(
    visitor: Visitor, professional: Visitor
) -> None:
    names = {control["name"] for control in professional.open(PAGE).soup.select("main [name]")}
    own = {f"{name}_{place}" for name in ("dose", "days") for place in range(1, 7)}
    assert names == {"schedule", "product", "time", "days", "csrf_token", "form_token", "office_code"} | own

    visitor.client.delete_cookie("professional", path="/prescribers")
    assert visitor.open(PAGE).title == "For health professionals"
