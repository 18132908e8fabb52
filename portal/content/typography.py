"""How words are set beyond their doses: round quotes, and statistics that no line's end takes apart."""

import re

from markdown_it import MarkdownIt

from portal.content import doses
from portal.content.doses import NBSP

_QUOTES = MarkdownIt("zero", {"typographer": True}).enable(["smartquotes"])  # reads no marks at all
_STATISTICS = (
    (re.compile(r"\bp ([=<>]) (?=\d)"), rf"p{NBSP}\1{NBSP}"),
    (re.compile(r"(?<=%) (?=CI\b)"), NBSP),
)


def typeset(words: str) -> tuple[str, list[str]]:
    """Plain words (no Markdown), set; and one sentence for each dose that is spelt wrong."""
    (block,) = _QUOTES.parseInline(words)
    return spaced("".join(token.content for token in block.children or ()))


def spaced(words: str) -> tuple[str, list[str]]:
    """Words whose quotes are set already, with their doses and statistics; and one sentence for each wrong dose."""
    for statistic, put in _STATISTICS:
        words = statistic.sub(put, words)
    return doses.typeset(words)
