"""Reports: how much came, how quickly it was answered, what is left; and the rows behind it, as CSV.

Each number opens the list of just the rows that it counts. At the desk one sees one's own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from babel.dates import format_date
from flask import Response, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from wtforms import BooleanField, DateField, Form, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its stubs

from portal import addresses, audit, web
from portal.clock import now
from portal.db import db, transaction
from portal.desk import figures, finding, narrowing
from portal.desk import search as queue
from portal.desk.figures import Report
from portal.desk.filters import Filters
from portal.errors import Refused
from portal.intake import kinds
from portal.intake.models import Kind, Request
from portal.npi.verdicts import WORDS as VERDICTS
from portal.people import accounts
from portal.people.models import User
from portal.people.rights import Right
from portal.settings import settings
from portal.signin.gate import current, guarded, keeps_text
from portal.staff import drawing
from portal.staff.forms import DeskForm, choices
from portal.text import as_cell

bp = guarded("reports", Right.WORK)
rows_bp = guarded("report_rows", Right.EXPORT_REQUESTS, fresh=True)

PLACE = addresses.STAFF_REPORTS
WEEKS = ("4", "8", "13", "26")
MOST_ROWS = 20_000
MOST_NAMED = 50  # requests on the page of a week
AS_TEXT = ("npi", "phone")  # a spreadsheet would make numbers of them
REASONS = {
    "quality": "To look at how we answer",
    "law": "A law or an authority asks for it",
    "asked": "The prescriber asked for it",
}
GIVE_REASON = "Say why what was typed freely is to be in the file"


class DaysForm(Form):
    """Which weeks."""

    weeks = SelectField("Weeks", choices=[SelectChoice(each, each) for each in WEEKS])
    until = DateField("To")


class ExportForm(DeskForm):
    """What is in the file."""

    honeypot = None
    with_text = BooleanField("With what was typed freely: questions, notes and postal addresses")
    reason = SelectField("Why", choices=choices({"": "–"} | REASONS), validate_choice=False)


@bp.get(PLACE)
def reports() -> ResponseReturnValue:
    """The figures of some weeks."""
    by, (weeks, since, until) = current(), _days()
    report = _report(by, since, until)
    return web.private(
        web.page(
            "staff/reports.html",
            form=None,
            days_form=DaysForm(data={"weeks": weeks, "until": until}),
            report=report,
            since=since,
            until=until,
            figures=_figures(report),
            is_own=not by.may(Right.ALL_REPORTS),
            address=_address,
            short=_short,
            week=url_for(".week", of=until.isoformat()),
            file=url_for(".as_csv", weeks=weeks, until=until.isoformat()),
            rows=_address(report.whole.filters, "report_rows.export")
            if by.may(Right.EXPORT_REQUESTS)
            else None,
        )
    )


@bp.get(f"{PLACE}/week")
def week() -> ResponseReturnValue:
    """What happened in one week, on one page that prints."""
    by, at = current(), now()
    begins = figures.monday(narrowing.day(request.args.get("of", "")) or _today())
    spans = [(begins - timedelta(days=back), begins - timedelta(days=back - 6)) for back in (0, 7)]
    this, before = (_report(by, *span) for span in spans)
    owner = _owner(by)
    became = [figures.became(*span, me=by.id, owner=owner, at=at) for span in spans]
    called = [figures.called(*span, me=by.id, owner=owner, at=at) for span in spans]
    late = figures.late(me=by.id, owner=owner, at=at)
    named = queue.listing(late.filters, by=by, at=at, limit=MOST_NAMED).rows if late.number else []
    lines = [*zip(*became, strict=True), (this.weeks[0].kept, before.weeks[0].kept),
             (this.weeks[0].missed, before.weeks[0].missed), (this.answered[""], before.answered[""]),
             (called[0], called[1])]  # fmt: skip
    return web.private(
        web.page(
            "staff/report_week.html",
            form=None,
            begins=begins,
            ends=spans[0][1],
            lines=lines,
            times=[(kind, this.times[word], before.times[word]) for word, kind in _kinds()],
            backlog=this.backlog,
            late=late,
            named=named,
            this=this,
            address=_address,
            is_own=not by.may(Right.ALL_REPORTS),
            earlier=url_for(".week", of=(begins - timedelta(days=7)).isoformat()),
            later=url_for(".week", of=(begins + timedelta(days=7)).isoformat())
            if spans[0][1] < _today()
            else None,
        )
    )


@bp.get(f"{PLACE}/figures.csv")
def as_csv() -> ResponseReturnValue:
    """All the numbers of the page."""
    _weeks, since, until = _days()
    report = _report(current(), since, until)
    lines: list[tuple[str, str, Any]] = []
    for each in report.weeks:
        first = each.begins.isoformat()
        lines += [(f"Received: {count.label}", first, count.number) for count in each.by_kind.values()]
        lines += [("Answered in time", first, each.kept.number), ("Late", first, each.missed.number)]
        lines += [("First answers", first, each.answered.number)]
        lines += [("First answer, hours, median", first, _hours(each.times.median)),
                  ("First answer, hours, 9 of 10", first, _hours(each.times.p90))]  # fmt: skip
    for figure, counts in (("Topic", report.topics), ("Owner", report.people), ("Registry", report.verdicts),
                           ("Calls", report.calls), ("Open, by age", report.backlog)):  # fmt: skip
        lines += [(figure, count.label, count.number) for count in counts]
    return _file("figures.csv", ("Figure", "Week or what", "Number"), lines)


@rows_bp.route(f"{PLACE}/rows", methods=["GET", "POST"])
@keeps_text
def export() -> ResponseReturnValue:
    """The requests of a list, as CSV; what was typed freely for managers alone, who say why."""
    by, filters, form = current(), Filters.parse(request.args), ExportForm()
    if not any(request.args.values()):
        return redirect(url_for("reports.reports"), 303)
    may_text = by.may(Right.EXPORT_WORDS)
    wanted = queue.conditions(filters, by.id, now(), finding.reads(by))
    query = select(Request, User.name).outerjoin(User, User.id == Request.owner_id).where(*wanted)
    query = query.order_by(Request.received_at, Request.id)
    if form.validate_on_submit():
        with_text, reason = may_text and bool(form.with_text.data), form.reason.data or ""
        if with_text and reason not in REASONS:
            form.refuse("reason", GIVE_REASON)
        else:
            found: Any = db.session.execute(query.limit(MOST_ROWS + 1)).all()
            if len(found) > MOST_ROWS:
                raise Refused(f"That is more than {MOST_ROWS:,} requests: choose fewer days.")
            heads, rows = _rows(found, with_text=with_text)
            with transaction():
                detail = f"{len(rows)}, {reason}" if with_text else str(len(rows))
                audit.record(by, "requests.exported", "requests", at=now(), detail=detail)
            return _file("requests.csv", heads, rows)
    some = query.with_only_columns(Request.id).order_by(None).limit(MOST_ROWS + 1).subquery()
    total = db.session.scalar(select(func.count()).select_from(some)) or 0
    context: dict[str, Any] = {"total": total, "most": MOST_ROWS, "filters": filters}
    context |= {"may_text": may_text, "back": _address(filters)}
    return web.private(web.page("staff/report_export.html", form=form, **context))


def _report(by: User, since: date, until: date) -> Report:
    people = {str(user.id): user.name for user in accounts.people()}
    return figures.report(
        since, until, me=by.id, owner=_owner(by), people=people, at=now(), org=settings().ORG
    )


def _owner(by: User) -> str:
    return "" if by.may(Right.ALL_REPORTS) else "me"


def _short(day: date) -> str:
    return str(format_date(day, "MMM d", locale="en"))


def _today() -> date:
    return now().astimezone(settings().ORG.timezone).date()


def _days() -> tuple[str, date, date]:
    """How many weeks, their first day and their last, of an address; what it says wrongly is left out."""
    weeks = request.args.get("weeks", "")
    weeks = weeks if weeks in WEEKS else WEEKS[1]
    until = narrowing.day(request.args.get("until", "")) or _today()
    return weeks, figures.monday(until) - timedelta(days=7 * (int(weeks) - 1)), until


def _address(filters: Filters, page: str = "queue.requests") -> str:
    args: dict[str, Any] = filters.args()
    return url_for(page, **args)


def _kinds() -> list[tuple[str, str]]:
    return [("", "All"), *((kind.value, kinds.KINDS.get(kind.value).label) for kind in Kind)]  # type: ignore[union-attr]


def _figures(report: Report) -> dict[str, Any]:
    """Each picture by its name."""
    weeks = report.weeks
    labels = [_short(each.begins) for each in weeks]
    said = f"from {weeks[0].begins} to {weeks[-1].ends}"
    drawn: dict[str, Any] = {
        f"volume-{kind.value}": drawing.columns(
            f"volume-{kind.value}",
            f"Received by week: {label.lower()}",
            f"One column for each week {said}. The numbers stand in the table.",
            [(on, each.by_kind[kind].number) for on, each in zip(labels, weeks, strict=True)],
        )
        for kind, label in ((Kind(word), label) for word, label in _kinds() if word)
    }
    drawn["times"] = drawing.lines(
        "times",
        "First answer, in business hours, by week",
        f"Solid: the middle one of each week {said}. Dashed: nine of ten came by then.",
        {
            "Median": [(on, each.times.median) for on, each in zip(labels, weeks, strict=True)],
            "9 of 10 (dashed)": [(on, each.times.p90) for on, each in zip(labels, weeks, strict=True)],
        },
    )
    drawn["in-time"] = drawing.columns(
        "in-time",
        "Answered in time, of 100, by week",
        f"One column for each week {said}; none where no promise was over.",
        [(on, each.in_time or 0) for on, each in zip(labels, weeks, strict=True)],
    )
    for name, title, counts in (
        ("topics", "By topic", report.topics),
        ("people", "By who has it", report.people),
        ("verdicts", "By the registry's verdict", report.verdicts),
        ("calls", "Requests that were called", report.calls),
        ("backlog", "Open now, by the day it came", report.backlog),
    ):
        if counts:
            drawn[name] = drawing.bars(
                name,
                title,
                "One bar for each line of the table.",
                [(each.label, each.number) for each in counts],
            )
    return drawn


def _rows(found: Iterable[Any], *, with_text: bool) -> tuple[list[str], list[list[str]]]:
    """Heads and rows, with every fact by its label; none is a formula, and what is a number to nobody is text."""
    facts = {fact.label: fact for kind in kinds.KINDS for fact in kind.facts if with_text or not fact.private}
    heads = [
        "Reference",
        "Kind",
        "Status",
        "Received",
        "Answer by",
        "First answer",
        "Closed",
        "Owner",
        "Registry",
    ]
    rows = []
    for asked, owner in found:
        told = kinds.export_row(asked) | {
            "First answer": _moment(asked.first_answered_at),
            "Closed": _moment(asked.closed_at),
            "Owner": owner or "",
            "Registry": VERDICTS.get(asked.verdict, ""),
        }
        rows.append(
            [as_cell(told[head]) for head in heads]
            + [
                f"'{told[label]}"
                if fact.field in AS_TEXT and told.get(label)
                else as_cell(told.get(label, ""))
                for label, fact in facts.items()
            ]
        )
    return heads + list(facts), rows


def _file(name: str, heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> Response:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(heads)
    table.writerows([as_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    response = make_response(text.getvalue())
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return web.private(response)


def _moment(at: Any) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def _hours(took: float | None) -> str:
    return "" if took is None else f"{took:.1f}"
