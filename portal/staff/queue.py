"""The queue: which requests wait, for whom, and until when. Everything about the list stands in its address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlencode

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from portal import addresses, web
from portal.clock import now
from portal.db import transaction
from portal.desk import away, drafts, excerpts, narrowing, perform, saved
from portal.desk import search as queue
from portal.desk.cursor import is_id
from portal.desk.filters import SHORT, SORT_ANSWER_BY, Filters
from portal.errors import NotFound
from portal.intake.models import KIND_LABELS, Kind
from portal.intake.reference import normalise
from portal.people import accounts
from portal.people.models import User
from portal.people.rights import Right
from portal.signin.gate import current, guarded, keeps_text
from portal.staff import rows
from portal.staff.bulk_forms import BulkForm, Outcome, ViewForm, mark_of
from portal.staff.forms import VERDICT_CHOICES, FilterForm, HandOverForm, choices, people_here
from portal.staff.lines import line
from portal.staff.tabs import SORT_CHOICES, STATUS_CHOICES, VIEWS, View, view_of
from portal.staff.ways import list_address, way_to

PAGE = "staff/requests.html"
bp = guarded("queue", Right.WORK)


@bp.get(addresses.STAFF)
def home() -> ResponseReturnValue:
    """The work is the first page."""
    return redirect(url_for("queue.requests"), 303)


@bp.post(f"{addresses.STAFF_REQUESTS}/hand-over")
@keeps_text
def hand_over() -> ResponseReturnValue:
    """Give all that is mine to a colleague, or back to the queue."""
    by, form = current(), HandOverForm()
    if form.validate():
        chosen = form.to.data or ""
        if chosen and not is_id(chosen):
            raise NotFound
        to = accounts.get(int(chosen)) if chosen else None
        with transaction():
            perform.hand_over(by, to, at=now())
        return redirect(url_for("queue.requests", owner="me", done="handed-over"), 303)
    return redirect(url_for("queue.requests", owner="me"), 303)


@bp.get(addresses.STAFF_REQUESTS)
def requests() -> ResponseReturnValue:
    """The queue: everything about it stands in the address."""
    if not all(value.strip() for value in request.args.values()):
        kept = {name: value for name, value in request.args.items() if value.strip()}
        return redirect(list_address(kept), 303)
    filters, after = Filters.parse(request.args), request.args.get("after")
    shown = the_list(filters, after)
    if not shown["lines"] and after is not None and shown["looked_at"] is None:
        return redirect(list_address(filters.args()), 303)
    done = "All that you had is handed over." if request.args.get("done") == "handed-over" else ""
    claimed = normalise(request.args.get("claimed", ""))
    return web.private(web.page(PAGE, done=done, claimed=claimed, **shown))


def the_list(
    filters: Filters,
    after: str | None = None,
    *,
    bulk: BulkForm | None = None,
    naming: ViewForm | None = None,
    outcomes: Sequence[Outcome] = (),
) -> dict[str, Any]:
    """All that the page of a list shows; `outcomes` is what became of those that were chosen in it."""
    by, at = current(), now()
    view = view_of(filters)
    counted = view.count if view and view.is_counted_so else ""
    found = queue.listing(filters, by=by, at=at, after=after, counted=counted)
    everybody, today = away.everybody(), away.today(at)
    people = [user for user, _ in everybody]
    habits = {user.id: habit for user, habit in everybody if habit}
    absent = {
        key: one.away_until for key, one in habits.items() if one.away_until and one.away_until >= today
    }
    owners = _owner_choices(people, by, filters.owner)
    own = {one: saved.filters_of(one) for one in saved.mine(by.id)}
    mine = next((one for one, kept in own.items() if kept.args() == filters.args()), None)
    writing = drafts.writers([row.request.id for row in found.rows], but=by.id, at=at)
    why = excerpts.of([row.request for row in found.rows], filters.q, by)
    lines = [
        line(row, by, writing.get(row.request.id, ()), absent, why.get(row.request.id)) for row in found.rows
    ]
    may_claim = any(each.may_claim for each in lines)
    asked: dict[str, Any] = filters.args()
    here = filters.args() | ({"after": after} if after else {})
    bulk_panel = None
    if bulk is None:
        colleagues = people_here(one for one in people if one.active and one.id not in absent)
        bulk = BulkForm(colleagues, formdata=None, data={"view": urlencode(here)})
        bulk_panel = _draw_bulk(tuple(colleagues.items()))
        if request.args.get("tick") == "all":
            bulk.rows = tuple(mark_of(each.request) for each in lines)
    if naming is None and not view and not mine and filters.args():
        naming = ViewForm(formdata=None, data={"view": urlencode(filters.args())})
    return {
        "way": way_to(filters, after),
        "has_keys": by.id in habits and habits[by.id].has_keys,
        "heading": view.heading if view else mine.name if mine else "Requests",
        "own_views": [
            {"href": list_address(kept.args()), "text": one.name, "current": one is mine}
            for one, kept in own.items()
        ],
        "my_view": mine,
        "naming": naming,
        "view": view,
        "news": url_for("news.since", **asked, seen=found.newest),
        "tabs": [_tab(each, each is view, found.counts) for each in VIEWS],
        "filters": filters,
        "filter_panel": _filter_panel(filters, owners),
        "active": [] if view else _active(filters, owners),
        "found": found,
        "lines": lines,
        "statuses": dict.fromkeys(each.request.status for each in lines),
        "caption": _caption(found, filters),
        "columns": _columns(filters, may_claim),
        "previous": _page(filters, found.previous),
        "next": _page(filters, found.next),
        "shown": _showing(len(lines), found.total or 0),
        "looked_at": f"{found.looked_at:,}" if found.looked_at and len(found.rows) < queue.LIMIT else None,
        "is_empty": not found.rows and queue.is_empty(),
        "next_due": None if found.rows else queue.soonest(),
        "open_now": found.counts.open,
        "hand_over": _hand_over_form(by) if filters.owner == "me" and found.counts.mine else None,
        "bulk": bulk,
        "bulk_panel": bulk_panel,
        "draw_rows": partial(
            rows.draw,
            way=way_to(filters, after),
            ticked=bulk.rows,
            newest_first=filters.is_newest_first,
            may_claim=may_claim,
        ),
        "this_list": list_address(here),
        "tick_all": list_address(here, tick="all"),
        "outcomes": outcomes,
    }


def _hand_over_form(by: User) -> HandOverForm:
    others = {str(user.id): user.name for user in away.colleagues(now()) if user.id != by.id}
    form = HandOverForm(formdata=None)
    form.to.choices = choices({"": "Back to the queue"} | others)
    return form


def _showing(count: int, total: int) -> str:
    return f"Showing {count} of {_number(total)}" if total > count else ""


def _number(total: int) -> str:
    return f"{total:,}" if total < queue.COUNTED_TO else f"{total:,} or more"


def _some(count: int, is_capped: bool) -> int | str:
    return f"{count}+" if is_capped and count == queue.COUNTED_TO else count


def _caption(found: queue.Listing, filters: Filters) -> str:
    total, noun = found.total, "request" if found.total == 1 else "requests"
    order = "the newest first" if filters.is_newest_first else "the soonest promise first"
    if total is None:
        return f"Requests that {'hold these words' if filters.q else 'match'}, {order}"
    over = f"; {_number(found.over)} of them closed, answered or spam" if found.over else ""
    return f"{_number(total)} {noun}, {order}{over}"


def _page(filters: Filters, cursor: str | None) -> str | None:
    return list_address(filters.args() | {"after": cursor}) if cursor else None


def _tab(view: View, is_current: bool, counts: queue.Counts) -> dict[str, Any]:
    return {
        "href": view.address,
        "text": view.tab,
        "count": _some(getattr(counts, view.count), view.count in ("spam", "answered", "closed", "refused")),
        "current": is_current,
    }


def _owner_choices(people: Iterable[User], by: User, chosen: str) -> dict[str, str]:
    """Nobody, me, and everybody else who works here; who left is still named while chosen."""
    names = {str(user.id): user.name for user in people if user.active or str(user.id) == chosen}
    names.pop(str(by.id), None)
    return {"": "Anyone", "none": "Nobody", "me": "Me", "away": "Whoever is out of office"} | names


def _filter_panel(filters: Filters, owners: Mapping[str, str]) -> Markup:
    """The form of the filters, drawn once for all lists with the same; what somebody searches for is not kept."""
    draw = _draw_filters.__wrapped__ if filters.q else _draw_filters
    return draw(filters, tuple(owners.items()))


@lru_cache(maxsize=64)
def _draw_filters(filters: Filters, owners: tuple[tuple[str, str], ...]) -> Markup:
    """The default of each filter is the empty value, which leaves it out of the address."""
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
    form.owner.choices = choices(dict(owners))
    form.sort.choices = choices({_blank(word, SORT_ANSWER_BY): label for word, label in SORT_CHOICES.items()})
    narrowed = [(name, getattr(filters, name)) for name in narrowing.RULES if getattr(filters, name)]
    return Markup(  # noqa: S704 - our own template
        render_template(
            "staff/_filters.html", filter_form=form, narrowed=narrowed, is_set=bool(filters.args())
        )
    )


@lru_cache(maxsize=8)
def _draw_bulk(people: tuple[tuple[str, str], ...]) -> Markup:
    """What each act with the ticked ones asks, as long as nothing is entered: without its tokens, nobody's own."""
    form = BulkForm(dict(people), formdata=None)
    return Markup(render_template("staff/_bulk.html", bulk=form))  # noqa: S704 - our own template


def _blank(word: str, default: str) -> str:
    return "" if word == default else word


def _active(filters: Filters, owners: Mapping[str, str]) -> list[tuple[str, str]]:
    """What narrows the list: the words, and the address without it."""
    args = filters.args()
    words = {
        "status": f"Status: {STATUS_CHOICES[filters.status]}",
        "kind": f"Kind: {KIND_LABELS[Kind(filters.kind)] if filters.kind else 'All'}",
        "verdict": f"Registry: {VERDICT_CHOICES[filters.verdict]}",
        "owner": f"Owner: {owners.get(filters.owner, 'Nobody we know')}",
        "q": f"Search: {filters.q}",
    } | narrowing.told(filters)
    return [
        (word, list_address({key: value for key, value in args.items() if key != name}))
        for name, word in words.items()
        if name in args
    ]


def _columns(filters: Filters, may_claim: bool) -> list[Any]:
    """The headings; the one the list is sorted by says so."""
    newest = filters.is_newest_first
    columns: list[Any] = [
        {"label": "Choose", "hidden": True},
        "Request",
        "From",
        "Registry",
        "Subject",
        "Status",
        "Owner",
    ]
    by_promise = filters.args(sort=SORT_ANSWER_BY)
    if newest:
        columns.append({"label": "Received", "sort": "descending"})
        is_offered = filters.shows in SHORT
        columns.append(
            {"label": "Answer by", "href": list_address(by_promise)} if is_offered else "Answer by"
        )
    else:
        columns.append({"label": "Answer by", "sort": "ascending"})
    return [*columns, {"label": "Act", "hidden": True}] if may_claim else columns
