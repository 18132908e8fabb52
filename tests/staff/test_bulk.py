"""Several requests at once: each for itself, what cannot be done is told, and one stays where one was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.audit import AuditEntry
from portal.db import db
from portal.desk import telling
from portal.errors import Unavailable
from portal.intake.models import Request, Status
from portal.mail.models import Body
from tests.conftest import Clock
from tests.pages import Page, words
from tests.staff.conftest import Colleague
from tests.staff.test_request import claimed

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]
Stored = Callable[[str], Request]


def tick(page: Page, *references: str) -> Page:
    """Choose these in the list."""
    boxes = {box["id"]: box["value"] for box in page.soup.select("input[name=chosen]")}
    return page.set(chosen=[boxes[f"choose-{reference}"] for reference in references])


def outcomes(page: Page) -> dict[str, str]:
    """What the page says became of each."""
    found = page.soup.find(id="outcomes-caption")
    rows = found.find_parent("table").select("tbody tr") if found else []
    return {words(row.th): words(row.td) for row in rows}


def test_each_row_is_done_or_skipped_with_its_reason(
    app: Flask, ask: Ask, signed_in: SignedIn, stored: Stored
) -> None:
    new, mine, changed = ask(), ask(), ask()
    grace, other = signed_in("pharmacist"), signed_in("manager", "Tom Oneill")
    claimed(grace, mine)
    page = tick(grace.open("/staff/requests?kind=consultation"), new, mine, changed)
    claimed(other, changed)

    page = page.set(**{"bulk-close_reason": "no_reply"}).press("Close them")

    assert outcomes(page) == {
        new: "Skipped Claim this request before you close it, unless the prescriber withdrew it.",
        mine: "Closed",
        changed: "Skipped This request changed while you were looking at it. Look at what is new, then try again.",
    }
    page.sees("1 done, 2 skipped.")
    assert [stored(one).status for one in (new, mine, changed)] == [
        Status.NEW,
        Status.CLOSED,
        Status.IN_PROGRESS,
    ]
    assert page.soup.find(id="kind").find("option", selected=True)["value"] == "consultation", "the same list"
    with app.app_context():
        closed = select(func.count()).where(AuditEntry.action == "request.closed")
        assert db.session.scalar(closed) == 1


@pytest.mark.parametrize(
    ("field", "value", "button", "status", "words_"),
    [
        ("bulk-spam_reason", "robot", "Mark them as spam", Status.SPAM, "Marked as spam"),
        ("bulk-until", "2026-01-20", "Snooze them", Status.NEW, "Set aside until a day"),
        ("bulk-to", "me", "Assign them", Status.IN_PROGRESS, "Assigned"),
    ],
)
def test_each_act_is_done_with_all(
    ask: Ask,
    signed_in: SignedIn,
    stored: Stored,
    field: str,
    value: str,
    button: str,
    status: str,
    words_: str,
) -> None:
    both = [ask(), ask("resource")]
    grace = signed_in("pharmacist")
    given = str(grace.user_id) if value == "me" else value

    page = tick(grace.open("/staff/requests"), *both).set(**{field: given}).press(button)

    assert outcomes(page) == dict.fromkeys(both, words_)
    assert {stored(one).status for one in both} == {status}


@pytest.mark.parametrize(
    ("button", "says"),
    [
        ("Snooze them", "Enter a day after today, 90 days ahead at most"),
        ("Close them", "Select a reason"),
        ("Assign them", "Select a person"),
    ],
)
def test_what_is_missing_is_asked_and_the_ticks_stay(
    ask: Ask, signed_in: SignedIn, stored: Stored, button: str, says: str
) -> None:
    reference = ask()
    page = signed_in("pharmacist").open("/staff/requests")
    assert page.press(button, status=422).sees("Choose at least one request")

    failed = tick(page, reference).press(button, status=422)

    assert says in failed.errors.values()
    assert failed.soup.find(id=f"choose-{reference}").has_attr("checked")
    assert stored(reference).version == 1


def test_what_was_assigned_is_shown_though_nobody_could_be_told(
    ask: Ask, signed_in: SignedIn, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 would say that nothing was done."""
    reference, ben, grace = ask(), signed_in("pharmacist", "Ben Osei"), signed_in("pharmacist")

    def fail(*_: object, **__: object) -> None:
        raise Unavailable("Nothing was saved.")

    monkeypatch.setattr(telling, "given", fail)
    ticked = tick(grace.open("/staff/requests"), reference).set(**{"bulk-to": str(ben.user_id)})
    for _press in range(2):
        page = ticked.press("Assign them", status=200)

        assert outcomes(page) == {reference: "Assigned"}
        page.sees("The mail that tells Ben Osei could not be kept. Tell them yourself.")
    assert stored(reference).owner_id == ben.user_id


@pytest.mark.parametrize("chosen", ["LDN-BCDF-GHJK:1", "x", "", ":", "LDN-BCDF-GHJK:" + "9" * 50, "\x01:1"])
def test_what_is_no_request_is_skipped(ask: Ask, signed_in: SignedIn, chosen: str) -> None:
    ask()
    page = signed_in("pharmacist").open("/staff/requests").set(chosen=[chosen])

    page = page.set(**{"bulk-spam_reason": "robot"}).press("Mark them as spam")

    assert list(outcomes(page).values()) == ["Skipped There is no request with this reference."]


def test_pressed_twice_it_is_done_once_and_says_so(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask()
    page = tick(signed_in("desk").open("/staff/requests"), reference).set(**{"bulk-until": "2026-01-20"})

    page.press("Snooze them")

    again = page.press("Snooze them").sees("1 done.")
    assert outcomes(again) == {reference: "Set aside until a day"}
    assert stored(reference).version == 2
    other = page.set(**{"bulk-until": "2026-01-21"}).press("Snooze them").sees("1 skipped.")
    assert outcomes(other)[reference].startswith("Skipped This request changed")


def test_pressed_twice_whoever_gets_them_is_told_once(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    one, two = ask(), ask()
    tom = signed_in("desk", "Tom Oneill")
    page = tick(signed_in("pharmacist").open("/staff/requests"), one, two).set(
        **{"bulk-to": str(tom.user_id)}
    )

    for _press in range(2):
        page.press("Assign them").sees("2 done.")

    with app.app_context():
        told = select(func.count()).select_from(Body).where(Body.message == telling.BACK)
        assert db.session.scalar(told) == 1


def test_what_was_done_leads_there_and_back_to_the_same_list(ask: Ask, signed_in: SignedIn) -> None:
    reference, here = ask(), "/staff/requests?kind=consultation"
    page = tick(signed_in("desk").open(here), reference).set(**{"bulk-until": "2026-01-20"})

    page = page.press("Snooze them").follow(reference)

    assert page.soup.select_one(".back a")["href"] == here


def test_a_list_that_is_none_and_an_act_that_is_none(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    grace = signed_in("pharmacist")
    page = tick(grace.open("/staff/requests"), reference)

    action, sent = page.data("Snooze them")
    refused = grace.post(action, {**sent, "act": "answer"})
    assert (refused.status_code, "Press one of the buttons below the list" in refused.text) == (422, True)
    page = page.set(**{"bulk-view": "status=lost&sort=%00&x=1&after=a.1.1"})
    page.set(**{"bulk-until": "2026-01-20"}).press("Snooze them").sees("1 done.")
    assert grace.open("/staff/requests/bulk", status=303)


def test_the_row_says_until_when_it_is_set_aside(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    grace = signed_in("pharmacist")
    page = tick(grace.open("/staff/requests"), reference).set(**{"bulk-until": "2026-01-20"})

    page.press("Snooze them").lacks("Ana Ruiz")

    page = grace.open("/staff/requests?status=snoozed").sees("Snoozed until Tue Jan 20, 8:00 am Pacific")
    page.follow(reference).press("Take it up again now", status=303).sees("The request is back in the list.")


# ---- Out of office


def test_who_leaves_hands_over_and_is_offered_no_more(
    ask: Ask, signed_in: SignedIn, stored: Stored, clock: Clock
) -> None:
    reference, other = ask(), ask()
    grace, tom = signed_in("pharmacist", "Grace Hall"), signed_in("desk", "Tom Oneill")
    claimed(grace, reference)
    claimed(tom, other)
    page = grace.open("/staff/requests").follow("Who is out of office")

    page = page.fill("Last day out of office", "2026-01-20").fill("Their open requests", "Go to Tom Oneill")
    page.press("Save", status=303).sees("It is noted.", "Away until January 20, 2026")

    assert stored(reference).owner_id == tom.user_id
    page = tom.open(f"/staff/requests/{other}")
    assert "Grace Hall (Pharmacist)" not in words(page.soup.find(id="assign-to"))
    page.set(**{"assign-to": str(grace.user_id)}).press("Assign", status=422).sees(
        "Grace Hall is out of office until Tuesday January 20"
    )
    page = grace.open("/staff/requests/away").press("Back already Grace Hall", status=303)
    page.sees("They are back.").lacks("Away until")


def test_what_stays_with_somebody_who_is_away_is_shown(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    desk = signed_in("desk", "Dee Ramos")
    claimed(desk, reference)
    boss = signed_in("manager")

    page = boss.open("/staff/requests/away").fill("Who", "Dee Ramos")
    page.fill("Last day out of office", "2026-01-20").press("Save", status=303)

    page = boss.open("/staff/requests").follow("1 open request is")
    page.sees("Dee Ramos away until January 20, 2026")
    page.follow(reference).sees("Owner: Dee Ramos, away until January 20, 2026")


def test_the_desk_says_it_of_itself_only(signed_in: SignedIn) -> None:
    desk, grace = signed_in("desk"), signed_in("pharmacist")
    page = desk.open("/staff/requests/away").fill("Last day out of office", "2026-01-20")

    page.set(person=str(grace.user_id)).press("Save", status=403)
    page.set(person="999").press("Save", status=403)
    page.set(person=str(desk.user_id))
    page.fill("Last day out of office", "2025-01-20").press("Save", status=422).sees("Enter the last day")
    page.fill("Last day out of office", "soon").press("Save", status=422).sees("Enter a day that is one")
    page.fill("Last day out of office", "").press("Save", status=422)


def test_all_of_a_page_are_ticked_by_a_link_without_a_script(
    ask: Ask, signed_in: SignedIn, stored: Stored
) -> None:
    wanted = [ask(), ask()]
    other = ask("resource")
    page = signed_in("desk").open("/staff/requests?kind=consultation")
    assert not page.soup.select("input[name=chosen][checked]")

    page = page.follow("Tick all 2 of this page")

    assert len(page.soup.select("input[name=chosen][checked]")) == 2
    page = tick(page, *wanted).set(**{"bulk-until": "2026-01-20"}).press("Snooze them").sees("2 done.")
    assert [stored(one).snoozed_until is None for one in (*wanted, other)] == [False, False, True]
    page = signed_in("desk").open("/staff/requests?kind=consultation&status=all&tick=all").follow("Tick none")
    assert not page.soup.select("input[name=chosen][checked]")
