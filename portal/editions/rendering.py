"""From an edition's Markdown to the HTML and the plain text of its mail, and what is wrong with it, line by line.

Both parts come from the same tokens (CommonMark, markdown-it-py), so that neither says what the other does not.
HTML in the source is printed, not obeyed. A picture is one of ours, and its words stand in both parts.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

from portal.addresses import EDITION_PICTURE
from portal.mail.compose import styled

WIDTH = 72  # columns of the plain text
PICTURE_WIDTH = 560  # pixels: the widest that a mail shows
HTML_MAX = 90_000  # bytes of a mail's HTML: some mail programs cut what is longer
FRAME = 6_000  # of these, what stands around the text
EMPTY_WORDS = {"here", "click here", "this", "this link", "link", "read more", "more",
               "aquí", "haga clic aquí", "haz clic aquí", "este enlace", "enlace", "leer más", "más"}  # fmt: skip
SHORTENERS = ("bit.ly", "t.co", "tinyurl.com", "goo.gl", "ow.ly", "is.gd", "buff.ly", "rebrand.ly", "lnkd.in", "t.ly",
              "rb.gy", "cutt.ly", "shorturl.at", "fb.me", "dlvr.it", "v.gd", "bl.ink", "qrco.de", "tiny.cc"
              )  # fmt: skip
TRACKING = re.compile(
    r"(utm_\w+|mc_[ce]id|fbclid|[gd]clid|gclsrc|[gw]braid|msclkid|yclid|twclid|ttclid|igshid|igsh|mkt_tok|_hsenc|_hsmi"
    r"|vero_(?:id|conv)|oly_(?:anon|enc)_id|_ga|_gl|_ke|ml_subscriber\w*)$",
    re.IGNORECASE,
)
HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+\.?", re.IGNORECASE)
PLACEHOLDER = re.compile(r"\[\[.*?\]\]|\{\{.*?\}\}|\bTODO\b|\bXXX\b|lorem ipsum", re.IGNORECASE)
# What no mail of ours promises, and what none names in its subject (the pharmacy's rule for its texts).
PROMISES = re.compile(
    r"\b(cures?|cured|guaranteed?|miracle|risk[- ]free|side[- ]effect[- ]free|FDA[- ]approved for"
    r"|curan?|garantizad[oa]s?|milagro\w*|sin riesgos?)\b",
    re.IGNORECASE,
)
ILLNESSES = re.compile(
    r"\b(opioids?|opioides?|pain|dolor|fibromyalgia|fibromialgia|crohn\w*|multiple sclerosis|esclerosis múltiple"
    r"|cancer|cáncer|lupus|long covid|covid persistente|addiction|adicción|arthritis|artritis)\b",
    re.IGNORECASE,
)
DRUG = re.compile(r"\b(LDN|naltrexon[ea])\b", re.IGNORECASE)
# What looks like Markdown and is none of ours: it would arrive as it was typed.
TYPED = (
    (re.compile(r"\]\("), "A link is not read as one: its address has a blank in it, or is none"),
    (re.compile(r"^\|?[ :-]*-{3}[ :|-]*\|[ :|-]*$"), "A table is not shown as one: write a list"),
    (re.compile(r"\b(?:https?://|www\.)\w", re.I), "An address stands alone: write [words](address)"),
)
HTML = re.compile(r"</?[a-z][a-z0-9]*[ />]|<!--", re.IGNORECASE)
_PICTURE = re.compile(rf"{re.escape(EDITION_PICTURE.root)}/([0-9a-f]{{32}}-(\d+)x(\d+)\.\w+)")
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


@dataclass(frozen=True)
class Finding:
    """What is wrong or doubtful; `line` counts from 1, 0 is the whole. What only `warns` stops nothing."""

    line: int
    words: str
    warns: bool = False

    def __str__(self) -> str:
        return f"Line {self.line}: {self.words}" if self.line else self.words


def html(source: str, base: str = "") -> Markup:
    """The HTML between a mail's title and its foot; `base` is where our pictures are."""
    tokens = _MARKDOWN.parse(source)
    for token in tokens:
        for child in token.children or ():
            if child.type == "image":
                _size(child, base)
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # noqa: S704 - HTML in it is off


def _size(image: Token, base: str) -> None:
    """Let a picture of ours take its room before it is there, and be no wider than the mail."""
    url = str(image.attrGet("src") or "")
    if found := _PICTURE.fullmatch(url):
        width, height = int(found[2]), int(found[3])
        shown = min(width, PICTURE_WIDTH)
        image.attrSet("src", base + url)
        image.attrSet("width", str(shown))
        image.attrSet("height", str(max(1, round(height * shown / max(1, width)))))


def pictures(source: str) -> set[str]:
    """The names of those of our pictures that it shows."""
    urls = (
        str(token.attrGet("src")) for token, _line in _walk(_MARKDOWN.parse(source)) if token.type == "image"
    )
    return {found[1] for url in urls if (found := _PICTURE.fullmatch(url))}


def plain(source: str, picture: str = "Picture") -> str:
    """The same as plain text: 72 columns, links numbered and listed at the end; `picture` is the word for one."""
    links: list[str] = []
    lines = list(_blocks(_MARKDOWN.parse(source), links, picture))
    listed = [f"[{n}] {url}" for n, url in enumerate(links, 1)]
    return "\n\n".join([*lines, *(["\n".join(listed)] if listed else [])])


def findings(subject: str, preview: str, source: str, known: Collection[str] = ()) -> list[Finding]:
    """All that is wrong with an edition's text in one language; `known` are the pictures that there are."""
    heads = {"subject": subject, "preview text": preview}
    found = [
        Finding(0, f"Write the {name}")
        for name, value in {**heads, "text": source}.items()
        if not value.strip()
    ]
    found += [finding for name, value in heads.items() for finding in _head(name, value)]
    for number, line in enumerate(source.splitlines(), 1):
        if word := PLACEHOLDER.search(line):
            found.append(Finding(number, f"“{word[0]}” was left over"))
        if word := PROMISES.search(line):
            found.append(Finding(number, f"“{word[0]}” promises more than we may", warns=True))
    found += [*_structure(source, known), *_typed(source)]
    found += [finding for words, url, line in _links(source) for finding in _link(words, url, line)]
    if (size := len(styled(html(source)).encode()) + FRAME) > HTML_MAX:
        limit = HTML_MAX // 1000
        found.append(Finding(0, f"The mail is {size // 1000} KB; mail programs cut what is over {limit}"))
    return sorted(found, key=lambda finding: finding.line)


def _head(name: str, value: str) -> Iterator[Finding]:
    """What may stand on a locked screen, where anybody sees it."""
    if word := ILLNESSES.search(value):
        yield Finding(0, f"The {name} names an illness, for all to see on a locked screen: “{word[0]}”")
    if word := DRUG.search(value):
        yield Finding(0, f"The {name} names the medicine: “{word[0]}”", warns=True)


def _structure(source: str, known: Collection[str]) -> Iterator[Finding]:
    level, is_heading = 1, False
    for token, line in _walk(_MARKDOWN.parse(source)):
        if token.type == "inline" and is_heading and not token.content.strip():
            yield Finding(line, "A heading says nothing")
        is_heading = token.type == "heading_open"
        if is_heading:
            depth = int(token.tag[1])
            if depth == 1:
                yield Finding(line, "The subject is the title: begin headings with ##")
            elif depth > level + 1:
                yield Finding(line, f"A heading of level {depth} follows one of level {level}")
            level = depth
        elif token.type == "image":
            name = _PICTURE.fullmatch(str(token.attrGet("src") or ""))
            if name is None or name[1] not in known:
                yield Finding(line, "Show one of our pictures: copy its line")
            if not _alt(token).strip():
                yield Finding(line, "Say between the brackets what the picture shows")


def _typed(source: str) -> Iterator[Finding]:
    for token, line in _walk(_MARKDOWN.parse(source)):
        if token.type != "text":
            continue
        yield from (Finding(line, words) for kind, words in TYPED if kind.search(token.content))
        if found := HTML.search(token.content):
            yield Finding(line, f"“{found[0].strip()}” is shown as it is typed", warns=True)


def _link(words: str, url: str, line: int) -> Iterator[Finding]:
    parts, named = urlsplit(url), f"The link “{words.strip()}”"
    if words.strip(" .,:;!?…¡¿→»›>").casefold() in {"", *EMPTY_WORDS}:
        yield Finding(line, f"{named} does not say where it leads")
    if parts.scheme in ("mailto", "tel"):
        if not parts.path:
            yield Finding(line, f"{named} leads nowhere")
        return
    if parts.scheme != "https" or not parts.netloc:
        yield Finding(line, f"{named} must begin with https://")
    if parts.scheme in ("http", "https"):
        yield from (Finding(line, fault) for fault in _faults(parts, named))


def _faults(parts: SplitResult, named: str) -> Iterator[str]:
    """What is wrong with the address of a page."""
    host, rest = parts.hostname or "", unquote(f"{parts.path}&{parts.query}&{parts.fragment}")
    if not HOST.fullmatch(host) or not _has_good_port(parts):
        yield f"{named} leads nowhere: its address has no host that can be"
    if "@" in parts.netloc:
        yield f"{named} holds a name or a password before its host"
    if f".{host.rstrip('.')}".endswith(tuple(f".{one}" for one in SHORTENERS)):
        yield f"{named} is shortened: give the real address"
    if word := ILLNESSES.search(re.sub(r"[-_+=&/]", " ", rest)):
        yield f"The address of {named[0].lower()}{named[1:]} names an illness: “{word[0]}”"
    if any(TRACKING.match(part.partition("=")[0]) for part in re.split(r"[?&;#]", rest)):
        yield f"{named} follows its readers: take the tracking out"


def _has_good_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _alt(image: Token) -> str:
    """What a picture shows, in the words of its text."""
    return RendererHTML().renderInlineAsText(image.children, _MARKDOWN.options, {})


def _walk(tokens: Sequence[Token], line: int = 1) -> Iterator[tuple[Token, int]]:
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        yield token, line
        for child in token.children or ():
            if child.type in ("softbreak", "hardbreak"):
                line += 1
            yield child, line


def _links(source: str) -> Iterator[tuple[str, str, int]]:
    url, words, began = "", "", 0
    for token, line in _walk(_MARKDOWN.parse(source)):
        if token.type == "link_open":
            url, words, began = str(token.attrGet("href") or ""), "", line
        elif token.type == "link_close":
            yield words, url, began
        elif token.type == "image":
            words += _alt(token)
        elif token.type in ("text", "code_inline"):
            words += token.content
        elif token.type in ("softbreak", "hardbreak"):
            words += " "


def _blocks(tokens: Sequence[Token], links: list[str], picture: str) -> Iterator[str]:
    lead, hang, marks, heading = "", "", list[list[int | None]](), ""
    for token in tokens:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            marks.append([int(token.attrGet("start") or 1) if token.type.startswith("ordered") else None])
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            marks.pop()
        elif token.type == "list_item_open":
            number = marks[-1][0]
            mark = "* " if number is None else f"{number}. "
            marks[-1][0] = None if number is None else number + 1
            lead, hang = "  " * (len(marks) - 1) + mark, "  " * (len(marks) - 1) + " " * len(mark)
        elif token.type == "list_item_close":
            lead = hang = ""
        elif token.type == "heading_open":
            heading = "=" if token.tag in ("h1", "h2") else "-"
        elif token.type == "inline":
            words = _words(token.children or [], links, picture)
            said = "\n".join(
                textwrap.fill(part, WIDTH, initial_indent=lead if not n else hang, subsequent_indent=hang,
                              break_long_words=False, break_on_hyphens=False)
                for n, part in enumerate(words.split("\n"))
            )  # fmt: skip
            longest = max(len(line) for line in said.split("\n"))
            yield f"{said}\n{heading * longest}" if heading else said
            heading, lead = "", hang
        elif token.type in ("fence", "code_block"):
            yield token.content.rstrip()
        elif token.type == "hr":
            yield "* * *"


def _words(children: Sequence[Token], links: list[str], picture: str) -> str:
    said, url = "", ""
    for child in children:
        if child.type in ("text", "code_inline"):
            said += child.content
        elif child.type == "image":
            said += f"({picture}: {_alt(child)})"
        elif child.type == "softbreak":
            said += " "
        elif child.type == "hardbreak":
            said += "\n"
        elif child.type == "link_open":
            url = str(child.attrGet("href") or "")
        elif child.type == "link_close":
            if url not in links:
                links.append(url)
            said += f" [{links.index(url) + 1}]"
    return said
