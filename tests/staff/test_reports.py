"""Reports: each number is that of the list it opens, whoever looks; times are in our hours; files are tame."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from copy import copy
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, text, update

from portal import hours
from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.desk import figures, narrowing, perform
from portal.desk import search as queue
from portal.desk.actors import ASKER
from portal.desk.acts import REOPEN
from portal.desk.asking import ASK_AGAIN
from portal.desk.filters import REAL_WORD, SORT_NEWEST, Filters
from portal.desk.models import CallOutcome, Contact, ContactKind
from portal.intake.models import Request, Status, Topic
from portal.npi.verdicts import Verdict
from portal.people.models import User
from portal.settings import settings
from portal.staff import drawing, reports
from tests.conftest import START, Clock
from tests.pages import words
from tests.staff.conftest import Colleague

Ask = Callable[..., str]
AskOften = Callable[[int], list[str]]
SignedIn = Callable[..., Colleague]


@pytest.fixture
def fortnights(app: Flask, ask_often: AskOften, signed_in: SignedIn) -> dict[str, Colleague]:
    """Forty requests of nine weeks in every state, and who looks at them."""
    who = {
        "desk": signed_in("desk", "Dee Ramos"),
        "pharmacist": signed_in("pharmacist"),
        "manager": signed_in("manager"),
    }
    ask_often(40)
    some, ids = Random(11), [who["desk"].user_id, who["pharmacist"].user_id, None]
    with app.app_context(), transaction():
        for number, asked in enumerate(db.session.scalars(select(Request).order_by(Request.id))):
            asked.received_at = now() - timedelta(days=some.randrange(64), hours=some.randrange(24))
            asked.answer_by = asked.received_at + timedelta(days=2)
            asked.status = list(Status)[number % len(Status)]
            asked.owner_id = ids[number % 3]
            asked.verdict = list(Verdict)[number % len(Verdict)].value
            asked.topics = [topic.value for topic in Topic if some.random() < 0.4] or ["other"]
            if number % 2:
                asked.first_answered_at = asked.received_at + timedelta(hours=some.randrange(90))
            for n in range(number % 3):
                db.session.add(
                    Contact(
                        request_id=asked.id,
                        kind=ContactKind.CALL,
                        outcome=list(CallOutcome)[(number + n) % 4].value,
                        author_id=who["desk"].user_id,
                        author_name="Dee Ramos",
                        written_at=now(),
                        form_token=f"call-{number}-{n}",
                    )
                )
    return who


@pytest.mark.parametrize("role", ["desk", "pharmacist", "manager"])
def test_each_number_is_that_of_the_list_it_opens(fortnights: dict[str, Colleague], role: str) -> None:
    colleague, followed = fortnights[role], 0
    listed = dict[str, int]()
    for address in ("/staff/reports?weeks=13", "/staff/reports/week"):
        page = colleague.open(address)
        for link in page.soup.select("main a[href^='/staff/requests?']"):
            number, where = int(words(link).split()[0].replace(",", "")), str(link["href"])
            if where not in listed:  # read by its caption alone: what every list promises is asked elsewhere
                said = re.search(r"<caption[^>]*>\s*(?:<[^>]*>\s*)*(\d+)", colleague.get(where).text)
                assert said, where
                listed[where] = int(said[1])
            assert listed[where] == number, f"{words(link)}: {where}"
            followed += 1
        soup = copy(page.soup)
        if share := soup.select_one("section:has(> h2#in-time)"):
            share.extract()  # "of 100" is no count
        bare = [words(cell) for cell in soup.select("main td") if not cell.find("a")]
        assert {each for each in bare if each.isdigit()} <= {"0"}, "a count without its list"

    assert followed > 40


def test_the_whole_is_the_sum_of_its_weeks_and_the_desk_sees_its_own(
    app: Flask, fortnights: dict[str, Colleague]
) -> None:
    def report(owner: str) -> figures.Report:
        me = fortnights["desk"].user_id
        return figures.report(
            date(2025, 11, 1), date(2026, 1, 31), me=me, owner=owner, people={}, at=now(), org=settings().ORG
        )

    with app.app_context():
        every, own = report(""), report("me")
        spam = db.session.query(Request).filter(Request.status == Status.SPAM).count()

    by_week = sum(count.number for week in every.weeks for count in week.by_kind.values())
    assert every.whole.number == by_week == 40 - spam
    assert 0 < own.whole.number < every.whole.number
    assert own.people == []


def test_how_long_an_answer_took_is_in_hours_of_the_pharmacys_day(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    """Thursday 10 am to Friday noon is 8 + 3 hours; a follow-up a week later changes nothing."""
    reference = ask()
    with app.app_context(), transaction():
        moments = {"answered_at": START + timedelta(days=7), "first_answered_at": START + timedelta(hours=26)}
        db.session.execute(update(Request).where(Request.reference == reference).values(**moments))

    page = signed_in("manager").open("/staff/reports?weeks=4")

    assert "within 11.0 hours of our day, nine of ten within 11.0" in words(page.soup.main)


def test_the_first_answer_is_kept_and_given_back_with_it(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    """By a call, then by mail; an answer that is taken back was none."""
    reference, ada = ask(), signed_in("pharmacist")

    def stored() -> Any:
        with app.app_context():
            query = select(Request.first_answered_at, Request.answered_at)
            return db.session.execute(query.where(Request.reference == reference)).one()

    page = ada.open(f"/staff/requests/{reference}").press("Claim", status=303)
    page = ada.open(f"/staff/requests/{reference}")
    page.fill("Answer", "Raise it by 0.5 mg a week.").press("Send answer to ana@clinic.example", status=303)
    first = stored()
    ada.clock.tick(minutes=20)
    page = ada.open(f"/staff/requests/{reference}")
    page.fill("Answer", "And call us then.").press("Send answer to ana@clinic.example", status=303)

    assert first.first_answered_at == first.answered_at
    later = stored()
    assert later.first_answered_at == first.first_answered_at < later.answered_at


@pytest.mark.parametrize(("answered_after", "kept"), [(20, True), (30, False)])
def test_what_is_asked_again_has_a_new_promise_and_the_first_counts(
    app: Flask, ask: Ask, clock: Clock, answered_after: int, kept: bool
) -> None:
    """Promised for Friday 10 am, a day after it came; that it is late again makes nothing of the first answer."""
    this = Request.reference == ask()
    first = {"status": Status.ANSWERED, "more_time_at": START, "answered_at": START, "claimed_at": START}
    with app.app_context(), transaction():
        moment = START + timedelta(hours=answered_after)
        db.session.execute(update(Request).where(this).values(first_answered_at=moment, **first))
    clock.tick(days=5)
    with app.app_context(), transaction():
        asked = db.session.scalars(select(Request).where(this)).one()
        again = {"text": "And now?", "form_token": "again"}
        perform.perform(ASK_AGAIN, asked, by=ASKER, at=now(), **again)
        assert asked.more_time_at is None, "of this promise nobody was told"
        assert asked.answer_by > now()

    for promise, found in ((narrowing.KEPT, kept), (narrowing.MISSED, not kept)):
        with app.app_context():
            shown = queue.conditions(Filters(status=REAL_WORD, promise=promise), 1, now() + timedelta(days=9))
            assert bool(db.session.scalars(select(Request).where(*shown)).all()) is found


def test_what_is_reopened_after_its_answer_is_not_late(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    reference, ada = ask(), signed_in("pharmacist")
    with app.app_context(), transaction():
        moments = {"status": Status.ANSWERED, "first_answered_at": START, "answered_at": START}
        db.session.execute(update(Request).where(Request.reference == reference).values(**moments))
    ada.clock.tick(days=5)
    with app.app_context(), transaction():
        by, asked = db.session.get_one(User, ada.user_id), perform.get(reference)
        perform.perform(REOPEN, asked, by=by, at=now(), version=asked.version, reason="follow_up")
        assert not asked.is_late(now())


def test_the_middle_and_the_one_of_ten() -> None:
    assert figures._times([]) == figures.Times()
    assert figures._times([3.0]) == figures.Times(1, 3.0, 3.0)
    assert figures._times([4.0, 1.0]) == figures.Times(2, 2.5, 4.0)
    assert figures._times([float(n) for n in range(1, 11)]) == figures.Times(10, 5.5, 9.0)


def test_a_clock_for_many_rows_says_what_the_one_for_one_says(app: Flask) -> None:
    some, org = Random(5), app.extensions["settings"].ORG
    clock = hours.Clock(org)
    for _ in range(300):
        begin = datetime(2025, 10, 20, tzinfo=UTC) + timedelta(minutes=some.randrange(200_000))
        end = begin + timedelta(minutes=some.randrange(20_000))
        assert clock.worked(begin, end) == hours.worked(begin, end, org).total_seconds()


def test_weeks_begin_on_monday_and_are_cut_to_the_days() -> None:
    assert figures._weeks(date(2026, 1, 14), date(2026, 1, 20)) == [
        (date(2026, 1, 14), date(2026, 1, 18)),
        (date(2026, 1, 19), date(2026, 1, 20)),
    ]


def test_a_report_asks_few_questions_and_writes_nothing(app: Flask, fortnights: dict[str, Colleague]) -> None:
    seen: list[str] = []

    def saw(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    with app.extensions["staff"].app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", saw)
    fortnights["manager"].open("/staff/reports?weeks=26")
    event.remove(engine, "before_cursor_execute", saw)

    assert len(seen) < 20
    assert not [each for each in seen if each.startswith(("INSERT", "DELETE"))]


def test_the_days_of_a_report_are_found_by_an_index(app: Flask) -> None:
    if db_is_other(app):
        pytest.skip("the plan is SQLite's")
    base = Filters(status=REAL_WORD, since="2026-01-01", until="2026-01-31", sort=SORT_NEWEST)
    with app.app_context():
        query = select(Request.id).where(*queue.conditions(base, 1, now()))
        sql = str(query.compile(db.engine, compile_kwargs={"literal_binds": True}))
        plan = " ".join(str(row) for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {sql}")))

    assert "ix_request_received" in plan


def db_is_other(app: Flask) -> bool:
    return not app.extensions["settings"].is_sqlite


def test_what_an_address_says_wrongly_is_left_out(signed_in: SignedIn, ask: Ask) -> None:
    ask()
    page = signed_in("manager").open("/staff/reports?weeks=1000&until=9999-99-99")
    assert page.soup.select_one("select[name=weeks] option[selected]").text == "8"
    signed_in("manager").open("/staff/reports/week?of=tomorrow")
    found = signed_in("manager").open("/staff/requests?since=soon&topic=x&promise=y&call=z&status=real")
    found.sees("since, topic, promise, call")


def test_filters_stay_when_others_are_chosen(signed_in: SignedIn, ask: Ask) -> None:
    ask()
    page = signed_in("manager").open("/staff/requests?status=all&topic=dosing&since=2026-01-01")

    page.sees("Topic: Dosing or titration", "Received from 2026-01-01")
    form = page.soup.select_one("form.filters")
    kept = {field["name"]: field["value"] for field in form.select("input[type=hidden]")}
    assert kept == {"since": "2026-01-01", "topic": "dosing"}


def test_the_figures_are_named_described_and_without_style(fortnights: dict[str, Colleague]) -> None:
    page = fortnights["manager"].open("/staff/reports?weeks=13")

    drawn = page.soup.select("svg.figure")
    assert len(drawn) == 9
    for each in drawn:
        labels = [page.soup.find(id=name) for name in each["aria-labelledby"].split()]
        assert [label.name for label in labels] == ["title", "desc"] and all(map(words, labels))
        assert each.find_parent("section").find("table")
        assert not each.select("[style], style, script, [onclick]")


def test_a_name_in_a_figure_is_text() -> None:
    drawn = drawing.bars("x", '<b onclick="x">', "&", [("<script>", 3)])

    assert "<script>" not in drawn and "<b " not in drawn


def test_figures_of_nothing_are_drawn() -> None:
    nothing = {"Median": [("Jan 5", None)], "9 of 10": [("Jan 5", None)]}
    assert "<svg" in drawing.lines("x", "t", "d", nothing)
    assert "<svg" in drawing.columns("x", "t", "d", [("Jan 5", 0)])
    assert drawing._ticks([0]) == [0, 1]
    assert drawing._ticks([11]) == [0, 5, 10, 15]
    assert drawing._ticks([100]) == [0, 20, 40, 60, 80, 100]


def test_the_numbers_as_csv_are_those_of_the_page(fortnights: dict[str, Colleague]) -> None:
    answer = fortnights["manager"].get("/staff/reports/figures.csv?weeks=13")

    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["Figure", "Week or what", "Number"]
    assert sum(int(number) for figure, _week, number in rows[1:] if figure.startswith("Received")) == 35
    assert answer.headers["Content-Disposition"] == 'attachment; filename="figures.csv"'


def test_requests_as_csv_hold_no_formula_and_what_was_typed_only_for_a_reason(
    app: Flask, ask: Ask, signed_in: SignedIn, trail: Callable[[str], list[str]]
) -> None:
    ask(name="=cmd|x", phone="925-555-0100", question="May I raise it? Jane Roe asks.")
    grace, ada = signed_in("manager"), signed_in("pharmacist")
    place = "/staff/reports/rows?status=real&since=2026-01-01"

    def file(colleague: Colleague, **chosen: Any) -> list[dict[str, str]]:
        address, data = colleague.open(place).data("Download")
        answer = colleague.post(address, {**data, **chosen})
        assert answer.mimetype == "text/csv", answer.text[:500]
        return list(csv.DictReader(io.StringIO(answer.text)))

    [row] = file(ada)
    assert (row["NPI"], row["Phone"]) == ("'1234567893", "'925-555-0100")
    assert "'=cmd|x" in row.values()
    assert "Question" not in row and "Jane Roe" not in str(row)
    assert "Jane Roe" not in str(file(ada, with_text="y", reason="quality")), "the role decides, not the form"
    assert "Jane Roe" in file(grace, with_text="y", reason="quality")[0]["Question"]
    address, data = grace.open(place).data("Download")
    answer = grace.post(address, {**data, "with_text": "y"})
    assert answer.status_code == 422 and reports.GIVE_REASON in answer.text
    signed_in("desk").open(place, status=403)


def test_how_many_are_in_the_file_is_said_before(
    ask: Ask, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as there are, though the list counts no further than 200."""
    monkeypatch.setattr(queue, "COUNTED_TO", 2)
    for _number in range(4):
        ask()
    grace = signed_in("manager")

    page = grace.open("/staff/reports/rows?status=real").sees("4 requests", "one a line")
    monkeypatch.setattr(reports, "MOST_ROWS", 3)

    grace.open("/staff/reports/rows?status=real").sees("More than 3 requests", "Choose fewer days.")
    assert "choose fewer days" in page.press("Download", status=422).text


def test_who_took_requests_away_stands_in_the_trail(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    ask()
    grace = signed_in("manager")
    address, data = grace.open("/staff/reports/rows?status=real").data("Download")
    grace.post(address, {**data, "with_text": "y", "reason": "law"})

    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "requests.exported")).one()
        assert (entry.actor_id, entry.detail) == (grace.user_id, "1, law")
    ada = signed_in("manager")
    page = ada.open("/staff/reports/rows?status=real")
    ada.clock.tick(minutes=11)
    page.press("Download").sees("Password")
