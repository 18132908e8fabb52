"""The pages of faults and of ASVS are made from a list of tests, and each of them is there."""

from __future__ import annotations

from tests import promises

REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_db" name="test_a_short_lock_costs_only_time" time="2.5"/>
<testcase classname="tests.mail.test_mta" name="test_x[a]@mta" time="1"/>
<testcase classname="tests.mail.test_mta" name="test_x[b]" time="1"><failure/></testcase>
<testcase classname="tests.test_db" name="test_y" time="0"><skipped/></testcase>
<testcase classname="tests.test_db" name="test_z" time="1"><properties><property name="database" value="PostgreSQL"/>
</properties></testcase>
</testsuite></testsuites>"""


def test_every_named_test_is_there() -> None:
    assert promises.missing() == []


def test_the_page_of_asvs_is_made_from_the_list() -> None:
    assert (promises.DOCS / "asvs.md").read_text(encoding="utf-8") == promises.asvs_page()
    lines = [*promises.ASVS, *promises.DOCTOR, *promises.OPEN]
    assert len(lines) == len(set(lines)), "a line stands in one place"


def test_the_page_of_faults_has_every_fault_and_what_is_not_run_its_reason() -> None:
    page = (promises.DOCS / "faults.md").read_text(encoding="utf-8")
    assert list(promises.FAULTS) == [f"F-{number:02}" for number in range(1, 38)]
    for number, (what, tests, not_run) in promises.FAULTS.items():
        assert f"| {number} | {what} |" in page
        assert tests or not_run, number
    assert "FAILED" not in page


def test_a_report_is_read_as_it_is() -> None:
    assert promises.read(REPORT) == {
        "test_db.py::a_short_lock_costs_only_time": ("held", 2.5),
        "mail/test_mta.py::x": ("FAILED", 2.0),
        "test_db.py::y": ("skipped", 0.0),
        "test_db.py::z": ("held", 1.0),
    }
    assert list(promises.read(REPORT, promises.ON_POSTGRES)) == ["test_db.py::z"]


def test_what_ran_on_both_databases_is_told_of_both() -> None:
    name, only = promises.KILL, "backup/test_postgres.py::what_is_not_for_us_changes_nothing"
    page = promises.faults_page(
        {name: ("held", 2.0), only: ("skipped", 0.0)}, {name: ("FAILED", 1.0), only: ("held", 1.0)}, "short"
    )
    assert "**held**, 2 s, on PostgreSQL FAILED" in page and "**held** on PostgreSQL" in page
    assert "Of 1 tests\n1 held" in page and "PostgreSQL too:\n1 held, 0 held alone" in page
