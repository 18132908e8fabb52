"""The list: views, filters, order and pages, all in its address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from bench.growth import watched
from portal.desk import pieces
from portal.intake import terms
from tests.conftest import Clock
from tests.pages import Page, Visitor, local, words
from tests.staff.conftest import Colleague

Ask = Callable[..., str]
AskOften = Callable[[int], list[str]]
SignedIn = Callable[..., Colleague]


def listed(page: Page) -> list[str]:
    """The references in the table, in its order."""
    return [words(head) for head in page.soup.select("tbody th")]


def caption(page: Page) -> str:
    return words(page.soup.caption)


def every_page(page: Page) -> list[str]:
    found = listed(page)
    while page.soup.find("a", rel="next"):
        page = page.follow("Next")
        found += listed(page)
    return found


def test_a_stranger_is_sent_to_sign_in(visitor: Visitor) -> None:
    for address in ("/staff/requests", "/staff/mail", "/staff/audit"):
        answer = visitor.get(address)

        assert answer.status_code in (302, 303)
        assert local(answer.headers["Location"]).startswith("/staff/login")


def test_the_list_tells_who_asks_what_and_until_when(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()

    page = signed_in("pharmacist").open("/staff/requests")

    assert listed(page) == [reference]
    assert caption(page) == "1 request, the soonest promise first"
    page.sees("Ana Ruiz, NP", "Dosing or titration · How slowly should I raise", "New", "Nobody")
    page.sees("Fri Jan 16, 10:00 am Pacific", "came Thu Jan 15, 10:00 am Pacific", "Valley Clinic").lacks(
        "Call wanted"
    )

    ask(contact_method="phone")
    page.visitor.open("/staff/requests").sees("Call wanted")


def test_the_desk_sees_the_question_only_of_its_own_requests(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    desk = signed_in("desk")
    desk.open("/staff/requests").sees("Dosing or titration").lacks("How slowly")

    desk.open("/staff/requests").press(f"Claim {reference}", status=303)

    desk.open("/staff/requests").sees("How slowly")


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("Short enough?", "Short enough?"),
        ("x" * 60, "x" * 60),
        (
            "Which opioid-free interval do you advise before a first low-dose capsule?",
            "Which opioid-free interval do you advise before a first …",
        ),
        (f"Which {'x' * 60} is it?", "Which …"),
        ("Two\n\nparagraphs,   folded", "Two paragraphs, folded"),
    ],
)
def test_a_long_question_ends_after_a_whole_word(
    ask: Ask, signed_in: SignedIn, question: str, shown: str
) -> None:
    ask(question=question)

    page = signed_in("pharmacist").open("/staff/requests")

    assert words(page.soup.select_one("tbody td[data-label=Subject]")).endswith(f" · {shown}")


def test_a_question_that_may_name_a_patient_is_not_read_in_the_list(ask: Ask, signed_in: SignedIn) -> None:
    ask(patient_data=["birth_date"])

    signed_in("pharmacist").open("/staff/requests").sees("Patient data").lacks("How slowly")


def test_a_search_shows_in_which_text_its_words_stand(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    ask(patient_data=["birth_date"], question="Does she sleep badly?")
    grace, desk = signed_in("pharmacist"), signed_in("desk")
    page = grace.open(f"/staff/requests/{reference}").fill("Note", "She rang: nausea at night.")
    page.press("Save note", status=303)

    shown = grace.open("/staff/requests?q=nausea")
    assert listed(shown) == [reference]
    assert "Internal note: She rang: nausea at night." in words(
        shown.soup.select_one("td[data-label=Subject]")
    )
    assert words(shown.soup.select_one("td mark")) == "nausea"
    suspect = grace.open("/staff/requests?q=badly").lacks("Does she sleep")
    assert [words(one).endswith("Question") for one in suspect.soup.select("td[data-label=Subject]")].count(
        True
    ) == 1
    desk.open("/staff/requests?q=nausea").sees("No requests match these filters").lacks("She rang")


def test_what_is_late_says_so_here_and_in_the_title(ask: Ask, signed_in: SignedIn, clock: Clock) -> None:
    late, ontime = ask(), ask("resource")
    clock.tick(days=1, minutes=1)

    page = signed_in("manager").open("/staff/requests")

    assert words(page.soup.title).startswith("(1 late) Open requests")
    assert listed(page) == [late, ontime]
    assert "Late by 1 minute" in words(page.soup.select("tbody tr")[0])
    assert "Late" not in words(page.soup.select("tbody tr")[1])
    assert listed(page.follow("Late 1")) == [late]


def test_each_view_counts_what_it_lists(ask: Ask, signed_in: SignedIn, clock: Clock) -> None:
    mine, spam, new = ask(), ask(signals=["honeypot"]), ask("resource")
    pharmacist, closed = signed_in("pharmacist"), ask(email="other@clinic.example")
    pharmacist.open(f"/staff/requests/{closed}").set(**{"close-reason": "withdrawn"}).press(
        "Close request", status=303
    )
    pharmacist.open(f"/staff/requests/{mine}").press("Claim", status=303)
    page = pharmacist.open("/staff/requests")

    for link, expected in {
        "Unassigned 1": [new],
        "Mine 1": [mine],
        "Late 0": [],
        "All open 2": [mine, new],
        "Answered 0": [],
        "Closed 1": [closed],
        "Spam 1": [spam],
    }.items():
        view = page.follow(link)
        assert listed(view) == expected, link
        assert words(view.soup.select_one(".tabs [aria-current=page]")) == link


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=resource", ["Lee Park"]),
        ("kind=consultation", ["Ana Ruiz"]),
        ("owner=none", ["Ana Ruiz", "Lee Park"]),
        ("owner=me", []),
        ("status=in_progress", []),
        ("status=all", ["Lee Park", "Ana Ruiz"]),
        ("q=1234567893", ["Ana Ruiz"]),
        ("q=ruiz", ["Ana Ruiz"]),
        ("q=park+family", ["Lee Park"]),
        ("q=lee@park.example", ["Lee Park"]),
        ("q=%25", []),
        ("q=nobody&kind=resource", []),
    ],
)
def test_a_filter_in_the_address_narrows_the_list(
    ask: Ask, signed_in: SignedIn, query: str, expected: list[str]
) -> None:
    ask()
    ask("resource")

    page = signed_in("desk").open(f"/staff/requests?{query}")

    assert [
        words(row.select_one("td[data-label=From]")).split(",")[0] for row in page.soup.select("tbody tr")
    ] == expected


def test_a_reference_is_found_in_any_spelling(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()

    page = signed_in("desk").open(f"/staff/requests?q={reference.lower().replace('-', '')}")

    assert listed(page) == [reference]


def test_the_filters_stay_in_the_form_and_can_be_taken_off_one_by_one(ask: Ask, signed_in: SignedIn) -> None:
    ask()
    page = signed_in("desk").open("/staff/requests?kind=consultation&q=ruiz")

    assert page.soup.find(id="q")["value"] == "ruiz"
    assert page.soup.select_one("#kind [selected]")["value"] == "consultation"
    page.sees("Search: ruiz", "Kind: Consultation")
    without = page.follow("Remove filter: Search: ruiz")
    assert without.address == "/staff/requests?kind=consultation"
    assert page.follow("Clear filters").address == "/staff/requests"


def test_empty_filters_are_dropped_from_the_address(signed_in: SignedIn) -> None:
    answer = signed_in("desk").get("/staff/requests?q=&status=&kind=resource&owner=&sort=&nonsense=")

    assert answer.status_code == 303
    assert local(answer.headers["Location"]) == "/staff/requests?kind=resource"


@pytest.mark.parametrize(
    "query", ["status=nonsense", "kind=x", "owner=%D9%A3", "owner=99999999999", "sort=name", "q=" + "x" * 101]
)
def test_a_filter_that_is_none_is_left_out_and_named(ask: Ask, signed_in: SignedIn, query: str) -> None:
    reference = ask()

    page = signed_in("desk").open(f"/staff/requests?{query}")

    assert listed(page) == [reference]
    page.sees(f"was not understood and is left out: {query.partition('=')[0]}")


def test_every_request_stands_on_exactly_one_page(ask_often: AskOften, signed_in: SignedIn) -> None:
    asked = ask_often(60)
    colleague = signed_in("desk")

    first = colleague.open("/staff/requests?kind=consultation")

    assert caption(first) == "60 requests, the soonest promise first"
    first.sees("Showing 25 of 60")
    assert every_page(first) == asked
    newest = colleague.open("/staff/requests?kind=consultation&sort=-received_at")
    assert caption(newest) == "60 requests, the newest first"
    assert every_page(newest) == asked[::-1]


def test_paging_back_gives_the_same_pages_and_keeps_the_filters(
    ask_often: AskOften, signed_in: SignedIn
) -> None:
    ask_often(30)
    first = signed_in("desk").open("/staff/requests?kind=consultation")

    second = first.follow("Next")
    again = second.follow("Previous")

    assert "kind=consultation" in second.address
    assert listed(again) == listed(first)
    assert not again.soup.find("a", rel="prev")


def test_an_address_past_the_end_leads_to_the_list(ask: Ask, signed_in: SignedIn) -> None:
    ask()
    colleague = signed_in("desk")

    answer = colleague.get("/staff/requests?kind=consultation&after=a.9999999999999999.1")

    assert answer.status_code == 303
    assert local(answer.headers["Location"]) == "/staff/requests?kind=consultation"
    assert listed(colleague.open("/staff/requests?after=nonsense")) != []


def test_the_heading_that_is_sorted_by_says_so(ask: Ask, signed_in: SignedIn) -> None:
    ask()
    colleague = signed_in("desk")

    soonest = colleague.open("/staff/requests")
    newest = colleague.open("/staff/requests?sort=-received_at")

    assert [words(th) for th in soonest.soup.select("[aria-sort=ascending]")] == ["Answer by"]
    assert [words(th) for th in newest.soup.select("[aria-sort]")] == ["Received"]
    assert newest.follow("Answer by").address == "/staff/requests"


def test_three_reasons_for_an_empty_list_read_differently(ask: Ask, signed_in: SignedIn) -> None:
    colleague = signed_in("desk")
    colleague.open("/staff/requests").sees("Nobody has asked anything yet.")
    ask()

    mine = colleague.open("/staff/requests?owner=me")
    mine.sees("You have no open requests.", "1 is open; the soonest promise is Fri Jan 16, 10:00 am Pacific")
    assert mine.follow("See all open requests").address == "/staff/requests"
    colleague.open("/staff/requests?q=nobody").sees("No requests match these filters.")


def test_reading_the_list_writes_nothing(app: Flask, ask: Ask, signed_in: SignedIn, trail: Callable) -> None:
    reference = ask()
    colleague = signed_in("manager")
    before = trail(reference)

    for address in ("/staff/requests", "/staff/requests?q=ruiz", "/staff/mail", "/staff/audit"):
        colleague.open(address)

    assert trail(reference) == before


def test_staff_begin_at_the_queue(signed_in: SignedIn) -> None:
    answer = signed_in("desk").get("/staff")

    assert local(answer.headers["Location"]) == "/staff/requests"


def test_a_narrow_list_among_very_many_says_so_and_leads_on(
    ask: Ask, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LOOKED_AT", 2)
    ask(name="Ana Ruiz", topics=["safety"])
    for _number in range(3):
        ask()

    page = signed_in("desk").open("/staff/requests?status=real&topic=safety")

    page.sees("None of the 2 requests looked at matches.", "choose fewer days")
    last = page.follow("Next").sees("Ana Ruiz")
    assert caption(last) == "Requests that match, the newest first"


def test_a_search_for_what_very_many_hold_says_so_and_leads_on(
    ask: Ask, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "FEW", 0)
    monkeypatch.setattr(pieces, "LOOKED_AT", 2)
    ask(name="Ana Ruiz")
    for number in range(3):
        ask(name=f"Ben Smith {number}", email="ben@clinic.example")

    page = signed_in("desk").open("/staff/requests?q=ruiz")

    page.sees("None of the 2 requests looked at holds all of these words.", "Next")
    last = page.follow("Next")
    assert caption(last) == "Requests that hold these words, the newest first"
    last.sees("Ana Ruiz")
    assert last.follow("Previous").address.startswith("/staff/requests?q=ruiz")


@pytest.mark.parametrize(
    "path", ["requests", "requests/news", "subscribers", "audit", "reports", "texts", "mail"]
)
def test_a_nul_in_a_question_makes_no_error(path: str, ask: Ask, signed_in: SignedIn) -> None:
    """PostgreSQL takes none in a text."""
    ask()
    manager = signed_in("manager")
    names = (
        "q",
        "status",
        "kind",
        "owner",
        "sort",
        "after",
        "state",
        "topic",
        "since",
        "subject",
        "action",
        "risk",
    )
    for name in (*names, "person", "about", "before", "until", "seen", "weeks", "to", "view"):
        assert manager.get(f"/staff/{path}?{name}=a%00b").status_code < 500, name


def test_the_list_asks_as_much_for_many_rows_as_for_one(
    staff_app: Flask, ask: Ask, ask_often: AskOften, signed_in: SignedIn
) -> None:
    grace = signed_in("pharmacist")
    ask(contact_method="phone")
    grace.open("/staff/requests")
    with watched(staff_app) as one:
        grace.open("/staff/requests")
    ask_often(24)
    grace.open("/staff/requests")  # which notes that she is there

    with watched(staff_app) as many:
        assert len(listed(grace.open("/staff/requests"))) == 25

    assert len(many.statements) == len(one.statements) <= 8


def test_each_sees_the_others_among_the_owners_though_the_form_is_kept(signed_in: SignedIn) -> None:
    grace, tom = signed_in("pharmacist"), signed_in("manager", "Tom Oneill")
    for _ in range(2):
        for who, other in ((grace, tom), (tom, grace)):
            options = [words(option) for option in who.open("/staff/requests").soup.select("#owner option")]
            assert other.name in options and who.name not in options
