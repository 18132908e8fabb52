"""The loader lets nothing faulty through, and names all faults at once."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from portal.library import loading, pages
from tests.library.conftest import write_page

Faults = Callable[[], tuple[str, ...]]


def test_a_good_page_is_typed(folder: Path) -> None:
    write_page(
        folder, "## One {#one}\n\nWords [@known2020].\n", gated="yes", section="prescribers", order="3"
    )

    page = loading.load(folder).pages["/a-page"]

    assert (page.gated, page.order, page.updated_on) == (True, 3, date(2026, 1, 15))
    assert page.contents == (("one", "One"),)
    assert [(c.number, c.work.id, c.marks) for c in page.references] == [
        (1, "known2020", ("cite-known2020-1",))
    ]
    assert (page.reviewer, page.reviewed_on) == ("", None)


def test_all_faults_are_named_at_once(folder: Path, faults: Faults) -> None:
    write_page(folder, "## One\n\nTake .5 mg [@nobody2000] [x](/nowhere).\n", name="one.md")
    write_page(folder, name="two.md", path="/two", title="")

    found = "\n".join(faults())

    for fault in (
        "one.md: the heading 'One' has no id",
        "one.md: '.5 mg': write the nought before the point",
        "one.md: there is no reference 'nobody2000'",
        "one.md: the link /nowhere leads to no page",
        "two.md: title is missing",
    ):
        assert fault in found


@pytest.mark.parametrize(
    "text", ["title: A\n", "---\ntitle: A\n", "\n---\ntitle: A\n---\n", "---\n- a\n---\n"]
)
def test_front_matter_without_its_fences_is_a_fault(folder: Path, faults: Faults, text: str) -> None:
    (folder / "page.md").write_text(text, "utf-8")

    assert any("page.md: the front matter" in fault for fault in faults())


@pytest.mark.parametrize(
    ("front", "fault"),
    [
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"language": "fr"}, "language must be one of en, es"),
        ({"section": "shop"}, "section must be one of"),
        ({"gated": "true"}, "gated must be one of no, yes"),
        ({"path": "a page"}, "the path 'a page' is malformed"),
        ({"order": "first"}, "order must be a whole number"),
        ({"updated_on": "23/11/2026"}, "is no day"),
        ({"changes": "[a]"}, "each change must be a record of on and what"),
        ({"changes": "[{on: today, what: x}]"}, "changes: 'today' is no day"),
        ({"title": "[a, b]"}, "title must be one line of text"),
        ({"review": "signed"}, "a signed review names its reviewer and its day"),
        ({"reviewer": "Somebody"}, "only a signed review has a reviewer and days"),
        ({"next_review_on": "2027-01-15"}, "only a signed review has a reviewer and days"),
        (
            {"review": "signed", "reviewer": "A", "reviewed_on": "2026-01-14"},
            "changed on 2026-01-15, after it was signed on 2026-01-14: have it read again",
        ),
        (
            {
                "review": "signed",
                "reviewer": "A",
                "reviewed_on": "2026-02-01",
                "next_review_on": "2026-02-01",
            },
            "next_review_on must be after reviewed_on",
        ),
        ({"twin": "/es/otra"}, "its twin /es/otra does not name it in turn"),
    ],
)
def test_a_faulty_field_is_named(folder: Path, faults: Faults, front: dict[str, str], fault: str) -> None:
    write_page(folder, **front)

    assert any(fault in found for found in faults()), faults()


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("Words [@heard2019].\n", "the reference 'heard2019' is from memory"),
        ("[x](/a-page#nothing)\n", "leads to no such place"),
        ("[x](#nothing)\n", "leads to no such place"),
        ("## Main {#main}\n", "the id 'main' is the page frame's"),
        ("It is safe and proven.\n", "a public page may not say 'proven', 'safe'"),
        ("It helps fibromyalgia.\n", "a public page may not name 'fibromyalgia'"),
        ("[[evidence]]\n", "a public page may not name"),
    ],
)
def test_a_faulty_text_is_named(folder: Path, faults: Faults, body: str, fault: str) -> None:
    (folder / "evidence.yaml").write_text(
        (folder / "evidence.yaml").read_text("utf-8").replace("A condition", "Lupus"), "utf-8"
    )
    write_page(folder, body)

    assert any(fault in found for found in faults()), faults()


def test_a_gated_page_may_name_conditions(folder: Path) -> None:
    write_page(folder, "Studies of fibromyalgia.\n", gated="yes")

    assert loading.load(folder).pages["/a-page"].gated


def test_two_pages_cannot_have_one_path(folder: Path, faults: Faults) -> None:
    write_page(folder, name="one.md")
    write_page(folder, name="two.md")

    assert "two.md: the path /a-page is one.md's" in faults()


def test_an_empty_folder_is_a_fault(folder: Path, faults: Faults) -> None:
    assert "there is no page" in faults()


def test_a_missing_bibliography_is_a_fault(folder: Path, faults: Faults) -> None:
    write_page(folder)
    (folder / "references.yaml").unlink()

    assert any("references.yaml" in fault for fault in faults())


def test_a_signed_review_is_typed(folder: Path) -> None:
    write_page(
        folder, review="signed", reviewer="Test Person", reviewed_on="2026-01-20", next_review_on="2026-07-10"
    )

    page = loading.load(folder).pages["/a-page"]

    assert (page.reviewer, page.reviewed_on, page.next_review_on) == (
        "Test Person",
        date(2026, 1, 20),
        date(2026, 7, 10),
    )
    library = loading.load(folder)
    assert library.overdue(date(2026, 7, 10)) == ()
    assert [late.path for late in library.overdue(date(2026, 7, 11))] == ["/a-page"]


def test_chapters_stand_in_order_and_know_their_neighbours(folder: Path) -> None:
    for order in ("2", "1", "3"):
        write_page(folder, name=f"{order}.md", path=f"/p{order}", order=order)

    library = loading.load(folder)
    first, second, third = library.chapters("about")

    assert [page.path for page in (first, second, third)] == ["/p1", "/p2", "/p3"]
    assert library.neighbours(second) == (first, third)
    assert library.neighbours(first)[0] is None and library.neighbours(third)[1] is None


def test_the_full_bibliography_says_where_each_work_is_cited(folder: Path) -> None:
    write_page(folder, "Words [@known2020].\n", name="a.md", path="/a", short="First")
    write_page(folder, name="b.md", path="/b", references="all")

    entry = loading.load(folder).pages["/b"].bibliography[0]

    assert (entry.work.id, entry.cited_on) == ("known2020", (("/a#ref-known2020", "First"),))


def test_a_change_on_disk_changes_the_stamp(folder: Path) -> None:
    write_page(folder)
    library = loading.load(folder)
    assert library.stamp() == library.loaded == pages.stamp(folder)

    later = (folder / "page.md").stat().st_mtime_ns + 1_000_000
    os.utime(folder / "page.md", ns=(later, later))

    assert library.stamp() != library.loaded
