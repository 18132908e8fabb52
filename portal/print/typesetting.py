"""Markdown's tokens as Typst: the nodes of one text as calls of the functions in `guide.typ`.

What an author wrote goes in as string literals in Typst's code mode, never as markup, so none of it can become code.
A kind of token that nobody taught this module raises ValueError: a guide that leaves out a sentence must not be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from markdown_it.tree import SyntaxTreeNode

BASE = Path(__file__).with_name("base.typ")  # what every document's look stands on
VIEW = "?condition="  # a page with one condition alone: on paper, that condition's place in the table

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TEXTS = {"paragraph", "bullet_list", "ordered_list", "blockquote"}
_LINE = 106  # characters of a table's text across the page
_BETWEEN = 3  # characters that the space between two columns takes
_TALL = 9  # lines of a table that may go on over the page's end
_WORD = re.compile(r"[\s-]")


# Typst's own forms


def quoted(text: str) -> str:
    """`text` as a Typst string literal: whatever stands in it stays text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    plain = _CONTROL.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", escaped)
    return f'"{plain}"'


def words(text: str) -> str:
    """`text` as content."""
    return block([quoted(text)] if text else [])


def block(parts: Iterable[str]) -> str:
    """Expressions joined into one piece of content."""
    joined = "; ".join(parts)
    return f"{{ {joined} }}" if joined else "[]"


def call(name: str, *parts: str) -> str:
    """A function with its arguments."""
    return f"{name}({', '.join(parts)})"


def array(parts: Iterable[str]) -> str:
    """An array, of one or none too."""
    return f"({''.join(f'{part}, ' for part in parts)})"


def qr(address: str) -> str:
    """A QR code of `address`, as SVG: the press draws it, so where all is set already nothing is drawn."""
    return call("sys.inputs.at", quoted(address.encode().hex()))


# Texts


class Writer:
    """One node of a text at a time, as an expression; remembers who is cited where and what leads out of the guide.

    `paths` are the addresses of the chapters: a link to one of them stays in the guide. `names` are who and when,
    and what kind of work it is, for the margin.
    """

    def __init__(
        self,
        paths: Collection[str],
        base_url: str,
        numbers: Mapping[str, int],
        names: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.paths, self.base_url, self.numbers = paths, base_url, numbers  # numbers: each work's
        self.names = names or {}
        self.here = ""
        self.marks: dict[str, list[str]] = {}  # by work: the places that cite it
        self.outward: dict[str, str] = {}  # by address: the words of the first link to it

    def enter(self, path: str) -> None:
        """What follows stands in the chapter with this address."""
        self.here = path

    def beside(self, node: SyntaxTreeNode) -> str:
        """A node of the top level; beside each paragraph and point, in the margin, the works that it rests on."""
        if node.type == "paragraph":
            return call("noted", self._block(node), self._notes(node), _leads(node))
        if node.type in ("bullet_list", "ordered_list"):
            return self._list(node, is_noted=True)
        return self.wide(node)

    def _notes(self, node: SyntaxTreeNode) -> str:
        keys = {key for part in node.walk() if part.type == "citation" for key in part.meta["keys"]}
        numbered = sorted((self.numbers[key], *self.names[key]) for key in keys)
        return array(array(map(quoted, (str(number), *name))) for number, *name in numbered)

    def wide(self, node: SyntaxTreeNode, *, is_listed: bool = True) -> str:
        """A node of the top level: text keeps to the measure, tables and boxes take the whole width. A heading
        that is not `is_listed` is left out of the list of contents."""
        if node.type == "heading" and not is_listed:
            return self._heading(node, "listed: false")
        code = self._block(node)
        return call("measured", code, _leads(node)) if node.type in _TEXTS else code

    def _block(self, node: SyntaxTreeNode) -> str:
        if node.type.startswith("container_"):
            return self.notice(node)
        write = _BLOCKS.get(node.type)
        if write is None:
            raise ValueError(f"nobody taught the guide to print a {node.type!r}")
        return write(self, node)

    def notice(self, node: SyntaxTreeNode, level: int | None = None) -> str:
        """A box; `level` is its heading's, if it shall not be the page's own."""
        tone = quoted(str(node.attrs["class"]).rpartition(" ")[2])
        parts = []
        for child in node.children:
            if child.type == "heading" and child.meta.get("level"):
                of_level = str(level or int(child.tag[1]))
                parts.append(call("box-heading", of_level, tone, self._inline(child)))
            else:
                parts.append(self._block(child))
        return call("notice", tone, block(parts))

    def _inline(self, node: SyntaxTreeNode) -> str:
        return block(self._word(word) for child in node.children for word in child.children)

    def _word(self, node: SyntaxTreeNode) -> str:
        write = _WORDS.get(node.type)
        if write is None:
            raise ValueError(f"nobody taught the guide to print a {node.type!r}")
        return write(self, node)

    def _words(self, node: SyntaxTreeNode) -> str:
        return block(self._word(child) for child in node.children)

    # Blocks

    def _paragraph(self, node: SyntaxTreeNode) -> str:
        return self._inline(node) if node.hidden else call("par", self._inline(node))

    def _heading(self, node: SyntaxTreeNode, *options: str) -> str:
        anchor = quoted(f"{self.here}#{node.attrs['id']}")
        return call("section", node.tag[1], anchor, self._inline(node), *options)

    def _list(self, node: SyntaxTreeNode, *, is_noted: bool = False) -> str:
        items = [block(self._block(child) for child in item.children) for item in node.children]
        if is_noted:
            items = [
                call("noted", item, self._notes(of)) for item, of in zip(items, node.children, strict=True)
            ]
        if node.type == "bullet_list":
            return call("list", *items)
        return call("enum", f"start: {int(node.attrs.get('start', 1))}", *items)

    def _quote(self, node: SyntaxTreeNode) -> str:
        return call("quote", "block: true", block(self._block(child) for child in node.children))

    def _rule(self, node: SyntaxTreeNode) -> str:
        return call("tenth")

    # Tables

    def _region(self, node: SyntaxTreeNode) -> str:
        caption, *parts = node.children[0].children
        rows: list[str] = []
        texts: list[list[str]] = []
        for part in parts:
            for above, row in zip([None, *part.children], part.children, strict=False):
                if part.type == "thead":
                    head = [self._inline(cell) for cell in row.children]
                else:
                    rows += self._row(row, len(head), above)
                if "colspan" not in row.children[0].attrs:
                    texts.append([_text_of(cell) for cell in row.children])
        shares, height = _fit(texts)
        return call(
            "data-table",
            quoted(f"{self.here}#{caption.attrs['id']}"),
            self._inline(caption),
            array(f"{share}fr" for share in shares),
            "false" if height > _TALL else "true",
            array(head),
            *rows,
        )

    def _row(self, row: SyntaxTreeNode, width: int, above: SyntaxTreeNode | None) -> list[str]:
        """The cells of one row.

        A group's heading may come again on the next page, but a place has one name: so the group's anchor stands in
        the first row below it. A heading with links cannot come again: what repeats is an artifact, and those hold no
        links (PDF/UA-1).
        """
        first, *others = row.children
        if "colspan" in first.attrs:
            name, detail = first.children
            repeats = "false" if _LINKS & {word.type for word in detail.walk()} else "true"
            return [call("group-head", str(width), repeats, self._words(name), self._inline(detail))]
        parts = [self._inline(first)]
        if above is not None and "colspan" in above.children[0].attrs:
            parts.insert(0, call("anchor", quoted(f"{self.here}#{above.children[0].attrs['id']}")))
        cells = [call("row-head", block(parts))]
        for cell in others:
            is_number = cell.attrs.get("class") == "num"
            cells.append(call("number-cell", self._inline(cell)) if is_number else self._inline(cell))
        return cells

    # Words

    def _text(self, node: SyntaxTreeNode) -> str:
        return words(node.content)

    def _break(self, node: SyntaxTreeNode) -> str:
        return quoted(" ") if node.type == "softbreak" else call("linebreak")

    def _code(self, node: SyntaxTreeNode) -> str:
        return call("raw", quoted(node.content))

    def _strong(self, node: SyntaxTreeNode) -> str:
        return call("strong" if node.type == "strong" else "emph", self._words(node))

    def _language(self, node: SyntaxTreeNode) -> str:
        return call("text", f"lang: {quoted(str(node.attrs.get('lang', 'en')))}", self._words(node))

    def _nothing(self, node: SyntaxTreeNode) -> str:
        return "[]"

    def _link(self, node: SyntaxTreeNode) -> str:
        """Into the guide where it leads there; else to the web, and into the list of addresses for paper."""
        href = str(node.attrs["href"])
        path, _, anchor = href.replace(VIEW, "#").partition("#")
        path = path or self.here
        if path in self.paths:
            return call("goto", quoted(f"{path}#{anchor}" if anchor else path), self._words(node))
        address = href if href.startswith(("https://", "tel:")) else f"{self.base_url}{href}"
        self.outward.setdefault(address, _text_of(node))
        return call("out", quoted(address), self._words(node))

    def _citation(self, node: SyntaxTreeNode) -> str:
        marks = []
        for key in sorted(node.meta["keys"], key=self.numbers.__getitem__):
            places = self.marks.setdefault(key, [])
            places.append(f"cite-{key}-{len(places) + 1}")
            marks.append(array((quoted(f"ref-{key}"), str(self.numbers[key]), quoted(places[-1]))))
        is_alone = node.parent is not None and len(node.parent.children) == 1  # in a cell: needs no raising
        return call("cite-works", "false" if is_alone else "true", *marks)


_LINKS = {"citation", "link"}
_Write = Callable[[Writer, SyntaxTreeNode], str]
_BLOCKS: dict[str, _Write] = {
    "paragraph": Writer._paragraph,
    "heading": Writer._heading,
    "bullet_list": Writer._list,
    "ordered_list": Writer._list,
    "blockquote": Writer._quote,
    "hr": Writer._rule,
    "region": Writer._region,
}
_WORDS: dict[str, _Write] = {
    "text": Writer._text,
    "softbreak": Writer._break,
    "hardbreak": Writer._break,
    "code_inline": Writer._code,
    "strong": Writer._strong,
    "em": Writer._strong,
    "span": Writer._language,
    "link": Writer._link,
    "leaves": Writer._nothing,  # for who hears the web page: a link says itself here where it leads
    "citation": Writer._citation,
}


def _leads(node: SyntaxTreeNode) -> str:  # whether it stays on the page of the list that follows
    return f"leads: {str(_text_of(node).endswith(':')).lower()}"


def _text_of(node: SyntaxTreeNode) -> str:
    """The words in a node; a citation is as long as its numbers."""
    return "".join(
        "12, " * len(part.meta["keys"]) if part.type == "citation" else part.content
        for part in node.walk()
        if part.type in ("text", "code_inline", "citation")
    )


def _fit(rows: Sequence[Sequence[str]]) -> tuple[list[int], float]:
    """Widths of the columns in characters, and about how many lines the table then has.

    Every column holds its longest word; what is left of the line goes, a character at a time, to the column that
    saves the most lines.
    """
    columns = list(zip(*rows, strict=True))
    lengths = [[len(cell) for cell in row] for row in rows]
    whole = [max(map(len, column)) + _BETWEEN for column in columns]
    if sum(whole) <= _LINE:
        return whole, _height(lengths, whole)
    widths = [
        max(len(word) for cell in column for word in _WORD.split(cell)) + _BETWEEN for column in columns
    ]
    while sum(widths) < _LINE:
        trials = [[width + (at == wider) for at, width in enumerate(widths)] for wider in range(len(widths))]
        widths = min(trials, key=lambda trial: _height(lengths, trial))
    return widths, _height(lengths, widths)


def _height(lengths: Sequence[Sequence[int]], widths: Sequence[int]) -> float:
    rooms = [width - _BETWEEN for width in widths]
    return sum(max(length / room for length, room in zip(row, rooms, strict=True)) for row in lengths)
