"""The list of requests: filters from the address, pages by key, search that takes nothing literally."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from portal.clock import now
from portal.db import db, transaction
from portal.desk import pieces, prescribers
from portal.desk import search as queue
from portal.desk.filters import Filters
from portal.intake import terms
from portal.intake.models import Request, Status
from portal.people.models import User
from tests.intake.samples import staff, submit, submit_resource


@pytest.fixture
def ada(app: Flask) -> User:
    """Somebody at the desk."""
    return staff(app, "Ada King", "desk")


def found(app: Flask, by: User, after: str | None = None, **args: str) -> list[str]:
    """References in the list with this query string."""
    with app.app_context():
        page = queue.listing(Filters.parse(args), by=by, at=now(), after=after)
        return [row.request.reference for row in page.rows]


def put(app: Flask, reference: str, **values: Any) -> str:
    with app.app_context(), transaction():
        db.session.execute(update(Request).where(Request.reference == reference).values(**values))
    return reference


def many(app: Flask, count: int, **changes: Any) -> list[str]:
    return [submit(app, f"t-{number}", npi="1993999998", **changes) for number in range(count)]


def test_what_is_promised_first_stands_first(app: Flask, clock: Any, ada: User) -> None:
    order = submit_resource(app)
    clock.tick(hours=1)
    question = submit(app)

    assert found(app, ada) == [question, order]
    assert found(app, ada, sort="-received_at") == [question, order]
    clock.tick(hours=1)
    latest = submit_resource(app, "r-2")
    assert found(app, ada) == [question, order, latest]
    assert found(app, ada, sort="-received_at") == [latest, question, order]


def test_only_open_requests_unless_asked(app: Flask, ada: User) -> None:
    one, two, three = many(app, 3)
    put(app, two, status=Status.CLOSED)
    put(app, three, status=Status.SPAM)

    assert found(app, ada) == [one]
    assert found(app, ada, status="closed") == [two]
    assert found(app, ada, status="spam") == [three]
    assert found(app, ada, status="all") == [three, two, one]  # of which some are over: newest first


def test_filters_go_together(app: Flask, ada: User) -> None:
    grace = staff(app)
    mine, hers, nobodys = many(app, 3)
    order = submit_resource(app)
    put(app, mine, owner_id=ada.id)
    put(app, hers, owner_id=grace.id)

    assert found(app, ada, owner="me") == [mine]
    assert found(app, ada, owner=str(grace.id)) == [hers]
    assert found(app, ada, owner="none") == [nobodys, order]
    assert found(app, ada, owner="none", kind="resource") == [order]


@pytest.mark.parametrize("sort", ["answer_by", "-received_at"])
def test_pages_by_key_show_every_row_once_and_lead_back(app: Flask, ada: User, sort: str) -> None:
    expected = many(app, 13)  # all of one moment, so only the id tells them apart
    if sort.startswith("-"):
        expected.reverse()
    filters, seen, cursors, after = Filters(sort=sort), [], [], None

    with app.app_context():
        while True:
            page = queue.listing(filters, by=ada, at=now(), after=after, limit=5)
            seen.append([row.request.reference for row in page.rows])
            cursors.append(page.previous)
            if page.next is None:
                break
            after = page.next
        back = queue.listing(filters, by=ada, at=now(), after=cursors[-1], limit=5)
        first = queue.listing(filters, by=ada, at=now(), after=cursors[1], limit=5)

    assert [reference for rows in seen for reference in rows] == expected
    assert [len(rows) for rows in seen] == [5, 5, 3]
    assert cursors[0] is None
    assert [row.request.reference for row in back.rows] == seen[1]
    assert [row.request.reference for row in first.rows] == seen[0]
    assert first.previous is None
    assert first.next is not None


@pytest.mark.parametrize(
    "after", ["", "nonsense", "a.1", "a.x.y", "a.١.1", "a." + "9" * 30 + ".1", "a.1." + "9" * 10, "\x00"]
)
def test_a_cursor_that_is_none_gives_the_first_page(app: Flask, ada: User, after: str) -> None:
    reference = submit(app)

    assert found(app, ada, after=after) == [reference]


@pytest.mark.parametrize(
    "q",
    [
        "ldn{0}",
        "LDN-{0}",
        "LDN-{1}",
        "1234567893",
        "12345",
        "Ana",
        "ana",
        "ruiz",
        "Ana Ru",
        "valley",
        "ANA@clinic.example",
        "(LDN-{0})",
        "#LDN-{0}",
        "LDN-{0}.",
        "{1}",
        "1234 567 893",
        "NPI 1234567893",
        "NPI: 1234-567-893",
        "ruiz ana",
        "Ana Ruiz NP",
        "Ruiz, Ana",
        "ana\u00a0ruiz",
        "ÁNA RUÍZ",
        "925 555 0100",
        "(925) 555-0100 ext. 12",
        "+1 925.555.0100",
        "clinic.example",
        "valley ana",
    ],
)
def test_search_finds_by_reference_npi_name_practice_and_address(app: Flask, ada: User, q: str) -> None:
    reference = submit(app)
    submit_resource(app)
    code = reference.removeprefix("LDN-")

    assert found(app, ada, q=q.format(code, code[:4])) == [reference]


@pytest.mark.parametrize("q", ["%", "_", "\\", "%%%", "'", '" OR 1=1', "levothyroxine", "zzz", "9" * 100])
def test_search_takes_nothing_literally_but_words(app: Flask, ada: User, q: str) -> None:
    submit(app)

    assert found(app, ada, q=q) == []


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("María NÚÑEZ", ("núñez", "NÚÑEZ", "nunez", "Nuñez maria", "nu\u0301n\u0303ez")),
        ("Ana O´Neil", ("O'Neil", "o´neil", "oneil", "OʻNeil")),
        ("Sean O’Brien", ("O'Brien", "O’Brien", "O´Brien", "O`Brien", "obrien", "OBRIEN sean", "brien")),
        ("Ana García-López", ("garcia lopez", "Garcia-Lopez", "garcíalópez", "lopez")),
        ("Bjørn Łukasz Straße", ("bjorn", "lukasz", "strasse", "BJØRN")),
        ("Minh\u00a0Nguyễn Văn", ("nguyen van", "NGUYỄN", "van minh")),
        ("Li Wu", ("wu", "li", "wu li")),
    ],
)
def test_a_name_is_found_however_it_is_typed(
    app: Flask, ada: User, name: str, typed: tuple[str, ...]
) -> None:
    reference = submit(app, "t-1", name=name, email="x@clinic.example")
    submit(app, "t-2", name="Somebody Else", email="y@clinic.example")

    assert {each: found(app, ada, q=each) for each in typed} == {each: [reference] for each in typed}


def test_every_word_must_be_there(app: Flask, ada: User) -> None:
    submit(app)

    assert found(app, ada, q="ana smith") == found(app, ada, q="ruiz 9255550199") == []


def test_a_search_looks_everywhere_and_says_how_many_are_over(app: Flask, ada: User) -> None:
    one, two, three = many(app, 3)
    put(app, two, status=Status.CLOSED)
    put(app, three, status=Status.SPAM)

    assert sorted(found(app, ada, q="ruiz")) == sorted([one, two, three])
    assert found(app, ada, q="ruiz", status="open") == [one]
    with app.app_context():
        listing = queue.listing(Filters(q="ruiz"), by=ada, at=now())
    assert (listing.total, listing.over) == (3, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "nonsense"),
        ("kind", "order"),
        ("owner", "1 OR 1"),
        ("owner", "9" * 10),
        ("owner", "-1"),
        ("sort", "name"),
        ("q", "x" * 101),
        ("q", "a\ud800"),
    ],
)
def test_a_filter_that_is_none_is_left_out_and_named(name: str, value: str) -> None:
    filters = Filters.parse({name: value, "unknown": "1"})

    assert filters.ignored == (name,)
    assert filters == Filters(ignored=(name,))


def test_the_address_of_a_list_leaves_out_what_goes_without_saying() -> None:
    filters = Filters.parse({"status": "", "kind": "resource", "q": " Ana "})

    assert filters.args() == {"kind": "resource", "q": "Ana"}
    assert filters.args(sort="-received_at", q="") == {"kind": "resource", "sort": "-received_at"}


def test_the_counts_are_those_of_the_lists(app: Flask, clock: Any, ada: User) -> None:
    mine, _, spam, closed = many(app, 4)
    put(app, mine, owner_id=ada.id, status=Status.IN_PROGRESS)
    put(app, spam, status=Status.SPAM)
    put(app, closed, status=Status.CLOSED)
    clock.tick(days=3)
    submit_resource(app)

    with app.app_context():
        counts = queue.listing(Filters(), by=ada, at=now()).counts

    assert (counts.open, counts.unassigned, counts.mine, counts.late, counts.spam) == (3, 2, 1, 2, 1)
    assert len(found(app, ada)) == counts.open
    assert len(found(app, ada, owner="me")) == counts.mine
    assert len(found(app, ada, status="late")) == counts.late
    assert len(found(app, ada, status="new", owner="none")) == counts.unassigned
    assert len(found(app, ada, status="spam")) == counts.spam


def test_the_list_says_who_has_it_and_whether_it_is_late(app: Flask, clock: Any, ada: User) -> None:
    put(app, submit(app), owner_id=ada.id)
    submit_resource(app)
    clock.tick(days=9)

    with app.app_context():
        question, order = queue.listing(Filters(), by=ada, at=now()).rows

    assert (question.owner_name, question.is_late) == ("Ada King", True)
    assert (order.owner_name, order.is_late) == ("", True)


def test_other_requests_of_the_same_prescriber_newest_first(app: Flask, clock: Any) -> None:
    one = submit(app, "t-1")
    clock.tick(days=2)
    two = submit(app, "t-2", email="other@clinic.example")
    clock.tick(days=2)
    three = submit_resource(app, npi="1234567893")
    submit_resource(app, "t-9")

    with app.app_context():
        request = db.session.scalars(db.select(Request).where(Request.reference == three)).one()
        assert [other.reference for other in prescribers.others_of(request)] == [two, one]


def test_what_is_over_stands_newest_first_whatever_is_asked(app: Flask, clock: Any, ada: User) -> None:
    one = put(app, submit(app, "t-1"), status=Status.CLOSED)
    clock.tick(hours=1)
    two = put(app, submit(app, "t-2"), status=Status.CLOSED)

    assert (
        found(app, ada, status="closed") == found(app, ada, status="closed", sort="answer_by") == [two, one]
    )
    assert found(app, ada, q="ruiz") == [two, one]
    assert Filters(status="closed").is_newest_first
    assert not Filters(status="waiting").is_newest_first


@pytest.mark.parametrize("few", [1000, 0])
def test_filters_go_with_a_search_whether_its_words_are_rare_or_not(
    app: Flask, ada: User, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "FEW", few)
    mine, closed, _ = many(app, 3)
    put(app, mine, owner_id=ada.id, status=Status.IN_PROGRESS)
    put(app, closed, owner_id=ada.id, status=Status.CLOSED)
    submit_resource(app)

    assert found(app, ada, q="ana ruiz", owner="me") == [closed, mine]
    assert found(app, ada, q="ana ruiz", owner="me", status="open") == [mine]
    assert found(app, ada, q="ana ruiz", status="closed", owner=str(ada.id), kind="consultation") == [closed]
    assert found(app, ada, q="ana park") == found(app, ada, q="ana ruiz", kind="resource") == []


def pages(app: Flask, by: User, filters: Filters) -> list[list[str]]:
    """What stands on each page, two at a time; and back again the same."""
    seen: list[list[str]] = []
    back: list[list[str]] = []
    after = None
    with app.app_context():
        while True:
            page = queue.listing(filters, by=by, at=now(), after=after, limit=2)
            assert page.total is None
            seen.append([row.request.reference for row in page.rows])
            if page.next is None:
                break
            after = page.next
        while page.previous is not None:
            page = queue.listing(filters, by=by, at=now(), after=page.previous, limit=2)
            back.append([row.request.reference for row in page.rows])
    assert max(map(len, seen)) <= 2
    assert [reference for rows in back[::-1] for reference in rows] == [r for rows in seen[:-1] for r in rows]
    return seen


def test_words_that_very_many_hold_are_looked_for_in_pieces(
    app: Flask, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page ends after so many requests; on and back, every one that is found stands on exactly one page."""
    monkeypatch.setattr(terms, "FEW", 0)
    monkeypatch.setattr(pieces, "LOOKED_AT", 4)
    asked = [
        submit(app, f"t-{n}", name="Ana Ruiz" if n % 5 == 0 else "Ben Smith", email="x@y.example")
        for n in range(14)
    ]
    expected = [reference for n, reference in enumerate(asked) if n % 5 == 0][::-1]

    assert [reference for rows in pages(app, ada, Filters(q="ruiz")) for reference in rows] == expected


@pytest.mark.parametrize("narrowed", [{"topic": "safety"}, {"topic": "safety", "since": "2026-01-01"}])
def test_what_no_index_holds_is_looked_for_in_pieces_where_very_many_are_left(
    app: Flask, ada: User, monkeypatch: pytest.MonkeyPatch, narrowed: dict[str, str]
) -> None:
    asked = [
        submit(app, f"t-{n}", topics=["safety"] if n % 5 == 0 else ["dosing"], email="x@y.example")
        for n in range(14)
    ]
    expected = [reference for n, reference in enumerate(asked) if n % 5 == 0][::-1]
    filters = Filters(status="real", **narrowed)
    with app.app_context():
        few = queue.listing(filters, by=ada, at=now(), limit=2)
    assert few.total == 3, "of few all are counted"
    monkeypatch.setattr(pieces, "LOOKED_AT", 4)

    assert [reference for rows in pages(app, ada, filters) for reference in rows] == expected
    with app.app_context():
        assert queue.listing(replace(filters, status="open"), by=ada, at=now()).total == 3, (
            "what is open is short"
        )
        none = queue.listing(replace(filters, until="2020-01-01"), by=ada, at=now())
        assert (none.total, none.rows) == (0, []), "the days leave few"


def test_what_an_index_passes_by_is_looked_at_in_pieces_too(
    app: Flask, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's that are closed, among very many of nobody's; where they stand closely, their number is known."""
    asked = [
        put(app, submit(app, f"t-{n}"), status=Status.CLOSED if n % 5 == 0 else Status.SPAM)
        for n in range(14)
    ]
    expected = asked[::5][::-1]
    filters = Filters(status="closed", owner="none")
    with app.app_context():
        few = queue.listing(filters, by=ada, at=now(), limit=2)
    assert (few.total, few.looked_at) == (3, None), "of few all are counted"
    monkeypatch.setattr(pieces, "PASSED_BY", 4)

    assert [reference for rows in pages(app, ada, filters) for reference in rows] == expected
    monkeypatch.setattr(queue, "COUNTED_TO", 2)
    with app.app_context():
        dense = queue.listing(Filters(status="spam", owner="none"), by=ada, at=now(), limit=2)
    assert (dense.total, dense.looked_at) == (2, 4)


def test_every_long_list_ends_where_a_page_has_looked_at_so_many(
    app: Flask, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever narrows it: what is no piece of one index is bounded."""
    many(app, 3)
    monkeypatch.setattr(pieces, "PASSED_BY", 2)
    monkeypatch.setattr(pieces, "LOOKED_AT", 2)
    narrowed = {
        "status": ("all", "real", "closed"),
        "kind": ("", "resource"),
        "verdict": ("", "not_found"),
        "owner": ("", "none", "away", str(ada.id)),
        "topic": ("", "other"),
        "promise": ("", "missed"),
        "call": ("", "any"),
    }
    whole = {("all",), ("closed",), ("all", "none"), ("all", str(ada.id)), ("all", "not_found")}
    with app.app_context():
        for chosen in itertools.product(*narrowed.values()):
            filters = Filters(**dict(zip(narrowed, chosen, strict=True)))
            is_bounded = queue._among(filters, ada.id, now())[1] > 0
            assert is_bounded == (tuple(word for word in chosen if word) not in whole), chosen
