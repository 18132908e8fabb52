"""An edition from the first word to its last bounce, to thousands, as it happens: written in the browser in two
languages, sent by real processes through a real SMTP sink, the worker killed in the middle, its page watched.

Minutes long, so it is in the long form alone (`make faults`). Its ten minutes before sending are not waited for: the
moment is moved in the database.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from sqlalchemy import insert, select, text

from portal import tokens
from portal.db import db, transaction
from portal.mail import deliver
from portal.mail.models import Lane
from portal.newsletter import letters
from portal.newsletter.models import Language, Subscriber, Subscription
from tests.editions.conftest import DRAFT
from tests.figures import Figure, is_full
from tests.journeys import rounds
from tests.journeys.conftest import Person
from tests.journeys.test_browser import Member
from tests.journeys.test_edition_kills import inside
from tests.live import Browserless, Live
from tests.mail.test_dsn import failed

pytestmark = [
    pytest.mark.browser,
    pytest.mark.kill,
    pytest.mark.xdist_group("kill"),
    pytest.mark.skipif(not is_full(), reason="in `make faults`"),
]

PEOPLE = 5000
EACH = 0.004  # seconds that the server takes at least, so that there is a middle to look at
REFUSED, BOUNCED = range(0, PEOPLE, 250), range(1, PEOPLE, 200)  # readers' numbers: at the door, and later
UNKNOWN = "550 5.1.1 no such user"
PARTS = ("Waiting", "Sent", "Refused", "Doubtful: in the hands of a worker that died", "Skipped")
WITHIN = 600.0  # seconds, generous: the machine may be busy


class Sink(rounds.Sink):
    """A mail server that takes its time, refuses some, and knows where each mail is to come back to."""

    def __init__(self) -> None:
        super().__init__()
        self.returns: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if _number(address) in REFUSED:
            return UNKNOWN
        envelope.rcpt_tos.append(address)
        return "250 he is here"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        await asyncio.sleep(EACH)
        self.returns[envelope.rcpt_tos[0]] = envelope.mail_from
        return await super().handle_DATA(server, session, envelope)

    @property
    def readers(self) -> int:
        """How many of them have it."""
        return sum(_number(to) is not None for to in list(self.returns))


def _number(address: str) -> int | None:
    found = re.fullmatch(r"reader(\d+)@mail\.example", address)
    return int(found[1]) if found else None


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Live, Sink]]:
    """Web server and worker, a sink, and a mailbox for what comes back."""
    (tmp_path / "back" / "new").mkdir(parents=True)
    with Sink() as sink:
        portal = Live(
            tmp_path / "instance",
            SMTP_URL=sink.url,
            ORG_ADDRESS="1 Main Street",
            BOUNCE_DOMAIN="back.example",
            BOUNCE_MAILDIR=str(tmp_path / "back"),
        ).migrate()
        portal.start_web()
        portal.start_worker()
        yield portal, sink
        portal.stop()


def people(count: int) -> None:
    """So many subscribers, half of them reading Spanish."""
    at, rows = datetime.now(UTC), list[dict[str, Any]]()
    for number in range(count):
        address, handle = f"reader{number}@mail.example", tokens.new_token()
        digests = {
            f"{name}_digest": tokens.digest(letters.secret(name, handle)) for name in ("leave", "preferences")
        }
        named = {"address": address, "address_key": address, "handle": handle, **digests}
        language = list(Language)[number % 2]
        rows.append({**named, "language": language, "state": "active", "created_at": at, "confirmed_at": at})
    with transaction():
        db.session.execute(insert(Subscriber), rows)
        chosen = select(Subscriber.id, text("'news'"), text("'chosen'"), Subscriber.created_at)
        names = ["subscriber_id", "topic", "state", "changed_at"]
        db.session.execute(insert(Subscription).from_select(names, chosen))


@contextmanager
def visits(live: Live) -> Iterator[list[float]]:
    """Somebody who opens the form for the newsletter again and again while the block runs: the seconds of each."""
    took, is_over = list[float](), threading.Event()

    def visit() -> None:
        visitor = Browserless(live.port, "10.1.2.3")
        while not is_over.wait(0.05):
            began = time.perf_counter()
            assert visitor.ask("GET", "/newsletter").status == 200
            took.append(time.perf_counter() - began)

    visiting = threading.Thread(target=visit)
    visiting.start()
    yield took
    is_over.set()
    visiting.join()


class Watcher:
    """Who looks at the edition's page, and holds it against what the sink has."""

    def __init__(self, grace: Person, sink: Sink) -> None:
        self.grace, self.sink, self.looks, self.sent = grace, sink, 0, 0

    def look(self) -> dict[str, str]:
        """What it says now: its parts are the total, and it neither boasts nor hides more than a batch."""
        before = self.sink.readers
        self.grace.page.reload()
        after = self.sink.readers
        found = self.facts()
        counts = {name: _count(found[name]) for name in PARTS}
        assert sum(counts.values()) == int(found["Together"]) == PEOPLE, counts
        assert counts["Sent"] <= after, "nothing is called sent that the server does not have"
        assert before - counts["Sent"] - counts[PARTS[3]] <= deliver.BATCH[Lane.BULK], counts
        assert counts["Sent"] >= self.sent, "what was sent stays so"
        self.looks, self.sent = self.looks + 1, counts["Sent"]
        return found

    def until(self, name: str, words: str) -> dict[str, str]:
        """Look until it says so."""
        end = time.monotonic() + WITHIN
        while (found := self.look()).get(name) != words:
            assert time.monotonic() < end, str(found)
        return found

    def facts(self) -> dict[str, str]:
        """Each name and what stands beside it."""
        read = "all => all.map(one => [one.innerText, one.nextElementSibling.innerText])"
        return dict(self.grace.page.locator("main dt").evaluate_all(read))


def _count(words: str) -> int:
    return sum(int(number) for number in re.findall(r"\d+", words))


def test_an_edition_goes_out_while_its_worker_is_killed_and_its_bounces_are_read(
    live: tuple[Live, Sink], browser: Browser, figure: Figure
) -> None:
    portal, sink = live
    with inside(portal):
        people(PEOPLE)
    context = browser.new_context(reduced_motion="reduce")
    grace = Person(context, portal)
    Member(portal, "grace@pharmacy.example", "Grace Park", "manager").join(grace)
    page = write(grace)
    grace.press(f"Send to {PEOPLE} people").sees("It is scheduled.").check()
    move_forward(portal)

    watcher = Watcher(grace, sink)
    with visits(portal) as took:
        await_(lambda: sink.readers > PEOPLE / 3)
        grace.open(page)
        watcher.look()
        portal.kill("worker")
        had = sink.readers
        watcher.look()
        assert watcher.look()["State"] == "Sending"
        assert sink.readers == had < PEOPLE
        portal.start_worker()
        found = watcher.until("State", "Sent")

    got = [to for to in sink.returns if _number(to) is not None]
    assert len(got) == PEOPLE - len(REFUSED), "nobody is missed"
    assert (found["Sent"], found["Refused"]) == (str(len(got)), str(len(REFUSED)))
    assert int(found.get("Of those sent, perhaps twice") or 0) <= deliver.BATCH[Lane.BULK]
    told = portal.flask("newsletter", "verify", DRAFT["slug"])
    assert told.strip() == f"{len(got)} the same, 0 differ, 0 of people since erased"

    for number in BOUNCED:
        bounce(portal, sink.returns[f"reader{number}@mail.example"], number)
    portal.flask("jobs", "run", "mail.returns", check=False)
    back = len(REFUSED) + len(BOUNCED)
    watcher.until("Came back: no such mailbox", str(back))
    grace.check()
    grace.open("/staff/subscribers?state=bounced").sees(f"{back}")
    context.close()
    took.sort()
    figure("an edition in the browser: looks at its page, each true", watcher.looks, f"of {PEOPLE} readers")
    figure("the newsletter's form while it is sent, median", statistics.median(took) * 1000, "ms")
    figure("the newsletter's form while it is sent, p99", took[len(took) * 99 // 100] * 1000, "ms")


def write(grace: Person) -> str:
    """From an empty form to an edition that may go, and its page."""
    grace.open("/staff/editions").follow("Write an edition")
    for name, words in DRAFT.items():
        if isinstance(words, str) and name not in ("paid", "paid_by"):
            grace.page.locator(f"main [name='{name}']").fill(words)
    grace.page.locator("[name='topics'][value='news']").check()
    grace.page.locator("[name='paid'][value='no']").check()
    grace.press("Save the draft").sees("The draft is saved.").check()
    grace.press("Send me a test").sees("A test in each language is on its way to you.").check()
    return grace.page.url.partition("?")[0]


def move_forward(portal: Live) -> None:
    """Ten minutes have passed."""
    with closing(sqlite3.connect(portal.folder / "portal.db", timeout=30)) as database, database:
        database.execute("UPDATE edition SET due_at = ?", [f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"])


def bounce(portal: Live, to: str, number: int) -> None:
    """Its server says later that there is no such mailbox."""
    told = failed(UNKNOWN, "5.1.1").replace(b"b+q.abcdefgh@back.example", to.encode())
    name = Path(portal.env["BOUNCE_MAILDIR"]) / "new" / f"1.{number}.mail"
    name.write_bytes(f"X-Number: {number}\n".encode() + told)


def await_(found: Any) -> None:
    """Wait for it, however slow the machine is."""
    end = time.monotonic() + WITHIN
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)
