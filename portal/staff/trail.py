"""The audit trail: read, filtered, looked through and taken away as CSV, by managers; that too is in the trail."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select, tuple_
from wtforms import DateField, Form, SearchField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs

from portal import addresses, audit, jobs, web
from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.errors import Refused
from portal.intake.reference import normalise
from portal.people import accounts
from portal.people.rights import Right
from portal.seals import jobs as seals
from portal.settings import settings
from portal.signin.gate import current, guarded
from portal.staff import naming
from portal.text import as_cell

bp = guarded("audit", Right.AUDIT, fresh=True)

ENTRIES = 50  # on one page
MOST_EXPORTED = 100_000  # rows
PORTAL = "portal"
SUBJECT_MAX = 120
COLUMNS = (
    AuditEntry.id,
    AuditEntry.at,
    AuditEntry.actor_id,
    AuditEntry.actor_name,
    AuditEntry.action,
    AuditEntry.subject,
    AuditEntry.detail,
)


class FilterForm(Form):
    """Which entries; all of it stands in the address."""

    person = SelectField("Who", validate_choice=False)
    act = SelectField("What", validate_choice=False)
    subject = SearchField("About", description="A reference, or user:7")
    since = DateField("From")
    until = DateField("To")


@dataclass(frozen=True)
class Filters:
    """What narrows the trail; what an address says and means nothing is left out."""

    person: str = ""
    act: str = ""
    subject: str = ""
    since: date | None = None
    until: date | None = None

    @classmethod
    def parse(cls, args: Mapping[str, str]) -> Filters:
        """Those of an address."""
        person, act = args.get("person", ""), args.get("act", "")
        subject = args.get("subject", "").strip()[:SUBJECT_MAX]
        is_person = person == PORTAL or (person.isascii() and person.isdigit() and len(person) < 10)
        return cls(
            person if is_person else "",
            act if act in naming.ACTIONS else "",
            f"request:{normalise(subject) or subject.upper()}" if subject and ":" not in subject else subject,
            _day(args.get("since", "")),
            _day(args.get("until", "")),
        )

    @property
    def args(self) -> dict[str, Any]:
        """As an address has them."""
        said = {
            "person": self.person,
            "act": self.act,
            "subject": self.subject.removeprefix("request:"),
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
        }
        return {name: value for name, value in said.items() if value}

    def query(self) -> Any:
        """The entries, newest first."""
        query = select(*COLUMNS).order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        if self.person:
            query = query.where(AuditEntry.actor_id == (None if self.person == PORTAL else int(self.person)))
        if self.act:
            query = query.where(AuditEntry.action == self.act)
        if self.subject:
            query = query.where(AuditEntry.subject == self.subject)
        if self.since:
            query = query.where(AuditEntry.at >= _midnight(self.since))
        if self.until:
            query = query.where(AuditEntry.at < _midnight(self.until + timedelta(days=1)))
        return query


@bp.get(addresses.STAFF_AUDIT, endpoint="audit")
def show() -> ResponseReturnValue:
    """Who did what, newest first; reading it is recorded, as opening a request is (decision 0010)."""
    filters, after = Filters.parse(request.args), request.args.get("after", "")
    query, is_later_page = filters.query().limit(ENTRIES + 1), False
    if after.isascii() and after.isdigit() and len(after) < 10:
        last = db.session.execute(select(AuditEntry.at, AuditEntry.id).where(AuditEntry.id == int(after)))
        if (row := last.one_or_none()) is not None:
            query, is_later_page = (
                query.where(tuple_(AuditEntry.at, AuditEntry.id) < tuple_(row.at, row.id)),
                True,
            )
    entries = list(db.session.execute(query))
    if request.method == "GET":
        with transaction():
            audit.record(current(), "audit.opened", "audit", at=now())
    more, entries = len(entries) > ENTRIES, entries[:ENTRIES]
    about = naming.namer(entry.subject for entry in entries)
    return web.private(
        web.page(
            "staff/audit.html",
            entries=[naming.in_words(entry, about) for entry in entries],
            form=None,
            filter_form=_form(filters),
            filtered=bool(filters.args),
            newest=url_for(".audit", **filters.args) if is_later_page else None,
            next=url_for(".audit", after=entries[-1].id, **filters.args) if more else None,
            export=url_for(".export", **filters.args),
            look=seals.last_look(),
            asked="looked" in request.args,
        )
    )


@bp.post(f"{addresses.STAFF_AUDIT}/export")
def export() -> ResponseReturnValue:
    """The entries that match, newest first, as CSV: the words of the trail, none of them a formula."""
    filters, text = Filters.parse(request.args), io.StringIO()
    rows = list(db.session.execute(filters.query().limit(MOST_EXPORTED + 1)))
    if len(rows) > MOST_EXPORTED:
        raise Refused(f"That is more than {MOST_EXPORTED:,} entries: choose fewer days.")
    table = csv.writer(text)
    table.writerow(("number", "at", "actor", "actor_name", "action", "subject", "detail"))
    for row in rows:
        number, at, actor, *words = row
        table.writerow((number, at.isoformat(), "" if actor is None else actor, *map(as_cell, words)))
    with transaction():
        audit.record(current(), "audit.exported", "audit", at=now(), detail=str(len(rows)))
    response = make_response(text.getvalue())
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return web.private(response)


@bp.post(f"{addresses.STAFF_AUDIT}/verify")
def verify() -> ResponseReturnValue:
    """Have the worker look through the whole trail at once."""
    with transaction():
        jobs.hasten(seals.CHECK, at=now())
    return redirect(url_for(".audit", looked=1), 303)


def _form(filters: Filters) -> FilterForm:
    form = FilterForm(
        data={
            "person": filters.person,
            "act": filters.act,
            "subject": filters.subject.removeprefix("request:"),
            "since": filters.since,
            "until": filters.until,
        }
    )
    people = sorted((user.name, str(user.id)) for user in accounts.people())
    form.person.choices = [
        SelectChoice("", "Anyone"),
        SelectChoice(PORTAL, "The portal"),
        *(SelectChoice(number, name) for name, number in people),
    ]
    acts = sorted((label, word) for word, label in naming.ACTIONS.items())
    form.act.choices = [SelectChoice("", "Anything"), *(SelectChoice(word, label) for label, word in acts)]
    return form


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed) if len(typed) == 10 and "1970" <= typed[:4] < "9999" else None
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    """When a day of the pharmacy begins."""
    return datetime.combine(day, time(), settings().ORG.timezone).astimezone(UTC)
