"""Markdown into checked HTML and the facts a page needs: contents, citations, links, plain text, faults.

CommonMark with tables (markdown-it-py), and of our own:

    ## Heading {#id}                 every heading below the title carries its id, so that links to it last
    ::: warning Heading              a notice box, until a line of `:::`; also info and danger
    Table: What it shows {#id}       the caption; stands in the paragraph before its table
    [[name]]                         a table made from data (a `Grid`), alone on its line
    [@younger2013; @innova]          citations, numbered in the order of first use
    [palabra]{lang=es}               a word in another language

Doses are typeset by `doses` wherever they stand; straight quotes and apostrophes become round ones. The tokens are
kept: they are the source for other forms of the same text (a PDF, plain text), so that there is never a second
copy. HTML in the source is printed, not obeyed, and what is rendered passes nh3 as a second wall.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.attrs import attrs_plugin
from mdit_py_plugins.container import container_plugin

from portal.library import renderers, tables, typography
from portal.library.tables import Grid

NOTICES = {
    "info": "info",
    "warning": "warn",
    "danger": "danger",
}  # the author's word, components/notice.html's
WORDS = {  # what a screen reader hears and the eye sees in another way
    "en": {
        "reference": "Reference",
        "leaves": "leaves this site",
        "info": "Information",
        "warning": "Warning",
        "danger": "Danger",
    },
    "es": {
        "reference": "Referencia",
        "leaves": "sale de este sitio",
        "info": "Información",
        "warning": "Advertencia",
        "danger": "Peligro",
    },
}

POISON_CONTROL = "tel:+18002221222"  # the national line, with interpreters
URGENT = {"tel:911", "tel:988", POISON_CONTROL}  # the only numbers a text may let a reader call by pressing
_ONLY_HERE = {"citation", "leaves", "link_open", "link_close"}  # what means nothing away from its own page
_HEADING_ID = re.compile(r"^(?P<words>.*\S)\s+\{#(?P<id>[a-z][a-z0-9-]*)\}$")
_CITATION = re.compile(r"\[(@[a-z0-9_]+(?:\s*;\s*@[a-z0-9_]+)*)\]")


@dataclass(frozen=True)
class Document:
    """One text, parsed and checked. `faults` is empty for a text that may be shown.

    `lead` is the notice box a text begins with, if it does: a page shows it above its list of contents.
    """

    lead: str
    html: str
    text: str
    contents: tuple[tuple[str, str], ...]
    cited: Mapping[str, tuple[str, ...]]
    links: tuple[str, ...]
    outside: tuple[str, ...]
    ids: frozenset[str]
    faults: tuple[str, ...]
    tokens: tuple[Token, ...] = field(repr=False, compare=False)


def parse(source: str, language: str = "en", grids: Mapping[str, Grid] | None = None) -> Document:
    """Parse `source`; never raises for what an author wrote: that is what `faults` is for."""
    notes = _Notes(language, grids or {})
    tokens = _MARKDOWN.parse(source, {"notes": notes})
    below = renderers.end_of_box(tokens)
    for twice in sorted({anchor for anchor in notes.ids if notes.ids.count(anchor) > 1}):
        notes.faults.append(f"the id {twice!r} is given twice")
    return Document(
        lead=_render(tokens[:below], notes),
        html=_render(tokens[below:], notes),
        text="\n".join(renderers.plain(token) for token in tokens if token.type == "inline"),
        contents=tuple(notes.contents),
        cited={key: tuple(marks) for key, marks in notes.cited.items()},
        links=tuple(notes.links),
        outside=tuple(notes.outside),
        ids=frozenset(notes.ids),
        faults=tuple(notes.faults),
        tokens=tuple(tokens),
    )


def plain_html(inline: Token) -> Markup:
    """The words of one block for another place: emphasis stays, citations and links (not their words) go."""
    kept = [child for child in inline.children or () if child.type not in _ONLY_HERE]
    html = RendererHTML().renderInline(kept, _MARKDOWN.options, {})
    return Markup(_CLEANER.clean(html))  # noqa: S704 - has passed both walls


class _Notes:
    """What the rules find while they walk one text."""

    def __init__(self, language: str, grids: Mapping[str, Grid]) -> None:
        self.words = WORDS[language]
        self.grids = grids
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.contents: list[tuple[str, str]] = []
        self.cited: dict[str, list[str]] = {}
        self.links: list[str] = []
        self.outside: list[str] = []


# Rules on blocks, before the words in them are read


def _headings(state: StateCore) -> None:
    """Take the id off each heading; refuse a missing one, a second title and a skipped level."""
    notes, level = _notes(state), 1
    for opening, inline in zip(state.tokens, state.tokens[1:], strict=False):
        if opening.type != "heading_open":
            continue
        match = _HEADING_ID.match(inline.content)
        if match is None:
            notes.faults.append(f"the heading {inline.content!r} has no id: end it with {{#like-this}}")
        else:
            inline.content = match["words"]
            opening.attrSet("id", match["id"])
            notes.ids.append(match["id"])
        found = int(opening.tag[1])
        if found == 1:
            notes.faults.append(f"the heading {inline.content!r} is a second title: begin with ##")
        elif found > level + 1:
            notes.faults.append(f"the heading {inline.content!r} skips a level")
        level = found


def _notices(state: StateCore) -> None:
    """Give each box its class and its heading: level 2 above all other headings, else level 3."""
    notes, below = _notes(state), 2
    tokens: list[Token] = []
    for token in state.tokens:
        tokens.append(token)
        if token.type == "heading_open":
            below = 3
        if not (token.type.startswith("container_") and token.nesting == 1):
            continue
        name, _, words = token.info.strip().partition(" ")
        token.attrSet("class", f"notice {NOTICES[name]}")
        if not words:
            notes.faults.append(f"a {name} box has no heading")
            continue
        opening = Token("heading_open", f"h{below}", 1, meta={"level": name}, block=True)
        closing = Token("heading_close", f"h{below}", -1, block=True)
        tokens += [opening, tables.inline(words), closing]
    state.tokens = tokens


def _tables(state: StateCore) -> None:
    """Put the data's tables in their places, and dress all."""
    notes = _notes(state)
    state.tokens = tables.dress(
        tables.expand(state.tokens, notes.grids, notes.faults), notes.faults, notes.ids
    )


# Rules on words


def _citation(state: StateInline, silent: bool) -> bool:
    """`[@key; @key]`, as one token with the keys."""
    match = _CITATION.match(state.src, state.pos)
    if match is None:
        return False
    if not silent:
        token = state.push("citation", "", 0)
        token.meta = {"keys": [key.strip().removeprefix("@") for key in match[1].split(";")]}
    state.pos = match.end()
    return True


def _number_citations(state: StateCore) -> None:
    """Number the works in the order of first use, each citation's in their order; name each mark after its work, so
    that the work can lead back to it and both addresses outlast a change of the numbers.
    """
    notes = _notes(state)
    for children in _families(state):
        for before, token in zip([None, *children], children, strict=False):
            if token.type != "citation":
                continue
            if before is not None and before.type == "text" and before.content.endswith(" "):
                before.content = before.content[:-1]
            token.meta["marks"] = []
            for key in token.meta["keys"]:
                marks = notes.cited.setdefault(key, [])
                number = list(notes.cited).index(key) + 1
                marks.append(f"cite-{key}-{len(marks) + 1}")
                notes.ids.append(marks[-1])
                token.meta["marks"].append((number, key, marks[-1]))
            token.meta["marks"].sort()


def _set_words(state: StateCore) -> None:
    """Typeset doses and statistics; find what looks like our own marks but was not read as one."""
    notes = _notes(state)
    for children in _families(state):
        for token in children:
            if token.type != "text":
                continue
            token.content, faults = typography.spaced(token.content)
            notes.faults += faults
            for mark in ("[@", "{#", ":::", "[[", "]{", "]("):
                if mark in token.content:
                    notes.faults.append(f"{token.content!r}: {mark!r} could not be read")


def _mark_links(state: StateCore) -> None:
    """Say which links leave the site; refuse what is no page of ours, not https and no number to call at once."""
    notes = _notes(state)
    for children in _families(state):
        for place in range(len(children) - 1, -1, -1):
            token = children[place]
            if token.type != "link_open":
                continue
            href = str(token.attrs.get("href", ""))
            if href.startswith("https://"):
                token.attrSet("rel", "noopener")
                token.attrSet("class", "out")
                notes.outside.append(href)
                closing = next(i for i in range(place, len(children)) if children[i].type == "link_close")
                children.insert(closing, Token("leaves", "", 0, content=notes.words["leaves"]))
            elif href.startswith(("/", "#")) and not href.startswith("//"):
                notes.links.append(href)
            elif href not in URGENT:
                notes.faults.append(f"the link {href!r} is neither a page of ours nor an https address")


def _list_contents(state: StateCore) -> None:
    """The headings of level 2 that are not a box's, in order."""
    for opening, inline in zip(state.tokens, state.tokens[1:], strict=False):
        if opening.type == "heading_open" and opening.tag == "h2" and opening.attrs.get("id"):
            _notes(state).contents.append((str(opening.attrs["id"]), renderers.plain(inline)))


# Helpers


def _render(tokens: Sequence[Token], notes: _Notes) -> str:
    return _CLEANER.clean(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {"notes": notes}))


def _notes(state: StateCore) -> _Notes:
    notes: _Notes = state.env["notes"]
    return notes


def _families(state: StateCore) -> Iterator[list[Token]]:
    """The words of each block."""
    for token in state.tokens:
        if token.type == "inline" and token.children:
            yield token.children


def _machine() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "typographer": True})
    markdown.enable(["table", "smartquotes"]).disable(["image", "html_inline"])
    attrs_plugin(markdown, spans=True, allowed=["lang"])
    for name in NOTICES:
        container_plugin(markdown, name, render=renderers.box)
    markdown.inline.ruler.before("link", "citation", _citation)
    for name, rule in (("headings", _headings), ("notices", _notices), ("tables", _tables)):
        markdown.core.ruler.before("inline", name, rule)
    for name, rule in (
        ("set_words", _set_words),
        ("mark_links", _mark_links),
        ("number_citations", _number_citations),
        ("list_contents", _list_contents),
    ):
        markdown.core.ruler.push(name, rule)
    markdown.add_render_rule("citation", renderers.citation)
    markdown.add_render_rule("leaves", renderers.leaves)
    markdown.add_render_rule("heading_open", renderers.heading)
    return markdown


_MARKDOWN = _machine()
_CLEANER = nh3.Cleaner(
    tags={
        *("p", "h2", "h3", "h4", "ul", "ol", "li", "blockquote", "hr", "br"),
        *("a", "strong", "em", "code", "span", "sup"),
        *("div", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    },
    attributes={
        "*": {"id", "class", "lang", "role"},
        "a": {"href", "rel"},
        "div": {"tabindex", "aria-labelledby"},
        "th": {"scope", "colspan", "data-label"},
        "td": {"data-label"},
        "ol": {"start"},
    },
    url_schemes={"https", "tel"},
    link_rel=None,  # ours stands already
)
