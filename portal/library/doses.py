"""Doses in one spelling: `0.5 mg`, `4.5 mg`, `0.5 to 1.5 mg`; never `.5 mg`, `5.0 mg`, `5mg` or `mcg`.

A missing nought or one too many is read as ten times the dose, and `mcg` as `mg`; so every dose that a page
or a sheet prints goes through here, and a wrong spelling stops the start.
"""

import re

NBSP = "\N{NO-BREAK SPACE}"

_NUMBER = r"(?:[.,]\d|\d)[\d.,]*"
_UNIT = r"(?:micrograms?|microgramos?|mcg|µg|μg|ug|mg|mL|ml|ML)(?:/(?:kg|mL|g))?"
_DOSE = re.compile(
    rf"(?<![\w.,])(?:(?P<first>{_NUMBER}) (?P<word>to|or|and|a|o|y) )?"
    rf"(?P<last>{_NUMBER})[ {NBSP}]?(?P<unit>{_UNIT})(?![\w/])"
)
_DASHED = re.compile(rf"\d\s?[-–—]\s?{_NUMBER}[ {NBSP}]?{_UNIT}(?!\w)")
_GOOD_NUMBER = re.compile(r"0|[1-9]\d{0,2}(?:,\d{3})*|[1-9]\d*|(?:0|[1-9]\d*)\.\d*[1-9]")
_IN_FULL = {**dict.fromkeys(("mcg", "µg", "μg", "ug"), "micrograms"), "ml": "mL", "ML": "mL"}


def dose(text: str) -> str:
    """One dose or range, `4.5 mg` or `0.5 to 1.5 mg`, with no-break spaces; ValueError says what to mend."""
    if _DOSE.fullmatch(text.strip()) is None:
        raise ValueError(f"{text!r} is not a dose: write a number and a unit, like 4.5 mg")
    put, faults = typeset(text.strip())
    if faults:
        raise ValueError(faults[0])
    return put


def typeset(prose: str) -> tuple[str, list[str]]:
    """The prose with every dose in it set as `dose` does, and one sentence for each wrong spelling."""
    faults = [f"{m[0]!r}: write a range of doses with the word to" for m in _DASHED.finditer(prose)]

    def put(match: re.Match[str]) -> str:
        first, word, last, unit = match.group("first", "word", "last", "unit")
        faults.extend(_fault(number, unit) for number in (first, last) if number and _fault(number, unit))
        lead = f"{first}{NBSP}{word} " if first else ""
        return f"{lead}{last}{NBSP}{unit}"

    return _DOSE.sub(put, prose), faults


def _fault(number: str, unit: str) -> str:
    base = unit.split("/")[0]
    if base in _IN_FULL:
        return f"'{number} {unit}': write {_IN_FULL[base]} in full"
    if number.startswith((".", ",")):
        return f"'{number} {unit}': write the nought before the point, like 0.5 {unit}"
    if _GOOD_NUMBER.fullmatch(number) is None:
        return f"'{number} {unit}': write no nought after the last figure, and a point for the decimals"
    return ""
