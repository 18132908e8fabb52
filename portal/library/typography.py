"""How words are set beyond their doses: round quotes; statistics and counts that no line's end takes apart."""

import re

from markdown_it import MarkdownIt

from portal.library import doses
from portal.library.doses import NBSP

_QUOTES = MarkdownIt("zero", {"typographer": True}).enable(["smartquotes"])  # reads no marks at all
_KEPT = (  # what no line's end takes apart, and how it is put
    (re.compile(r"\bp ([=<>]) (?=\d)"), rf"p{NBSP}\1{NBSP}"),
    (re.compile(r"(?<=%) (?=CI\b)"), NBSP),
    (re.compile(r"(?<=\d) (?=(?:days?|weeks?|months?|years?|hours?|people|women|adults|children)\b)"), NBSP),
    (re.compile(r"(?<=\d) (?=(?:días?|semanas?|mes(?:es)?|años?|horas?|personas?)\b)"), NBSP),
)


def typeset(words: str) -> tuple[str, list[str]]:
    """Plain words (no Markdown), set; and one sentence for each dose that is spelt wrong."""
    (block,) = _QUOTES.parseInline(words)
    return spaced("".join(token.content for token in block.children or ()))


def spaced(words: str) -> tuple[str, list[str]]:
    """Words whose quotes are set already, with their doses and counts; and one sentence for each wrong dose."""
    for kept, put in _KEPT:
        words = kept.sub(put, words)
    return doses.typeset(words)
