"""Tables: those written in Markdown and those made from data, dressed as `components/table.html` dresses its own.

All of it works on markdown-it tokens, so that whatever else is made from the tokens has the same tables.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

_CAPTION = re.compile(r"^Table: (?P<words>.*\S)\s+\{#(?P<id>[a-z][a-z0-9-]*)\}$")
_GRID = re.compile(r"^\[\[(?P<name>[a-z-]+)\]\]$")


@dataclass(frozen=True)
class Group:
    """Rows of a grid, under one heading with a line of detail if it has one; `id` is the heading's anchor."""

    id: str
    heading: str
    detail: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Grid:
    """A table made from data: rows in named groups, cells in Markdown."""

    id: str
    caption: str
    columns: tuple[str, ...]
    groups: tuple[Group, ...]


def inline(content: str) -> Token:
    """Words still to be parsed."""
    return Token("inline", "", 0, content=content, children=[])


def expand(tokens: Sequence[Token], grids: Mapping[str, Grid], faults: list[str]) -> list[Token]:
    """Put the data's tables where `[[name]]` stands alone in a paragraph."""
    put: list[Token] = []
    for token in tokens:
        put.append(token)
        named = _GRID.match(put[-2].content) if token.type == "paragraph_close" else None
        if named is None:
            continue
        if named["name"] in grids:
            put[-3:] = _grid(grids[named["name"]])
        else:
            faults.append(f"there is no table named {named['name']!r}")
    return put


def dress(tokens: Sequence[Token], faults: list[str], ids: list[str]) -> list[Token]:
    """Give each table its caption, scopes, labels for the narrow screen, and a region that scrolls.

    No `style`: the site's policy forbids it. No roles: see decision 0016.
    """
    dressed: list[Token] = []
    labels: list[str] = []
    column = 0
    in_head = False
    for place, token in enumerate(tokens):
        match token.type:
            case "table_open":
                labels = []
                dressed += _region(dressed, token, faults, ids)
                continue
            case "table_close":
                dressed += [token, Token("region_close", "div", -1, block=True)]
                continue
            case "thead_open" | "tbody_open":
                in_head = token.tag == "thead"
            case "tr_open":
                column = 0
            case "th_open" | "td_open":
                if in_head:
                    labels.append(tokens[place + 1].content)
                _cell(token, tokens[place + 2], labels[column], is_first=column == 0, in_head=in_head)
                column += 1
                if "id" in token.attrs:
                    ids.append(str(token.attrs["id"]))
        dressed.append(token)
    return dressed


def _cell(token: Token, closing: Token, label: str, *, is_first: bool, in_head: bool) -> None:
    """The first cell of a row names it; a heading over the columns or over a group says what it heads."""
    if "right" in str(token.attrs.pop("style", "")):
        token.attrSet("class", "num")
    if in_head:
        token.attrSet("scope", "col")
    elif "colspan" not in token.attrs:
        token.attrSet("data-label", label)
        if is_first:
            token.tag = closing.tag = "th"
            token.attrSet("scope", "row")


def _region(before: list[Token], table: Token, faults: list[str], ids: list[str]) -> list[Token]:
    """Turn the paragraph before a table into its caption, and the two into one region."""
    named = _CAPTION.match(before[-2].content) if len(before) > 2 and before[-2].type == "inline" else None
    if named is None:
        faults.append("a table has no caption: write 'Table: What it shows {#id}' in the paragraph before it")
        return [Token("region_open", "div", 1, {"class": "table"}, block=True), table]
    del before[-3:]
    ids.append(named["id"])
    return [
        Token(
            "region_open",
            "div",
            1,
            {"class": "table", "role": "region", "tabindex": "0", "aria-labelledby": named["id"]},
            block=True,
        ),
        table,
        Token("caption_open", "caption", 1, {"id": named["id"]}),
        inline(named["words"]),
        Token("caption_close", "caption", -1, block=True),
    ]


def _grid(grid: Grid) -> list[Token]:
    tokens = [
        Token("paragraph_open", "p", 1),
        inline(f"Table: {grid.caption} {{#{grid.id}}}"),
        Token("paragraph_close", "p", -1),
        Token("table_open", "table", 1, block=True),
        Token("thead_open", "thead", 1, block=True),
        *_row("th", grid.columns),
        Token("thead_close", "thead", -1, block=True),
    ]
    for group in grid.groups:
        tokens.append(Token("tbody_open", "tbody", 1, block=True))
        if group.heading:
            tokens += _heading(group, len(grid.columns))
        for row in group.rows:
            tokens += _row("td", row)
        tokens.append(Token("tbody_close", "tbody", -1, block=True))
    return [*tokens, Token("table_close", "table", -1, block=True)]


def _heading(group: Group, width: int) -> list[Token]:
    return [
        Token("tr_open", "tr", 1, block=True),
        Token("th_open", "th", 1, {"id": group.id, "scope": "rowgroup", "colspan": str(width)}),
        inline(group.heading),
        Token("detail_open", "span", 1, {"class": "detail"}),
        inline(group.detail),
        Token("detail_close", "span", -1),
        Token("th_close", "th", -1, block=True),
        Token("tr_close", "tr", -1, block=True),
    ]


def _row(tag: str, cells: Sequence[str]) -> list[Token]:
    tokens = [Token("tr_open", "tr", 1, block=True)]
    for cell in cells:
        tokens += [
            Token(f"{tag}_open", tag, 1),
            inline(cell),
            Token(f"{tag}_close", tag, -1, block=True),
        ]
    return [*tokens, Token("tr_close", "tr", -1, block=True)]
