"""The guard against patient data: silent on honest questions, awake to planted ones, quick on hostile."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.intake import patient_data
from portal.intake.patient_data import Sign

HERE = Path(__file__).parent


def _rows(name: str) -> list[str]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line.replace("\\n", "\n") for line in lines if line and not line.startswith("#")]


CLEAN = _rows("clean_questions.txt")
PLANTED = [tuple(row.split(" | ", 1)) for row in _rows("planted_questions.txt")]


def test_honest_questions_raise_no_alarm() -> None:
    alarms = {question: kinds for question in CLEAN if (kinds := patient_data.find(question))}

    assert len(CLEAN) >= 110
    assert alarms == {}


def test_planted_patient_data_is_found_by_kind() -> None:
    """One of the 120 is known to pass: an abbreviated first name ("Wm.") is too like an abbreviated word."""
    missed = [
        question
        for kinds, question in PLANTED
        if not set(kinds.split(", ")) <= {kind.value for kind in patient_data.find(question)}
    ]

    assert len(PLANTED) >= 120
    assert len(missed) <= 1, missed


@pytest.mark.parametrize("kind", Sign)
def test_each_kind_is_planted_and_has_a_label(kind: Sign) -> None:
    assert sum(kind.value in kinds.split(", ") for kinds, _ in PLANTED) >= 4
    assert patient_data.LABELS[kind].startswith(("a ", "an "))


@pytest.mark.parametrize(
    "dose",
    [
        "4.5 mg",
        "0.5 mg x 7 days",
        "0.5 mg × 7 days",
        "start 1.5 mg qhs, increase every 2 weeks to 4.5 mg",
        "0.5-1-1.5-2-3-4.5 mg",
        "1.5 mg #30, RF 5",
        "10/325 mg q6h",
        "TSH 0.08 on 3/14/2026",
    ],
)
def test_a_dose_is_no_patient(dose: str) -> None:
    assert patient_data.find(dose) == ()


def test_kinds_come_once_each_in_their_order() -> None:
    text = "MRN 4482910, MRN 4482911, DOB 3/14/1961, Mrs. Alvarez"

    assert patient_data.find(text) == (Sign.PATIENTS_NAME, Sign.BIRTH_DATE, Sign.RECORD_NUMBER)


@pytest.mark.parametrize(
    "typed",
    ["SSN 219\u201109\u20139999", "SSN:\u00a0219-09-9999", "ssn\t219 09 9999", "SSN\n219-09-9999"],
)
def test_typography_hides_nothing(typed: str) -> None:
    assert Sign.SOCIAL_SECURITY_NUMBER in patient_data.find(typed)


@pytest.mark.parametrize("around", ["{}", "Hello. {}", "1) {}\n2) 4.5 mg?", "({})", "LDN 4.5 mg for {}?"])
def test_a_birth_date_is_found_wherever_it_stands(around: str) -> None:
    assert Sign.BIRTH_DATE in patient_data.find(around.format("DOB 3/14/1961"))


@settings(deadline=None)
@given(text=st.text(max_size=300))
def test_any_text_is_judged_without_failing(text: str) -> None:
    assert set(patient_data.find(text)) <= set(Sign)


WORDS = ["patient", "pt", "Mrs.", "name:", "named", "is", "dob", "born", "3/14", "/1961", "mrn", "#", "12345"]
WORDS += ["-", "555", "at", "Maria", "Xx", ",", ".", "(", "1961", "call", "id", "to"]


@settings(deadline=None)
@given(parts=st.lists(st.sampled_from(WORDS), max_size=40))
def test_any_mix_of_the_guards_own_words_is_judged_without_failing(parts: list[str]) -> None:
    assert set(patient_data.find(" ".join(parts))) <= set(Sign)


def _patterns() -> list[re.Pattern[str]]:
    kinds = [pattern for patterns in patient_data._PATTERNS.values() for pattern in patterns]
    return [*kinds, *(value for value in vars(patient_data).values() if isinstance(value, re.Pattern))]


def test_no_pattern_repeats_without_bound() -> None:
    """With every repeat bounded a match can cost only so much wherever it starts: time is linear by shape."""
    bare = [re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]", "", pattern.pattern) for pattern in _patterns()]

    assert len(bare) > 30
    assert [pattern for pattern in bare if re.search(r"[*+]|\{\d*,\}", pattern)] == []


HOSTILE = [
    "a",
    " ",
    "1",
    "1-",
    "1 ",
    "Aa ",
    "a.",
    "a@",
    "a@a.",
    "patient ",
    "patient is ",
    "she named",
    "name name ",
    "dob ",
    "1/1/61 ",
    "jan 1 ",
    "1 Aa Bb Cc ",
    "12 aaa bbb ",
    "mrn # # # #",
    "id id number no # : ",
    "member id A",
    "call npi ",
    "call ",
    "Mr. ",
    "to Aa Bb ",
    "last 4 ssn ",
    "\n",
    "(",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    assert _doubling(piece, 5_000) < 3.5


def test_a_hundred_kilobytes_of_everything_hostile_take_twice_as_long_as_fifty() -> None:
    assert _doubling("".join(HOSTILE), 50_000) < 3.5


def _doubling(piece: str, length: int) -> float:
    """How much longer twice the text takes; 2 is in proportion, 4 is quadratic. The best of up to five tries."""
    text = (piece * length)[: 2 * length]
    ratio = 4.0
    for _ in range(5):
        ratio = min(ratio, _cost(text) / _cost(text[:length]))
        if ratio < 2.5:
            break
    return ratio


def _cost(text: str) -> float:
    """Processor time of one judgement, so that other work on the machine does not count."""
    started = time.process_time()
    patient_data.find(text)
    return time.process_time() - started
