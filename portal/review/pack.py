"""The review pack: every statement that a pharmacist signs, on paper (Typst) and as a spreadsheet, the gravest first.

Nothing is worded here: statements come from the texts, what works found from the bibliography. Its appendix is
`docs/content-review.md`: what became of the article that the texts began with, and what is still open.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from markdown_it.tree import SyntaxTreeNode
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from portal.library import markdown
from portal.library.pages import Page
from portal.library.references import Reference
from portal.library.statements import Risk, Statement
from portal.print.typesetting import BASE, Writer, array, call, quoted, words
from portal.review.models import TextVerdict, Verdict
from portal.review.signing import Standing
from portal.text import as_cell

LOOK = Path(__file__).with_name("pack.typ")
TITLE = "Review pack: statements to sign"
TITLE_OF_TRANSLATION = "Review pack: Spanish statements beside their English"
CLASSES = {
    Risk.A: "Class A: opioids, withdrawal, surgery, pregnancy, children, suicide, doses",
    Risk.B: "Class B: other clinical statements",
    Risk.C: "Class C: about the site and the pharmacy",
}
HOW = (
    "Tick one of three for each statement, write what it should say instead, and put your initials and the day.",
    "“No source” means that the text cites nothing: it rests on your word alone. “Our search” means that we looked "
    "and found nothing.",
    "A statement is named by its number here and by its key, which stays the same until its words, its heading or "
    "its works change. Signatures are kept in the portal, under /staff/texts: enter there what you sign on paper.",
)
READ_BESIDE = (
    "This list is for the qualified translator: does the Spanish say what the English says, no more and no less, and "
    "would a patient understand it? A pharmacist enters it under /staff/texts, with the translator's name."
)
COLUMNS = (
    *("No.", "Key", "Class", "Page", "Address", "Heading", "Statement", "English", "Basis"),
    *("Works", "What they found", "Where they are", "Standing", "Agree, change or remove"),
    *("Change to", "Initials", "Date"),
)
WIDTHS = (6, 14, 6, 24, 34, 26, 70, 70, 14, 40, 60, 34, 24, 16, 40, 9, 12)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One statement as the pack lists it."""

    number: int
    page: Page
    one: Statement
    said: TextVerdict | None

    @property
    def standing(self) -> str:
        """What was said of it in the portal."""
        if self.said is None:
            return ""
        read = f", read by {self.said.translator}" if self.said.translator else ""
        name = {"agree": "Agreed", "change": "To change", "remove": "To remove"}[Verdict(self.said.verdict)]
        note = f": {self.said.note}" if self.said.note else ""
        return f"{name} ({self.said.by_name}, {self.said.at:%Y-%m-%d}{read}){note}"


def rows(found: Sequence[Standing]) -> tuple[Row, ...]:
    """All statements, by class and then by page, numbered."""
    listed = [
        (standing, one)
        for risk in Risk
        for standing in found
        for one in standing.statements
        if one.risk == risk
    ]
    return tuple(
        Row(number=number, page=standing.page, one=one, said=standing.verdicts.get(one.digest))
        for number, (standing, one) in enumerate(listed, 1)
    )


def changed_on(found: Sequence[Row]) -> date:
    """The day of the newest text in it."""
    return max(row.page.updated_on for row in found)


# The spreadsheet


def workbook(found: Sequence[Row], works: Mapping[str, Reference], base_url: str) -> bytes:
    """One statement a row; no cell is a formula."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Statements"
    sheet.append(COLUMNS)
    for row in found:
        cited = [works[key] for key in row.one.works]
        cells = (
            *(row.number, row.one.key, row.one.risk.value, row.page.title, f"{base_url}{row.one.address}"),
            *(row.one.heading, row.one.words, row.one.original, ", ".join(row.one.basis)),
            "\n".join(work.citation for work in cited),
            "\n".join(f"{work.id}: {work.finding or 'not noted'}" for work in cited),
            "\n".join(work.address or "not known" for work in cited),
            row.standing,
        )
        sheet.append([as_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    for place, width in enumerate(WIDTHS, 1):
        sheet.column_dimensions[get_column_letter(place)].width = width
    for line in sheet.iter_rows():
        for cell in line:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.font = Font(bold=cell.row == 1)
    sheet.freeze_panes = "H2"
    sheet.auto_filter.ref = sheet.dimensions
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


# The document


def source(
    found: Sequence[Row], works: Mapping[str, Reference], organisation: str, base_url: str, appendix: str
) -> str:
    """The pack as Typst; `appendix` is Markdown, and may be empty."""
    on = changed_on(found)
    settings = (
        f"title: {quoted(TITLE_OF_TRANSLATION if _is_translation(found) else TITLE)}",
        f"author: {quoted(organisation)}",
        f"day: datetime(year: {on.year}, month: {on.month}, day: {on.day})",
        f"foot: {quoted(f'{organisation}. Texts of {on:%B} {on.day}, {on.year}.')}",
    )
    lines = [f"#show: {call('pack.with', *settings)}", *_front(found)]
    for risk in Risk:
        lines.append(f"#{call('part', '1', quoted(CLASSES[risk]))}")
        for page in dict.fromkeys(row.page.path for row in found if row.one.risk == risk):
            lines.append(
                _table([row for row in found if row.one.risk == risk and row.page.path == page], works)
            )
    if appendix:
        lines.append(f"#{call('pagebreak')}")
        lines.append(f"#{call('part', '1', quoted('Appendix: where the texts come from'))}")
        lines += _appendix(appendix, base_url)
    return "\n".join([BASE.read_text("utf-8"), LOOK.read_text("utf-8"), *lines, ""])


def _is_translation(found: Sequence[Row]) -> bool:
    return any(row.one.original for row in found)


def _front(found: Sequence[Row]) -> Iterator[str]:
    counts = ", ".join(f"{sum(row.one.risk == risk for row in found)} in class {risk.value}" for risk in Risk)
    signed = sum(row.said is not None and row.said.verdict == Verdict.AGREE for row in found)
    yield f"#{call('par', words(f'{len(found)} statements: {counts}. {signed} are signed in the portal.'))}"
    how = (READ_BESIDE, *HOW) if _is_translation(found) else HOW
    yield f"#{call('list', *map(words, how))}"


def _table(found: Sequence[Row], works: Mapping[str, Reference]) -> str:
    parts = [_statement(row, works) for row in found]
    page = found[0].page
    caption = call("text", f"lang: {quoted(page.language)}", words(page.title))
    return f"#{call('statements', caption, *parts)} // {page.source}"


def _statement(row: Row, works: Mapping[str, Reference]) -> str:
    cited = []
    for work in (works[key] for key in row.one.works):
        said = f"{work.brief} {work.finding[:1].upper()}{work.finding[1:]}" if work.finding else work.brief
        cited.append(array((words(said), quoted(work.place), quoted(work.address))))
    basis = ", ".join(row.one.basis).capitalize()
    return call(
        "statement",
        words(str(row.number)),
        words(f"{row.one.heading} ({row.one.address}, {row.one.key})"),
        words(row.one.words),
        quoted(row.one.language),
        words(row.one.original),
        quoted(basis),
        array(cited),
        words(row.standing),
    )


_HEADING = re.compile(r"^(#+) (.+)$")


def _appendix(text: str, base_url: str) -> Iterator[str]:
    """Any Markdown: its headings get the ids, and its tables the captions, that our texts write themselves."""
    lines: list[str] = []
    heading, number = "", 0
    for before, line in zip(["", *text.splitlines()], text.splitlines(), strict=False):
        if match := _HEADING.match(line):
            heading, number = match[2], number + 1
            line = f"{match[1]} {heading} {{#a-{number}}}" if match[1] != "#" else ""
        elif line.startswith("|") and not before.startswith("|"):
            number += 1
            lines += [f"Table: {heading or 'Table'} {{#a-{number}}}", ""]
        lines.append(line)
    writer = Writer((), base_url, {})
    tree = SyntaxTreeNode(markdown.parse("\n".join(lines)).tokens)
    for node in tree.children:
        yield f"#{writer.wide(node)} // content-review.md"
