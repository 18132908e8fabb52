"""What becomes of our own tokens of Markdown: HTML, or the words alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import escape


def citation(html: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    """The numbers of the works, each a link to its work."""
    word = env["notes"].words["reference"]
    marks = [
        f'<a href="#ref-{key}" id="{mark}"><span class="vh">{word} </span>{number}</a>'
        for number, key, mark in tokens[place].meta["marks"]
    ]
    is_alone = len(tokens) == 1  # in a cell of its own it needs no raising
    return " ".join(marks) if is_alone else f"<sup>{' '.join(marks)}</sup>"


def leaves(html: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    """What a screen reader hears of a link that leaves."""
    return f'<span class="vh"> ({escape(tokens[place].content)})</span>'


def box(html: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    """A notice's box."""
    return html.renderToken(tokens, place, options, env)  # without the class of the plug-in's own


def heading(html: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    """A heading, with the level of its box in words."""
    opening = html.renderToken(tokens, place, options, env)
    level = env["notes"].words.get(tokens[place].meta.get("level", ""))
    return f'{opening}<span class="vh">{level}: </span>' if level else opening


def plain(inline: Token) -> str:
    """The words alone, as they are read."""
    return "".join(
        " " if child.type.endswith("break") else child.content
        for child in inline.children or ()
        if child.type in ("text", "code_inline", "softbreak", "hardbreak")
    )


def end_of_box(tokens: Sequence[Token]) -> int:
    """Where the box that the text begins with ends; 0 if it begins otherwise."""
    if not tokens or not tokens[0].type.startswith("container_"):
        return 0
    closing = tokens[0].type.replace("_open", "_close")
    return next(place for place, token in enumerate(tokens, 1) if token.type == closing)
