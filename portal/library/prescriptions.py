"""From steps of a dose to the text of a prescription: directions by step, quantity, days' supply.

Nothing here knows a patient. Amounts are exact decimals, each printed by the one formatter (`doses.dose`); what is
outside the limits that the texts document is refused in words, with the step it concerns.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from portal.library import doses
from portal.library.plans import Schedule

# The limits of the overview's table; a test holds the two together.
FIRST = (Decimal("0.5"), Decimal("1.5"))  # mg; a higher dose alone is one that is already taken
RAISE = (Decimal("0.5"), Decimal("1.5"))  # mg from step to step
MOST = Decimal(6)  # mg a day
SHORTEST = 7  # days of a step that another follows
LONGEST = 84  # days in all: to the review, 12 weeks after the first dose
MONTH = 30  # days
MANY = 4  # capsules at a time, from which on another strength would be kinder

TIMES = {"bedtime": "at bedtime", "morning": "in the morning"}

_NUMBER = re.compile(r"(?P<number>\S+?)(?: ?mg)?")
_FIGURES = re.compile(r"[0-9.,]+")
_DAYS = re.compile(r"(?P<days>[0-9]{1,3})(?: ?days?)?")
_PLACES = Decimal("0.01")  # finer than any strength or syringe here
_MARK = Decimal("0.05")  # mL: the marks of a small oral syringe


class Refused(ValueError):
    """Steps that no prescription is written for; `step` counts from 1, `is_days` says which of its two answers."""

    def __init__(self, words: str, step: int = 0, *, is_days: bool = False) -> None:
        self.step, self.is_days = step, is_days
        super().__init__(words)


@dataclass(frozen=True)
class Step:
    """One dose, taken once a day for some days."""

    milligrams: Decimal
    days: int


@dataclass(frozen=True, kw_only=True)
class Product:
    """A form and strength: milligrams in each capsule, or in each mL."""

    id: str
    label: str
    strength: Decimal
    is_liquid: bool = False


def _capsules(strength: str) -> Product:
    label = f"Capsules, {doses.dose(f'{strength} mg')} each"
    return Product(id=f"capsules-{strength}", label=label, strength=Decimal(strength))


def _liquid(strength: str) -> Product:
    label = f"Oral liquid, {doses.dose(f'{strength} mg/mL')}"
    return Product(id=f"liquid-{strength}", label=label, strength=Decimal(strength), is_liquid=True)


PRODUCTS = (
    *map(_capsules, ("0.5", "1", "1.5", "3", "4.5")),
    *map(_liquid, ("0.5", "1")),
)


@dataclass(frozen=True)
class Line:
    """One step as it is printed: its days, its dose, how much of the product that is, and how much in all."""

    days: str
    dose: str
    amount: str
    sum: str


@dataclass(frozen=True, kw_only=True)
class Prescription:
    """What is written: the text to copy, the same as rows, and what to think of before it is sent."""

    text: str
    lines: tuple[Line, ...]
    quantity: str
    notes: tuple[str, ...]


def read_steps(rows: Sequence[tuple[str, str]], days: int) -> tuple[Step, ...]:
    """Typed steps, each a dose and its days; the last may leave its days empty and then goes on to the last day."""
    filled = [place for place, row in enumerate(rows, 1) if any(row)]
    if not filled:
        raise Refused("Write the first step", 1)
    for place in range(1, filled[-1]):
        if place not in filled:
            raise Refused(f"Step {place} is empty, but step {filled[-1]} is not: move the steps up", place)
    steps: list[Step] = []
    for place, (dose, length) in enumerate(rows[: len(filled)], 1):
        milligrams = _read_dose(dose, place)
        if not length and place == len(filled):
            left = days - sum(step.days for step in steps)
            if left < 1:
                raise Refused(f"The steps before step {place} already take all {days} days", place)
            steps.append(Step(milligrams, left))
        else:
            steps.append(Step(milligrams, _read_days(length, place)))
    total = sum(step.days for step in steps)
    if total != days:
        words = f"The steps take {total} days, but you wrote {days} days in all: make them the same"
        raise Refused(words, len(steps), is_days=True)
    return tuple(steps)


def read_days(typed: str) -> int:
    """The days in all."""
    match = _DAYS.fullmatch(typed)
    if match is None or not SHORTEST <= int(match["days"]) <= LONGEST:
        raise Refused(f"Write the days in all as a number from {SHORTEST} to {LONGEST}")
    return int(match["days"])


def steps_of(schedule: Schedule, days: int) -> tuple[Step, ...]:
    """A documented schedule, its last step up to the last day; a month is 30 days."""
    lengths = [step.count * (MONTH if step.unit == "month" else 7) for step in schedule.steps if step.count]
    if sum(lengths) >= days:
        raise Refused(f"The last step of this schedule begins on day {sum(lengths) + 1}: write more days")
    lengths.append(days - sum(lengths))
    return tuple(
        Step(Decimal(step.dose.split()[0]), length)
        for step, length in zip(schedule.steps, lengths, strict=True)
    )


def limits() -> str:
    """What `check` holds own steps to, in words."""
    return (
        f"Within the documented limits: {_range(FIRST)} first, {_range(RAISE)} up, {SHORTEST} days or more, "
        f"at most {_mg(MOST)}"
    )


def check(steps: Sequence[Step]) -> None:
    """Raises Refused for what is outside the documented limits."""
    for place, step in enumerate(steps, 1):
        if step.milligrams > MOST:
            raise Refused(f"Step {place} is above {_mg(MOST)}, the highest documented dose", place)
        if step.days < SHORTEST and place < len(steps):
            raise Refused(f"Step {place} is shorter than {SHORTEST} days", place, is_days=True)
    first = steps[0].milligrams
    if first < FIRST[0]:
        raise Refused(f"Step 1 is below {_mg(FIRST[0])}, the lowest documented dose", 1)
    for place, (before, after) in enumerate(pairwise(steps), 2):
        raised = after.milligrams - before.milligrams
        if raised <= 0:
            raise Refused(
                f"Step {place} is not higher than step {place - 1}: only steps up are written", place
            )
        if not RAISE[0] <= raised <= RAISE[1]:
            raise Refused(f"Step {place} is {_mg(raised)} higher: raise by {_range(RAISE)}", place)
    if first > FIRST[1] and len(steps) > 1:
        raise Refused(f"Step 1 is above {_mg(FIRST[1])}: start at {_range(FIRST)}", 1)


def write(steps: Sequence[Step], product: Product, time: str) -> Prescription:
    """The prescription of checked steps. Raises Refused where the product cannot be counted out in them."""
    lines, directions = [], []
    total = Decimal(0)
    begun = 1
    for place, step in enumerate(steps, 1):
        each = _each(step, product, place)
        last = begun + step.days - 1
        span = f"Day {begun}" if last == begun else f"Days {begun} to {last}"
        amount = _amount(each, product)
        total += each * step.days
        reckoned = f"{step.days} × {_plain(each)} = {_amount(each * step.days, product)}"
        lines.append(Line(span, _mg(step.milligrams), amount, reckoned))
        directions.append(f"{span}: {amount} ({_mg(step.milligrams)}) by mouth once a day {TIMES[time]}.")
        begun = last + 1
    quantity = _amount(total, product)
    strength = doses.dose(f"{_plain(product.strength)} {'mg/mL' if product.is_liquid else 'mg'}")
    form = (
        "oral liquid, measured with an oral syringe" if product.is_liquid else "capsules, immediate release"
    )
    parts = (
        f"Naltrexone hydrochloride {strength} {form}, compounded",
        f"Directions: {' '.join(directions)}",
        f"Quantity: {quantity}",
        f"Days' supply: {begun - 1}",
        "Refills: 0 before the review",
        "Reason for compounding: tablets are sold as 50 mg; this strength is not sold. For this patient: ____",
        "Leave out (fillers, allergens): ____",
        "Opioids: asked about and monitoring program checked on ____; last opioid on ____",
    )
    # Another program may turn a no-break space into a wrong letter: the text to copy has plain ones.
    text = "\n".join(parts).replace(doses.NBSP, " ")
    return Prescription(
        text=text, lines=tuple(lines), quantity=quantity, notes=tuple(_notes(steps, product, begun - 1))
    )


def _notes(steps: Sequence[Step], product: Product, days: int) -> list[str]:
    notes = []
    if steps[0].milligrams > FIRST[1]:
        notes.append(
            f"No first dose: {_mg(steps[0].milligrams)} from day 1 is for a patient who takes that already. "
            f"Usual practice starts at {_range(FIRST)}."
        )
    if product.is_liquid and days > 14:
        notes.append(
            f"A liquid may pass its beyond-use date before {days} days are over. Ask before you order more than "
            "2 weeks of a refrigerated water-based liquid without preservative, or 5 weeks of a preserved one."
        )
    most = max(step.milligrams for step in steps) / product.strength
    if not product.is_liquid and most > MANY:
        notes.append(f"The last step takes {_plain(most)} capsules at a time. A higher strength takes fewer.")
    return notes


def _each(step: Step, product: Product, place: int) -> Decimal:
    each = step.milligrams / product.strength
    unit = _MARK if product.is_liquid else Decimal(1)
    if each % unit:
        of = (
            f"a full mark of an oral syringe ({_plain(unit)} mL) of this liquid"
            if product.is_liquid
            else f"a whole number of {_mg(product.strength)} capsules"
        )
        raise Refused(f"Step {place}, {_mg(step.milligrams)}, is not {of}: choose another strength", place)
    return each


def _amount(number: Decimal, product: Product) -> str:
    if product.is_liquid:
        return doses.dose(f"{_plain(number)} mL")
    return f"{_plain(number)} capsule{'' if number == 1 else 's'}"


def _read_dose(typed: str, place: int) -> Decimal:
    match = _NUMBER.fullmatch(typed)
    if match is None:
        raise Refused(f"Write the dose of step {place} in mg, like 1.5", place)
    try:
        milligrams = Decimal(doses.dose(f"{match['number']} mg").split(doses.NBSP)[0])
    except (ValueError, ArithmeticError) as fault:
        words = str(fault) if _FIGURES.fullmatch(match["number"]) else "write a number, like 1.5"
        raise Refused(f"The dose of step {place}: {words}", place) from fault
    if milligrams % _PLACES:
        raise Refused(f"The dose of step {place} has more than two decimals", place)
    return milligrams


def _read_days(typed: str, place: int) -> int:
    match = _DAYS.fullmatch(typed)
    if match is None:
        raise Refused(f"Write how many days step {place} takes, like 14", place, is_days=True)
    if int(match["days"]) < 1:
        raise Refused(f"Step {place} takes 0 days: write at least {SHORTEST}", place, is_days=True)
    return int(match["days"])


def _plain(number: Decimal) -> str:
    """`1.5`, `3`, `220.5`: no nought after the last figure."""
    return f"{number.normalize():f}"


def _mg(number: Decimal) -> str:
    return doses.dose(f"{_plain(number)} mg")


def _range(limits: tuple[Decimal, Decimal]) -> str:
    return doses.dose(f"{_plain(limits[0])} to {_plain(limits[1])} mg")
