"""What `make test-fast` leaves out is chosen by measure, and never all of a file."""

from __future__ import annotations

from tests import quick

TOOK = {
    "desk/test_a.py::test_short": [0.01, 0.02, 0.01],
    "desk/test_a.py::test_long": [0.3],
    "desk/test_a.py::test_begins": [
        3.0,
        0.01,
        0.01,
    ],  # the first of a process makes what the others find there
    "npi/test_b.py::test_long": [0.5],
    "npi/test_b.py::test_longer": [0.9],
}


def test_what_takes_long_is_left_out_and_the_quickest_of_each_file_stays() -> None:
    assert quick.chosen(TOOK, set()) == {"desk/test_a.py::test_long", "npi/test_b.py::test_longer"}


def test_what_was_not_measured_keeps_its_place_and_what_was_gets_a_new_one() -> None:
    before = {"desk/test_a.py::test_short", "mail/test_c.py::test_other"}

    assert quick.chosen(TOOK, before) == {
        "desk/test_a.py::test_long",
        "npi/test_b.py::test_longer",
        "mail/test_c.py::test_other",
    }


def test_a_name_stands_for_all_its_cases() -> None:
    assert quick.function("tests/npi/test_b.py::test_long[a-[1]]") == "npi/test_b.py::test_long"
    assert quick.function("tests/npi/test_b.py::test_long") in TOOK
