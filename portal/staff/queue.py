"""The queue: which requests wait, for whom, and until when. Everything about the list stands in its address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.desk import drafts, perform
from portal.desk import search as queue
from portal.desk.search import (
    ALL_WORD,
    CALL_WORD,
    LATE_WORD,
    OPEN_WORD,
    REFUSED_WORD,
    SORT_ANSWER_BY,
    SORT_NEWEST,
    TODAY_WORD,
    Filters,
)
from portal.errors import NotFound
from portal.intake.models import KIND_LABELS, STATUS_LABELS, Kind, Request, Status
from portal.people import accounts
from portal.people.models import Role, User
from portal.signin.gate import current, guarded, keeps_text
from portal.staff.forms import VERDICT_CHOICES, FilterForm, HandOverForm, choices
from portal.staff.lines import line

bp = guarded("queue", Role.DESK, Role.PHARMACIST, Role.MANAGER)


@dataclass(frozen=True)
class View:
    """A list that staff come back to."""

    tab: str
    heading: str
    filters: Filters
    count: str = ""  # which of queue.Counts, if any
    when_empty: str = ""


VIEWS = (
    View(
        "Unassigned",
        "Unassigned requests",
        Filters(status=Status.NEW, owner="none"),
        "unassigned",
        "No unassigned requests.",
    ),
    View("Mine", "My requests", Filters(owner="me"), "mine", "You have no open requests."),
    View("Late", "Late requests", Filters(status=LATE_WORD), "late", "Nothing is late."),
    View(
        "Due today",
        "Requests promised for today",
        Filters(status=TODAY_WORD),
        "today",
        "Nothing more is promised for today.",
    ),
    View(
        "To call", "Requests that want a call", Filters(status=CALL_WORD), "call", "Nobody waits for a call."
    ),
    View(
        "Waiting",
        "Requests that wait for the prescriber",
        Filters(status=Status.WAITING),
        "waiting",
        "Nothing waits for a prescriber.",
    ),
    View(
        "Mail refused",
        "Requests whose mail did not arrive",
        Filters(status=REFUSED_WORD),
        "refused",
        "No mail to a prescriber was given up.",
    ),
    View("All open", "Open requests", Filters(), "open", "Nothing is open."),
    View(
        "Answered",
        "Answered requests",
        Filters(status=Status.ANSWERED, sort=SORT_NEWEST),
        "",
        "Nothing is answered and still open to a reply.",
    ),
    View(
        "Closed",
        "Closed requests",
        Filters(status=Status.CLOSED, sort=SORT_NEWEST),
        "",
        "Nothing is closed yet.",
    ),
    View("Spam", "Spam", Filters(status=Status.SPAM, sort=SORT_NEWEST), "spam", "No spam."),
)
STATUS_CHOICES = {
    "": "All open, or all while searching",
    OPEN_WORD: "All open",
    LATE_WORD: "Late",
    TODAY_WORD: "Due today",
    CALL_WORD: "To call",
    REFUSED_WORD: "Mail refused",
    **{status.value: label for status, label in STATUS_LABELS.items()},
    ALL_WORD: "All",
}
SORT_CHOICES = {SORT_ANSWER_BY: "Soonest first", SORT_NEWEST: "Newest first"}


@bp.get(addresses.STAFF)
def home() -> ResponseReturnValue:
    """The work is the first page."""
    return redirect(url_for(".requests"), 303)


@bp.post(f"{addresses.STAFF_REQUESTS}/hand-over")
@keeps_text
def hand_over() -> ResponseReturnValue:
    """Give all that is mine to a colleague, or back to the queue."""
    by, form = current(), HandOverForm()
    if form.validate():
        chosen = form.to.data or ""
        if chosen and not queue.is_id(chosen):
            raise NotFound
        to = accounts.get(int(chosen)) if chosen else None
        with transaction():
            perform.hand_over(by, to, at=now())
        return redirect(url_for(".requests", owner="me", done="handed-over"), 303)
    return redirect(url_for(".requests", owner="me"), 303)


@bp.get(addresses.STAFF_REQUESTS)
def requests() -> ResponseReturnValue:
    """The queue: everything about it stands in the address."""
    if not all(value.strip() for value in request.args.values()):
        kept = {name: value for name, value in request.args.items() if value.strip()}
        return redirect(_list_address(kept), 303)
    by, at = current(), now()
    filters = Filters.parse(request.args)
    found = queue.listing(filters, by=by, at=at, after=request.args.get("after"))
    if not found.rows and "after" in request.args:
        return redirect(_list_address(filters.args()), 303)
    view = next((view for view in VIEWS if _is_view(view, filters)), None)
    writing = drafts.writers([row.request.id for row in found.rows], but=by.id, at=at)
    lines = [line(row, by, writing.get(row.request.id, ())) for row in found.rows]
    may_claim = any(each.may_claim for each in lines)
    next_due = None if found.rows else _next_due(by, at)
    return web.private(
        web.page(
            "staff/requests.html",
            heading=view.heading if view else "Requests",
            view=view,
            tabs=[_tab(each, each is view, found.counts) for each in VIEWS],
            filters=filters,
            filter_form=_filter_form(filters, by),
            active=[] if view else _active(filters, by),
            found=found,
            lines=lines,
            caption=_caption(found, filters),
            columns=_columns(filters, may_claim),
            may_claim=may_claim,
            previous=_page(filters, found.previous),
            next=_page(filters, found.next),
            shown=f"Showing {len(lines)} of {_number(found.total)}" if found.total > len(lines) else "",
            is_empty=not found.rows and queue.is_empty(),
            next_due=next_due,
            open_now=found.counts.open,
            hand_over=_hand_over_form(by) if filters.owner == "me" and found.counts.mine else None,
            done="All that you had is handed over." if request.args.get("done") == "handed-over" else "",
        )
    )


def _hand_over_form(by: User) -> HandOverForm:
    others = {str(user.id): user.name for user in accounts.people() if user.active and user.id != by.id}
    form = HandOverForm(formdata=None)
    form.to.choices = choices({"": "Back to the queue"} | others)
    return form


def _number(total: int) -> str:
    return f"{total:,}" if total < queue.COUNTED_TO else f"{total:,} or more"


def _caption(found: queue.Listing, filters: Filters) -> str:
    total, noun = found.total, "request" if found.total == 1 else "requests"
    order = "the newest first" if filters.sort == SORT_NEWEST else "the soonest promise first"
    over = f"; {_number(found.over)} of them closed, answered or spam" if found.over else ""
    return f"{_number(total)} {noun}, {order}{over}"


def _page(filters: Filters, cursor: str | None) -> str | None:
    return _list_address(filters.args() | {"after": cursor}) if cursor else None


def _list_address(args: dict[str, str]) -> str:
    """The address of a list; only parameters it knows."""
    names = ("status", "kind", "verdict", "owner", "q", "sort", "after")
    known: dict[str, Any] = {name: args[name] for name in names if name in args}
    return url_for(".requests", **known)


def _is_view(view: View, filters: Filters) -> bool:
    return replace(filters, sort="", ignored=()) == replace(view.filters, sort="")


def _tab(view: View, is_current: bool, counts: queue.Counts) -> dict[str, Any]:
    return {
        "href": _list_address(view.filters.args()),
        "text": view.tab,
        "count": getattr(counts, view.count) if view.count else None,
        "current": is_current,
    }


def _owner_choices(by: User, chosen: str) -> dict[str, str]:
    """Nobody, me, and everybody else who works here; who left is still named while chosen."""
    names = {str(user.id): user.name for user in accounts.people() if user.active or str(user.id) == chosen}
    names.pop(str(by.id), None)
    return {"": "Anyone", "none": "Nobody", "me": "Me"} | names


def _filter_form(filters: Filters, by: User) -> FilterForm:
    """The filters as chosen; the default of each is the empty value, which leaves it out of the address."""
    form = FilterForm(
        data={
            "q": filters.q,
            "kind": filters.kind,
            "verdict": filters.verdict,
            "owner": filters.owner,
            "status": filters.status,
            "sort": _blank(filters.sort, SORT_ANSWER_BY),
        }
    )
    form.status.choices = choices(STATUS_CHOICES)
    form.owner.choices = choices(_owner_choices(by, filters.owner))
    form.sort.choices = choices({_blank(word, SORT_ANSWER_BY): label for word, label in SORT_CHOICES.items()})
    return form


def _blank(word: str, default: str) -> str:
    return "" if word == default else word


def _active(filters: Filters, by: User) -> list[tuple[str, str]]:
    """What narrows the list: the words, and the address without it."""
    args = filters.args()
    words = {
        "status": f"Status: {STATUS_CHOICES[filters.status]}",
        "kind": f"Kind: {KIND_LABELS[Kind(filters.kind)] if filters.kind else 'All'}",
        "verdict": f"Registry: {VERDICT_CHOICES[filters.verdict]}",
        "owner": f"Owner: {_owner_choices(by, filters.owner).get(filters.owner, 'Nobody we know')}",
        "q": f"Search: {filters.q}",
    }
    return [
        (word, _list_address({key: value for key, value in args.items() if key != name}))
        for name, word in words.items()
        if name in args
    ]


def _columns(filters: Filters, may_claim: bool) -> list[Any]:
    """The headings; the one the list is sorted by says so."""
    newest = filters.sort == SORT_NEWEST
    columns: list[Any] = ["Request", "From", "Registry", "Subject", "Status", "Owner"]
    by_promise = filters.args(sort=SORT_ANSWER_BY)
    if newest:
        columns.append({"label": "Received", "sort": "descending"})
        columns.append({"label": "Answer by", "href": _list_address(by_promise)})
    else:
        columns.append({"label": "Answer by", "sort": "ascending"})
    return [*columns, {"label": "Act", "hidden": True}] if may_claim else columns


def _next_due(by: User, at: datetime) -> Request | None:
    rows = queue.listing(Filters(), by=by, at=at, limit=1).rows
    return rows[0].request if rows else None
