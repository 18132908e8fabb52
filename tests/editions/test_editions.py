"""An edition from its first word to the last mail: N11 to N26 and N36 as far as they are built."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal import jobs
from portal.db import db, transaction
from portal.editions import archive, preview, proof, rendering, service
from portal.editions.models import Edition, State
from portal.editions.progress import Progress, progress, trouble, what_limits
from portal.errors import Conflict, Refused
from portal.jobs import JOBS
from portal.mail import course, lanes, returns
from portal.mail import promise as mail
from portal.mail.dsn import Kind
from portal.mail.models import Delivery, Lane
from portal.mail.models import State as MailState
from portal.mail.transport import Rejected
from portal.newsletter import subscriptions
from portal.newsletter.models import Language, Means, Subscriber, Topic
from portal.newsletter.models import State as Person
from tests import world
from tests.conftest import START, Clock
from tests.editions.conftest import DRAFT, SOURCE, send, step
from tests.mail.conftest import Sink, hand_over
from tests.mail.test_dkim import KEYS, write_key
from tests.newsletter.people import LINK, make_subscriber


def manager(name: str = "Mo Lane") -> Any:
    return world.employ(name, "manager")


def people(app: Flask, count: int, **more: Any) -> None:
    for n in range(count):
        make_subscriber(app, address=f"reader{n}@mail.example", **more)


def test_everybody_who_wants_it_gets_it_once_in_their_language(
    app: Flask, edition: Callable[..., Edition], clock: Clock
) -> None:
    make_subscriber(app, address="en@mail.example")
    make_subscriber(app, address="es@mail.example", language=Language.ES)
    make_subscriber(app, address="other@mail.example", topics=[Topic.RESEARCH])
    make_subscriber(app, Person.UNSUBSCRIBED, address="left@mail.example")
    made, sink = edition(), Sink()

    step()
    send(sink)
    assert sink.recipients == []
    clock.tick(minutes=10)
    step()
    step()
    send(sink)
    step()

    assert sorted(sink.recipients) == ["en@mail.example", "es@mail.example"]
    assert made.left_out == {service.TOPIC: 1, "stopped": 1}
    assert (made.state, progress(made).sent, progress(made).total) == (State.SENT, 2, 2)
    mails = {
        to: message_from_bytes(raw, policy=policy.default)
        for to, raw in zip(sink.recipients, sink.sent, strict=True)
    }
    assert mails["en@mail.example"]["Subject"] == "Later on Thursdays"
    assert mails["es@mail.example"]["Subject"] == "Los jueves, más tarde"
    assert [found for _id, found in proof.verify(made)] == ["same", "same"]


def test_each_mail_holds_its_readers_own_links_in_both_parts(
    app: Flask, edition: Callable[..., Edition], clock: Clock
) -> None:
    links = make_subscriber(app, address="en@mail.example")
    edition()
    sink = Sink()
    clock.tick(minutes=10)
    step()
    send(sink)

    mail = message_from_bytes(sink.sent[0], policy=policy.default)
    for kind in ("plain", "html"):
        part = mail.get_body(preferencelist=(kind,))
        assert part is not None
        assert {links["leave"], links["preferences"]} <= set(LINK.findall(part.get_content()))
    assert mail["List-Unsubscribe"] == f"<http://localhost:8000{links['leave']}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Feedback-ID"] == "march-2026:edition:newsletter"
    assert mail["Precedence"] == "bulk"
    assert (
        max(map(len, sink.sent[0].split(b"\r\n"))) <= 120
    )  # the headers with addresses, which are not folded
    assert max(map(len, sink.sent[0].partition(b"\r\n\r\n")[2].split(b"\r\n"))) <= 76


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": Person.UNSUBSCRIBED}, "stopped"),
        ({"state": Person.COMPLAINED}, "complained"),
        ({"address_key": "someone@else.example"}, "erased"),
    ],
)
def test_a_stop_between_freezing_and_handing_over_is_honoured(
    app: Flask, edition: Callable[..., Edition], clock: Clock, change: dict[str, Any], reason: str
) -> None:
    make_subscriber(app)
    made, sink = edition(), Sink()
    clock.tick(minutes=10)
    step()
    with transaction():
        person = db.session.scalars(select(Subscriber)).one()
        for name, value in change.items():
            setattr(person, name, value)

    send(sink)

    assert sink.sent == []
    assert progress(made).skipped == {reason: 1}


@pytest.mark.parametrize(
    ("choose", "reason"),
    [
        (partial(subscriptions.set_topics, topics=[Topic.RESEARCH]), "topic no longer chosen"),
        (partial(subscriptions.set_topics, topics=[]), "topic no longer chosen"),
        (partial(subscriptions.set_language, language=Language.ES), "another language chosen"),
        (partial(subscriptions.pause, days=30), "paused by choice"),
        (partial(subscriptions.leave, means=Means.ONE_CLICK), "stopped"),
    ],
)
def test_what_a_person_chose_a_moment_ago_holds_for_what_is_in_hand(
    app: Flask, edition: Callable[..., Edition], clock: Clock, choose: Callable[..., None], reason: str
) -> None:
    """Between two mails of one batch."""
    people(app, 3)
    made, sink, waits = edition(), Sink(), iter(range(9))
    clock.tick(minutes=10)
    step()

    def wait(_seconds: float) -> bool:
        if next(waits) == 0:
            with transaction():
                second = db.session.scalars(select(Subscriber).order_by(Subscriber.id).offset(1)).first()
                choose(second, network="", at=clock.at)
        return False

    hand_over(sink, Lane.BULK, wait=wait)
    step()

    assert sink.recipients == ["reader0@mail.example", "reader2@mail.example"]
    found = progress(made)
    assert (found.skipped, found.sent, found.total, made.state) == ({reason: 1}, 2, 3, State.SENT)


def test_a_pause_acts_within_one_message_and_the_numbers_always_add_up(
    app: Flask, edition: Callable[..., Edition], clock: Clock
) -> None:
    people(app, 6)
    made, sink = edition(), Sink()
    clock.tick(minutes=10)
    step()
    by = None

    def wait(_seconds: float) -> bool:
        nonlocal by
        if len(sink.sent) == 2 and by is None:
            with transaction():
                by = manager()
                service.pause(made, by=by, at=clock.at)
        return False

    hand_over(sink, Lane.BULK, wait=wait)

    found = progress(made)
    assert (found.sent, found.waiting, found.total) == (2, 4, 6)
    assert not hand_over(sink, Lane.BULK)
    with transaction():
        service.resume(made, by=manager("Lou Reed"), at=clock.at)
    send(sink)
    step()
    assert sorted(sink.recipients) == sorted(set(sink.recipients))
    assert (progress(made).sent, made.state) == (6, State.SENT)


def test_a_cancelled_edition_sends_no_more(app: Flask, edition: Callable[..., Edition], clock: Clock) -> None:
    people(app, 3)
    made, sink = edition(), Sink()
    clock.tick(minutes=10)
    step()
    with transaction():
        service.cancel(made, by=manager(), at=clock.at)

    send(sink)

    assert sink.sent == []
    assert progress(made).skipped == {"cancelled": 3}


def test_stopped_before_its_time_it_is_a_draft_and_nobody_gets_it(
    app: Flask, edition: Callable[..., Edition], clock: Clock
) -> None:
    people(app, 1)
    made = edition()
    with transaction():
        service.stop(made, by=manager(), at=clock.at)
    clock.tick(hours=1)
    step()

    assert made.state == State.DRAFT
    assert db.session.scalars(select(Delivery.id).where(Delivery.lane == Lane.BULK)).all() == []


def test_two_schedulers_at_once_freeze_it_once(
    app: Flask, edition: Callable[..., Edition], clock: Clock
) -> None:
    people(app, 2)
    made = edition()
    clock.tick(minutes=10)
    version, contents = made.version, service.written(made, clock.at)
    with transaction():
        service.begin(made, contents, version=version, at=clock.at)

    with pytest.raises(Conflict), transaction():
        service.begin(made, contents, version=version, at=clock.at)

    assert progress(made).total == 2


def test_what_begins_hours_late_is_held_for_a_person(
    app: Flask, edition: Callable[..., Edition], clock: Clock
) -> None:
    people(app, 1)
    made = edition()
    clock.tick(hours=3)
    step()
    step()

    assert made.state == State.HELD
    assert progress(made).total == 0


def test_refusals_pause_it_with_the_reason(app: Flask, edition: Callable[..., Edition], clock: Clock) -> None:
    people(app, 60)
    made = edition()
    clock.tick(minutes=10)
    step()
    asked = iter(range(1, 51))
    hand_over(Sink(*[Rejected("refused with 550")] * 10), Lane.BULK, wait=lambda _seconds: next(asked) == 50)
    step()

    assert made.state == State.PAUSED
    assert made.reason == "10 of the first 50 were refused or came back: there is no such mailbox."


@pytest.mark.parametrize(
    ("back", "excused", "pauses"),
    [
        ({"hard": 60}, 0, True),
        ({"hard": 60}, 60, False),
        ({"hard": 61}, 60, False),
        ({"hard": 76}, 60, True),
        ({"hard": 60, "complaint": 3}, 60, True),
        ({"hard": 60, "complaint": 2}, 60, False),
        ({"complaint": 3}, 3, False),
        ({"complaint": 4}, 3, True),
        ({"policy": 101}, 0, True),
        ({"policy": 110}, 101, False),
        ({"soft": 500}, 0, False),
    ],
)
def test_what_a_person_let_go_on_pauses_again_when_it_is_worse(
    back: dict[str, int], excused: int, pauses: bool
) -> None:
    found = Progress(
        waiting=1000, held=0, doubtful=0, doubted=0, sent=1000, twice=0, refused=0, skipped={}, put_off=0,
        back=back, unheard=0,
    )  # fmt: skip

    assert bool(trouble(found, excused)) is pauses


@pytest.mark.parametrize(("is_new", "state"), [(False, State.SENDING), (True, State.PAUSED)])
def test_complaints_that_a_person_saw_pause_it_no_second_time(
    app: Flask, edition: Callable[..., Edition], clock: Clock, is_new: bool, state: State
) -> None:
    """Not with one more refusal, which says nothing of them; with one more complaint, they do."""
    people(app, 20)
    made = edition()
    clock.tick(minutes=10)
    step()
    asked = iter(range(1, 11))
    hand_over(Sink(), Lane.BULK, wait=lambda _seconds: next(asked) == 10)
    complain(2, at=clock())
    step()
    assert (made.state, made.reason) == (State.PAUSED, "2 readers called it unwanted.")
    clock.tick(minutes=1)
    with transaction():
        service.resume(made, by=manager(), at=clock())
    clock.tick(minutes=1)
    complain(1, at=clock(), kind=Kind.COMPLAINT if is_new else Kind.HARD, after=2)
    step()

    assert made.state == state


def complain(count: int, *, at: datetime, kind: Kind = Kind.COMPLAINT, after: int = 0) -> None:
    """What so many readers' servers say of what they got."""
    with transaction():
        sent = select(Delivery.id).where(Delivery.state == MailState.SENT).order_by(Delivery.id)
        for delivery_id in db.session.scalars(sent.offset(after).limit(count)).all():
            told = {"kind": kind, "code": "", "said": "", "at": at, "delivery_id": delivery_id}
            db.session.add(returns.Returned(digest=f"{kind}-{delivery_id}", **told))


def test_bytes_that_were_changed_are_found(app: Flask, edition: Callable[..., Edition], clock: Clock) -> None:
    people(app, 2)
    made = edition()
    clock.tick(minutes=10)
    step()
    send(Sink())
    with transaction():
        text = made.text_in("en")
        assert text.content
        text.content = text.content.replace(b"later", b"l8ter")

    assert [found for _id, found in proof.verify(made)] == ["differs", "differs"]
    result = app.test_cli_runner().invoke(args=["newsletter", "verify", "march-2026"])
    assert (result.exit_code, result.stdout) == (1, "0 the same, 2 differ, 0 of people since erased\n")


def test_a_stale_write_is_refused_and_changes_nothing(edition: Callable[..., Edition]) -> None:
    made = edition(State.DRAFT)
    with transaction():
        by = manager()
        service.write(made, {**DRAFT, "subject_en": "First"}, version=1, by=by, at=START)

    with pytest.raises(Conflict), transaction():
        service.write(made, {**DRAFT, "subject_en": "Second"}, version=1, by=by, at=START)

    assert made.text_in("en").subject == "First"


@pytest.mark.parametrize("in_this_moment", [False, True])
def test_an_address_that_another_edition_has_is_refused(
    edition: Callable[..., Edition], monkeypatch: pytest.MonkeyPatch, in_this_moment: bool
) -> None:
    edition(State.DRAFT)
    with transaction():
        by = manager()
    if in_this_moment:  # the other one's was not there yet when it was looked for
        monkeypatch.setattr(db.session, "scalar", lambda *_: None)

    with pytest.raises(Refused, match="Another edition has this address"), transaction():
        service.write(None, DRAFT, version=0, by=by, at=START)

    assert len(service.all_editions()) == 1


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({"topics": []}, "Choose at least one topic."),
        ({"source_es": ""}, "Spanish: Write the text."),
        ({"subject_en": "Hope for fibromyalgia"}, "English: The subject names an illness"),
    ],
)
def test_what_is_not_fit_cannot_be_scheduled(
    edition: Callable[..., Edition], changes: dict[str, Any], obstacle: str
) -> None:
    made = edition(State.DRAFT, **changes)

    assert any(found.startswith(obstacle) for found in service.obstacles(made))
    with pytest.raises(Refused), transaction():
        service.schedule(made, due_at=None, version=1, by=manager(), at=START)


def test_no_sender_names_an_illness(
    app: Flask, edition: Callable[..., Edition], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, org = edition(State.DRAFT), app.extensions["settings"].ORG
    monkeypatch.setitem(org.__dict__, "name", "The Lupus Pharmacy")

    assert "Whom every mail is from names an illness: “Lupus” (ORG_NAME)." in service.obstacles(made)


def test_a_test_is_of_the_very_text_and_a_time_in_the_past_is_refused(
    edition: Callable[..., Edition],
) -> None:
    made = edition(State.DRAFT)
    with transaction():
        by = manager()
        service.send_test(made, to="mo@pharmacy.example", by=by, at=START)
    assert service.obstacles(made) == []
    with pytest.raises(Refused, match="5 minutes"), transaction():
        service.schedule(made, due_at=START - timedelta(hours=1), version=1, by=by, at=START)
    with pytest.raises(Refused, match="within a year"), transaction():
        service.schedule(made, due_at=START + timedelta(days=400), version=1, by=by, at=START)
    with transaction():
        service.write(made, {**DRAFT, "source_en": SOURCE + " More."}, version=1, by=by, at=START)

    assert service.obstacles(made) == ["English: send yourself a test of the text as it is now."]


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("# Title", "Line 1: The subject is the title: begin headings with ##"),
        ("## A\n\n#### B", "Line 3: A heading of level 4 follows one of level 2"),
        (
            "a\n\n![x](https://a.example/x.png)",
            "Line 3: Show one of our pictures: copy its line",
        ),
        ("[click here](https://a.example)", "Line 1: The link “click here” does not say where it leads"),
        (
            "[our hours](https://a.example/help-for-chronic-pain)",
            "Line 1: The address of the link “our hours” names an illness: “pain”",
        ),
        ("[our hours](http://a.example)", "Line 1: The link “our hours” must begin with https://"),
        ("[our hours](https://bit.ly/x)", "Line 1: The link “our hours” is shortened: give the real address"),
        (
            "one\ntwo [our hours](https://a.example/?utm_source=x)",
            "Line 2: The link “our hours” follows its readers: take the tracking out",
        ),
        (
            "one [our hours](https://a.example/#utm_source=x)",
            "Line 1: The link “our hours” follows its readers: take the tracking out",
        ),
        (
            "[our hours](https://us:secret@a.example/)",
            "Line 1: The link “our hours” holds a name or a password before its host",
        ),
        (
            "one\n\n[our hours](https://a.example/a b)",
            "Line 3: A link is not read as one: its address has a blank in it, or is none",
        ),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "Line 2: A table is not shown as one: write a list"),
        ("Open <b>late</b>", "Line 1: “<b>” is shown as it is typed"),
        ("Dear {{name}}", "Line 1: “{{name}}” was left over"),
        ("It cures.", "Line 1: “cures” promises more than we may"),
        ("[Read more!](https://a.example)", "Line 1: The link “Read more!” does not say where it leads"),
        ("[see\nhere](http://a.example)", "Line 1: The link “see here” must begin with https://"),
        ("[ours](https://go.bit.ly/x)", "Line 1: The link “ours” is shortened: give the real address"),
        (
            "[ours](https://a.example/x?igsh=1)",
            "Line 1: The link “ours” follows its readers: take the tracking out",
        ),
        (
            "[ours](https://a.example/;utm_id=1)",
            "Line 1: The link “ours” follows its readers: take the tracking out",
        ),
        (
            "[ours](https://a.example/?q=no+pain)",
            "Line 1: The address of the link “ours” names an illness: “pain”",
        ),
        *(
            (
                f"[ours]({address})",
                "Line 1: The link “ours” leads nowhere: its address has no host that can be",
            )
            for address in (
                "https://[bad/",
                "https://a.example:99999/",
                "https://intranet/x",
                "https://a..example",
            )
        ),
        ("[ours](mailto:)", "Line 1: The link “ours” leads nowhere"),
        ("See https://a.example/?utm_source=x", "Line 1: An address stands alone: write [words](address)"),
        ("See\n<https://a.example>", "Line 2: An address stands alone: write [words](address)"),
        ("a\n\n## ", "Line 3: A heading says nothing"),
        ("* one\n" * 7000, "The mail is 97 KB; mail programs cut what is over 90"),
    ],
)
def test_the_checks_name_the_line(source: str, finding: str) -> None:
    assert finding in [str(found) for found in rendering.findings("Subject", "Preview", source)]


@pytest.mark.parametrize(
    "source",
    [
        "`a](b)` and `<b>`",
        "    | a |\n    |---|",
        "See [1] (page 2), 5 < 6.",
        "[our page](https://a.example/a_(b))",
        "[our hours](https://müller.example/Übersicht?q=ä#ö)",
        "[write to us](mailto:office@pharmacy.example) or [call](tel:+19255550100)",
        "[the institute](https://www.cancer.example/a?page=2&lang=es#part)",
        "***",
    ],
)
def test_what_is_meant_as_it_stands_is_let_through(source: str) -> None:
    assert rendering.findings("Subject", "Preview", source) == []


def test_the_frame_of_a_mail_is_no_larger_than_is_counted(
    context: Flask, edition: Callable[..., Edition]
) -> None:
    longest = "x" * 150
    heads = {f"{name}_{word}": longest for name in ("subject", "preview") for word in Language}
    made = edition(State.DRAFT, **heads, paid="yes", paid_by="y" * 100)
    for language in Language:
        whole = preview.html(made, language).encode()
        text = rendering.styled(rendering.html(made.text_in(language).source)).encode()
        assert rendering.FRAME / 2 < len(whole) - len(text) < rendering.FRAME


def test_it_is_read_aloud_as_its_html_is_built(context: Flask, edition: Callable[..., Edition]) -> None:
    source = (
        SOURCE
        + "\n\n* loose\n\n* list\n\n3. three\n4. four\n   * inner\n\n![A hill](x)\n\n> said\n\n---\n\nEnd."
    )
    said = preview.aloud(preview.html(edition(State.DRAFT, source_en=source), Language.EN)).splitlines()

    begin = said.index("heading level 1: Later on Thursdays")
    assert said[begin + 1 : said.index("End.") + 1] == [
        "New opening hours", "heading level 2: Hours", "We are open later on Thursdays.",
        "list with 2 items", "bullet: one", "bullet: two", "out of list",
        "See link: our opening hours.",
        "list with 2 items", "bullet: loose", "bullet: list", "out of list",
        "list with 2 items", "3. three", "4. four", "list with 1 item", "bullet: inner", "out of list", "out of list",
        "graphic: A hill", "block quote: said", "separator", "End.",
    ]  # fmt: skip
    assert said[-1].startswith("This is general information") and "link: Stop all emails" in said


def test_once_it_is_frozen_what_was_frozen_is_shown(
    context: Flask, edition: Callable[..., Edition], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = edition()
    clock.tick(minutes=10)
    step()
    as_frozen = preview.html(made, Language.EN), preview.text(made, Language.EN)
    monkeypatch.setattr(rendering, "html", lambda *_: "another version renders it otherwise")

    assert (preview.html(made, Language.EN), preview.text(made, Language.EN)) == as_frozen
    assert as_frozen[1].startswith("From: ") and "\nSubject: Later on Thursdays\n\nLater" in as_frozen[1]


def test_a_pause_in_the_moment_it_is_looked_after_is_no_fault(
    app: Flask, edition: Callable[..., Edition], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = edition()
    clock.tick(minutes=10)
    step()
    count = service.progress

    def paused_meanwhile(edition: Edition) -> Any:
        db.session.execute(update(Edition).values(state=State.PAUSED))
        return count(edition)

    monkeypatch.setattr(service, "progress", paused_meanwhile)
    step()

    assert made.state == State.SENDING, "what was written in that transaction is undone"


def test_the_plain_text_says_what_the_html_says() -> None:
    source = (
        "## Hours\n\nOpen *later* on [Thursdays](https://a.example/t).\n\n1. one\n2. two\n   * in it\n\n> said"
        "\n\n<b>raw</b>"
    )

    assert rendering.plain(source) == (
        "Hours\n=====\n\nOpen later on Thursdays [1].\n\n1. one\n\n2. two\n\n  * in it\n\nsaid\n\n<b>raw</b>\n\n"
        "[1] https://a.example/t"
    )
    assert "&lt;b&gt;raw" in rendering.html(source)


@pytest.mark.parametrize("language", Language)
def test_no_line_of_the_text_is_longer_than_72_but_a_link(
    app: Flask, edition: Callable[..., Edition], clock: Clock, language: Language
) -> None:
    make_subscriber(app, language=language)
    longest = ("a day-to-day matter of ours " * 6)[:150]
    heads = {f"{name}_{word}": longest for name in ("subject", "preview") for word in Language}
    edition(**heads, paid="yes", paid_by="A company with a name that is quite long enough for one line")
    clock.tick(minutes=10)
    step()
    sink = Sink()
    send(sink)

    part = message_from_bytes(sink.sent[0], policy=policy.default).get_body(("plain",))
    assert part is not None
    lines = part.get_content().splitlines()
    paragraphs = "\n".join(lines).split("\n\n")
    assert "Hours\n=====" in paragraphs if language == Language.EN else "Horario\n=======" in paragraphs
    assert re.match(r"This is general|Esto es información general", paragraphs[-1])
    assert [line for line in lines if len(line) > 72 and not line.startswith("http")] == []
    assert " ".join(longest.split()) in " ".join(" ".join(lines).split())
    assert len([line for line in lines if line.startswith("http")]) == 3, "each whole"


def test_what_is_held_though_the_pause_is_over_goes_and_what_was_given_up_may_go_again(
    app: Flask, edition: Callable[..., Edition], clock: Clock
) -> None:
    people(app, 2)
    made, sink = edition(), Sink(Rejected("refused with 550"))
    clock.tick(minutes=10)
    step()
    with transaction():
        mail.hold(made.cause, at=clock.at)
    send(sink)
    assert sink.sent == []
    step()
    send(sink)
    step()
    assert (made.state, progress(made).refused) == (State.SENT, 1)

    with transaction():
        lanes.revive(clock.at)
    send(sink)

    assert (progress(made).sent, progress(made).refused) == (2, 0)


def test_what_was_signed_is_proved_without_its_key(
    app: Flask,
    edition: Callable[..., Edition],
    clock: Clock,
    change_settings: Callable[..., None],
    tmp_path: Path,
) -> None:
    key = write_key(tmp_path / "dkim.key", KEYS["rsa"])
    change_settings(DKIM_KEY_FILE=key, DKIM_SELECTOR="m", DKIM_DOMAIN="localhost")
    people(app, 2)
    made = edition()
    clock.tick(minutes=10)
    step()
    sink = Sink()
    send(sink)

    assert all(mail.startswith(b"DKIM-Signature: ") for mail in sink.sent)
    change_settings(DKIM_KEY_FILE=None)
    assert [found for _id, found in proof.verify(made)] == ["same", "same"]


def test_the_page_says_how_fast_it_goes_and_what_limits_it(
    context: Flask, edition: Callable[..., Edition], clock: Clock, change_settings: Callable[..., None]
) -> None:
    def said() -> str:
        return what_limits(made, course.pace(made.cause, clock.at), clock.at)

    change_settings(MAIL_RATE_PER_SECOND=0.5)
    people(context, 90)
    made = edition()
    clock.tick(minutes=10)
    step()
    assert said() == "No worker has taken any for a minute. Is one running?"

    def wait(seconds: float) -> bool:
        clock.tick(seconds=seconds)
        return False

    for _ in range(4):
        hand_over(Sink(), Lane.BULK, wait=wait)
    assert said() == "Our own limit of 0.5 a second, of all workers together (MAIL_RATE_PER_SECOND)."
    change_settings(MAIL_RATE_PER_SECOND=0)
    assert said().startswith("The mail server: One worker is at it, ")
    clock.tick(minutes=2)
    bulk = next(job for job in JOBS if job.name == "mail.bulk")
    jobs.put_off(bulk, "the mail server cannot be reached", worker="w", at=clock.at)
    assert said() == "Nothing goes: the mail server cannot be reached."
    with transaction():
        service.pause(made, by=manager(), at=clock.at)
    assert said() == "It is paused."


def test_who_pays_is_said_before_it_is_sent_and_to_its_readers(
    context: Flask, edition: Callable[..., Edition], clock: Clock
) -> None:
    with transaction():
        by = manager("Lou Reed")
        made = service.write(None, {**DRAFT, "slug": "x", "paid": None}, version=0, by=by, at=START)
        service.send_test(made, to=by.email, by=by, at=START)
    assert service.obstacles(made) == ["Say whether a third party pays for this edition."]
    with transaction():
        nobody = {**DRAFT, "slug": "x", "paid": "yes", "paid_by": " "}
        service.write(made, nobody, version=made.version, by=by, at=START)
    assert service.obstacles(made) == ["Name who pays for this edition."]
    with transaction():
        paid = {**DRAFT, "slug": "x", "paid": "yes", "paid_by": "Acme, Inc."}
        service.write(made, paid, version=made.version, by=by, at=START)
    assert "English: send yourself a test of the text as it is now." in service.obstacles(made)

    make_subscriber(context, address="en@mail.example")
    make_subscriber(context, address="es@mail.example", language=Language.ES)
    edition(paid="yes", paid_by="Acme, Inc.")
    clock.tick(minutes=10)
    step()
    sink = Sink()
    send(sink)
    for raw, words in zip(
        sink.sent,
        ("This edition was paid for by Acme, Inc.", "Esta edición fue pagada por Acme, Inc."),
        strict=True,
    ):
        mail = message_from_bytes(raw, policy=policy.default)
        for kind in ("plain", "html"):
            part = mail.get_body(preferencelist=(kind,))
            assert part is not None and words in part.get_content()
    assert "paid for by Acme" in archive.page("march-2026", Language.EN).html


def test_the_managers_are_told_when_the_portal_pauses_it(
    app: Flask, edition: Callable[..., Edition], clock: Clock
) -> None:
    people(app, 60)
    made = edition()
    with transaction():
        lou, _ada = manager("Lou Reed"), world.employ("Ada Moss", "pharmacist")
    clock.tick(minutes=10)
    step()
    asked = iter(range(1, 51))
    hand_over(Sink(*[Rejected("refused with 550")] * 10), Lane.BULK, wait=lambda _seconds: next(asked) == 50)
    step()
    sink = Sink()
    while hand_over(sink, Lane.NOW):
        pass

    told = {to: raw for to, raw in zip(sink.recipients, sink.sent, strict=True) if b"was paused" in raw}
    assert set(told) == {"grace.hall@pharmacy.example", lou.email}
    assert b"10 of the first 50 were refused" in told[lou.email].replace(b"=\r\n", b"")
    with transaction():
        service.resume(made, by=lou, at=clock.at)
        service.pause(made, by=lou, at=clock.at)
    assert not hand_over(Sink(), Lane.NOW), "who pressed it knows it"
