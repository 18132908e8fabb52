"""Passages of a chapter for another page: the rows of one table, the points of one list.

A sheet that prints a passage holds no words of its own, so it cannot say something else than its chapter.
Citations stay behind in the chapter, and links leave their words.
"""

from collections.abc import Sequence

from markdown_it.token import Token
from markupsafe import Markup

from portal.library import markdown
from portal.library.markdown import Document

LEAD = "lead"  # the name of the box that a text begins with


def rows(document: Document, caption: str) -> tuple[tuple[Markup, ...], ...]:
    """The body of the table with that caption's id, cell by cell; raises KeyError when there is none."""
    tokens = document.tokens
    first = _place(tokens, "caption_open", caption)
    last = next(place for place in range(first, len(tokens)) if tokens[place].type == "table_close")
    body = next(place for place in range(first, last) if tokens[place].type == "tbody_open")
    found: list[list[Markup]] = []
    for token in tokens[body:last]:
        if token.type == "tr_open":
            found.append([])
        elif token.type == "inline":
            found[-1].append(markdown.plain_html(token))
    return tuple(map(tuple, found))


def points(document: Document, section: str) -> tuple[Markup, ...]:
    """The points of the first list under the heading with that id, or in the box the text begins with.

    Raises KeyError when there is no such heading, or no list before the next one.
    """
    tokens = document.tokens
    first = 0 if section == LEAD else _place(tokens, "heading_open", section) + 1
    found: list[Markup] = []
    depth = 0
    for token in tokens[first:]:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            depth -= 1
            if not depth:
                return tuple(found)
        elif token.type == "heading_open" and token.attrs.get("id"):
            break
        elif depth and token.type == "inline":
            found.append(markdown.plain_html(token))
    raise KeyError(section)


def _place(tokens: Sequence[Token], kind: str, name: str) -> int:
    for place, token in enumerate(tokens):
        if token.type == kind and token.attrs.get("id") == name:
            return place
    raise KeyError(name)
