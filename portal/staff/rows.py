"""The rows of the list as HTML, drawn in Python: by a macro for each cell 25 of them took longer than all else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlencode

from markupsafe import Markup, escape

from portal import addresses, controls
from portal.staff.bulk_forms import mark_of
from portal.staff.lines import Line
from portal.staff.ways import SAFE
from portal.web import by, day, when, where_we_are


def draw(
    lines: Sequence[Line],
    statuses: Mapping[str, str],
    csrf_token: str,
    *,
    way: str,
    ticked: Collection[str],
    newest_first: bool,
    may_claim: bool,
) -> Markup:
    """The rows of these lines. `statuses` has each status as HTML; `way` is the list as one word of an address."""
    query = escape(urlencode({"list": way}, safe=SAFE))
    token, back = controls.hidden("csrf_token", csrf_token), controls.hidden("list", way)
    said, moment = [], where_we_are()
    for line in lines:
        asked = line.request
        reference, mark, came = escape(asked.reference), mark_of(asked), when(asked.received_at, moment)
        here = f"{addresses.STAFF_REQUESTS}/{reference}"
        ticked_here = " checked" if mark in ticked else ""
        cells = [
            f'<td><div class="option"><input type="checkbox" id="choose-{reference}" name="chosen"'
            f' value="{escape(mark)}" form="bulk"{ticked_here}><label for="choose-{reference}">'
            f'<span class="vh">Choose {reference}</span></label></div></td>',
            f'<th scope="row" data-label="Request"><a href="{here}?{query}">'
            f'<span class="ref">{reference}</span></a></th>',
            f'<td data-label="From">{escape(line.asked_by)} <span class="by">{escape(asked.practice)}</span></td>',
            f'<td data-label="Registry"><span>{_registry(line)}</span></td>',
            f'<td data-label="Subject"><span>{escape(line.subject)}{_found(line)}</span></td>',
            f'<td data-label="Status"><span>{statuses[asked.status]}{_flags(line)}</span></td>',
            f'<td data-label="Owner">{_owner(line)}</td>',
        ]
        if newest_first:
            cells.append(f'<td data-label="Received">{came}</td>')
        late, so = (" late", f" {_tag(f'Late {line.late_by}', 'danger')}") if line.is_late else ("", "")
        beside = "" if newest_first else f' <span class="at">came {came}</span>'
        due = f'<span class="due{late}">{by(asked.answer_by, moment)}{so}</span>'
        cells.append(f'<td data-label="Answer by">{due}{beside}</td>')
        if may_claim:
            claim = (
                f'<form class="action" method="post" action="{here}/claim">\n{token}\n'
                f"{controls.hidden('version', str(asked.version))}\n{back}\n{controls.hidden('stay', '1')}\n"
                '<button type="submit" class="button second small">Claim'
                f'<span class="vh"> {reference}</span></button>\n</form>'
            )
            cells.append(f"<td>{claim if line.may_claim else ''}</td>")
        said.append("<tr>{}</tr>".format("\n".join(cells)))
    return Markup("\n".join(said))  # noqa: S704 - each value is escaped where it is put in


def _tag(words: str, tone: str) -> str:
    return f'<span class="tag{f" {tone}" if tone else ""}">{escape(words)}</span>'


def _registry(line: Line) -> str:
    if line.verdict is None:
        return "No NPI"
    return _tag(*line.verdict) + (f' <span class="muted">{escape(line.remark)}</span>' if line.remark else "")


def _found(line: Line) -> str:
    """In which text a search found it."""
    if line.excerpt is None:
        return ""
    said = line.excerpt.passage
    words = f": {escape(said.before)} <mark>{escape(said.words)}</mark> {escape(said.after)}" if said else ""
    return f' <span class="by">{escape(line.excerpt.where)}{words}</span>'


def _flags(line: Line) -> str:
    said = [_tag(flag, "warn") for flag in line.flags]
    if line.snoozed_until:
        said += (_tag("Snoozed", ""), f'<span class="at">until {when(line.snoozed_until)}</span>')
    return "".join(f" {one}" for one in said)


def _owner(line: Line) -> str:
    said: list[str] = [escape(line.owner_name or "Nobody")]
    if line.owner_away:
        said.append(f'<span class="by">away until {escape(day(line.owner_away))}</span>')
    if line.writers:
        are = "are" if " and " in line.writers else "is"
        said.append(f'<span class="by">{escape(line.writers)} {are} writing</span>')
    return " ".join(said)
