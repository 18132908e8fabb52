"""A text cut into statements, so that each can be agreed to by name: a point, a row of a table, a paragraph.

A statement is what is read together: the sentences of one point qualify one another. Its digest is taken over all
that gives it its sense: the page, the heading (or caption) above it, the labels of its columns, its words, the works
it rests on. Where any of these changes it is another statement, which nobody has agreed to yet; where it is only
moved under its heading, or others are added around it, it stays the same.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from markdown_it.tree import SyntaxTreeNode

from portal import addresses
from portal.library.pages import Page
from portal.library.references import Reference

KEY = 12  # characters of a digest that name a statement on its page

# Where an error could hurt somebody soon: opioids and withdrawal, surgery, pregnancy, children, thoughts of suicide.
_GRAVE = re.compile(
    r"\bopioid|\bwithdrawal|naloxone|methadone|buprenorphine|kratom|tianeptine|tramadol|fentanyl|codeine|loperamide"
    r"|\bsurg|\banesthe|\bprocedure|pregnan|breastfe|suicid|988|\b911\b|poison control|\bchild|overdose|contraindicat"
    r"|acute hepatitis|liver failure|disulfiram|thioridazine",
    re.IGNORECASE,
)
_DOSE = re.compile(r"\d\s*(?:mg|micrograms?|mL)\b|\bcapsules?\b|\bsteps?\b|milligram", re.IGNORECASE)
_DOSES_ARE_ADVICE = (
    addresses.PRESCRIBERS,
    addresses.DOSING,
    addresses.SAFETY,
    addresses.COMPOUNDING,
    addresses.PATIENTS,
)
_NOT_CLINICAL = ("about",)  # sections whose texts advise nobody on a treatment
_OWN_PRACTICE = re.compile(r"\bpractice\b|\btradition\b|\breasoned\b", re.IGNORECASE)
_STUDIES = re.compile(
    r"RCT|trial|registration|pilot|cohort|registry|meta|review|study|series|report|dose-finding|crossover|observational"
    r"|preclinical|drug utilization"
)
_OWN_SEARCH = re.compile(r"\bwe found no|\bwe found none|\bwe have not|\bwe did not find", re.IGNORECASE)


class Risk(StrEnum):
    """How much an error would matter: what is read first."""

    A = "A"  # opioids, withdrawal, surgery, pregnancy, children, suicide, a dose
    B = "B"  # any other clinical statement
    C = "C"  # about the site, the pharmacy, where to find what


class Basis(StrEnum):
    """What a statement rests on, as far as the text itself says."""

    LABEL = "label"
    STUDY = "study"
    OTHER = "other source"
    SEARCH = "our search"
    PRACTICE = "practice"
    ELSEWHERE = "the passage it links to"
    OURSELVES = "what we say of ourselves"
    NONE = "no source"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of one page."""

    page: str
    anchor: str  # of the heading or caption above it: it lasts, while the words under it may change
    heading: str
    words: str
    works: tuple[str, ...]
    digest: str
    risk: Risk
    basis: tuple[Basis, ...]
    address: str  # where it is read
    language: str
    original: str = ""  # what it translates

    @property
    def key(self) -> str:
        """Its name on its page."""
        return self.digest[:KEY]


@dataclass(frozen=True)
class Sheet:
    """What is printed under a page's signature and is no part of its text; `words` are its statements."""

    anchor: str
    heading: str
    address: str
    words: tuple[str, ...]


def statements(
    page: Page, works: Mapping[str, Reference], sheets: Iterable[Sheet] = ()
) -> tuple[Statement, ...]:
    """Every statement of a text, in its order, and of the sheets under its signature.

    One that stands twice under the same heading is one.
    """
    found: dict[str, Statement] = {}
    for anchor, heading, words, node in _parts(page):
        address = f"{page.path}#{anchor}" if anchor else page.path
        one = _statement(page, anchor, heading, words, node, works, address)
        found.setdefault(one.digest, one)
    for sheet in sheets:
        for words in sheet.words:
            one = _statement(page, sheet.anchor, sheet.heading, words, None, works, sheet.address)
            found.setdefault(one.digest, one)
    return tuple(found.values())


def translated(own: Sequence[Statement], originals: Iterable[Statement]) -> tuple[Statement, ...]:
    """The statements of a translation, each beside what it translates.

    It is as grave as its original, rests on the same, and is another statement once its original is. Where a heading
    has more of one than of the other, each of its statements stands beside all of them.
    """
    theirs, ours = _by_anchor(originals), _by_anchor(own)
    beside: dict[str, Statement] = {}
    for anchor, group in ours.items():
        found = theirs.get(anchor, [])
        for place, one in enumerate(group):
            beside[one.digest] = _beside(one, [found[place]] if len(found) == len(group) else found)
    return tuple(beside[one.digest] for one in own)


def _by_anchor(found: Iterable[Statement]) -> dict[str, list[Statement]]:
    groups: dict[str, list[Statement]] = {}
    for one in found:
        groups.setdefault(one.anchor, []).append(one)
    return groups


def _beside(one: Statement, found: list[Statement]) -> Statement:
    whole = "\n".join((one.digest, *(other.digest for other in found)))
    return replace(
        one,
        digest=hashlib.sha256(whole.encode()).hexdigest(),
        risk=min((other.risk for other in found), default=Risk.A),
        basis=tuple(dict.fromkeys(basis for other in found for basis in other.basis)) or one.basis,
        original=" ".join(other.words for other in found),
    )


_Part = tuple[str, str, str, SyntaxTreeNode | None]


def _parts(page: Page) -> Iterator[_Part]:
    yield "", page.title, page.description, None
    walk = _Walk(page.title)
    yield from walk.through(SyntaxTreeNode(page.document.tokens).children)


class _Walk:
    """Block by block, with the heading that stands above."""

    def __init__(self, title: str) -> None:
        self.anchor, self.heading = "", title

    def through(self, nodes: list[SyntaxTreeNode]) -> Iterator[_Part]:
        for node in nodes:
            if node.type == "heading":
                self.anchor, self.heading = str(node.attrs.get("id", self.anchor)), _text(node)
            elif node.type == "region":
                yield from _rows(node)
            elif node.type.startswith("container_") or node.type == "blockquote":
                before = self.heading
                yield from self.through(node.children)
                self.heading = before  # a box's own heading ends with it
            elif node.type in ("bullet_list", "ordered_list"):
                for item in node.children:
                    yield self._part(item)
            elif node.type != "hr":
                yield self._part(node)

    def _part(self, node: SyntaxTreeNode) -> _Part:
        return self.anchor, self.heading, _text(node), node


def _rows(region: SyntaxTreeNode) -> Iterator[_Part]:
    caption, *parts = region.children[0].children
    anchor, heading = str(caption.attrs["id"]), _text(caption)
    labels: list[str] = []
    group = ""
    for part in parts:
        for row in part.children:
            cells = row.children
            if part.type == "thead":
                labels = [_text(cell) for cell in cells]
            elif "colspan" in cells[0].attrs:
                name, detail = cells[0].children
                anchor, group = str(cells[0].attrs["id"]), _text(name)
                yield anchor, heading, f"{group}: {_text(detail)}", cells[0]
            else:
                said = [
                    f"{label}: {text}"
                    for label, cell in zip(labels, cells, strict=True)
                    if (text := _text(cell))
                ]
                yield anchor, f"{heading}: {group}" if group else heading, "; ".join(said), row


def _text(node: SyntaxTreeNode) -> str:
    """The words of a node as they are read; blocks apart."""
    if node.type == "inline":
        return "".join(
            " " if part.type.endswith("break") else part.content
            for part in node.walk()
            if part.type in ("text", "code_inline", "softbreak", "hardbreak")
        )
    return " ".join(text for child in node.children if (text := _text(child)))


def _statement(
    page: Page,
    anchor: str,
    heading: str,
    words: str,
    node: SyntaxTreeNode | None,
    works: Mapping[str, Reference],
    address: str,
) -> Statement:
    words = " ".join(words.split())
    parts = list(node.walk()) if node else []
    keys = (key for part in parts if part.type == "citation" for key in part.meta["keys"])
    cited = tuple(dict.fromkeys(keys))
    leads_on = any(part.type == "link" and str(part.attrs["href"])[:1] in "/#" for part in parts)
    whole = "\n".join((page.path, anchor, heading, words, *sorted(cited)))
    return Statement(
        page=page.path,
        anchor=anchor,
        heading=heading,
        words=words,
        works=cited,
        digest=hashlib.sha256(whole.encode()).hexdigest(),
        risk=_risk(page, f"{heading} {words}"),
        address=address,
        language=page.language,
        basis=_basis(page, words, [works[key] for key in cited if key in works], leads_on=leads_on),
    )


def _risk(page: Page, words: str) -> Risk:
    if page.section in _NOT_CLINICAL:
        return Risk.A if _GRAVE.search(words) else Risk.C
    advises = page.path in _DOSES_ARE_ADVICE
    if page.path in (addresses.EVIDENCE, addresses.REFERENCES):
        return Risk.B if page.path == addresses.EVIDENCE else Risk.C
    return Risk.A if _GRAVE.search(words) or (advises and _DOSE.search(words)) else Risk.B


def _basis(page: Page, words: str, cited: list[Reference], *, leads_on: bool) -> tuple[Basis, ...]:
    found = [_kind(work) for work in cited]
    if page.section in _NOT_CLINICAL:
        found.append(Basis.OURSELVES)
    if not found and _OWN_SEARCH.search(words):
        found.append(Basis.SEARCH)
    if _OWN_PRACTICE.search(words):
        found.append(Basis.PRACTICE)
    if not found and leads_on:
        found.append(Basis.ELSEWHERE)
    return tuple(dict.fromkeys(found)) or (Basis.NONE,)


def _kind(work: Reference) -> Basis:
    if work.kind.startswith("drug label"):
        return Basis.LABEL
    return Basis.STUDY if _STUDIES.search(work.kind) else Basis.OTHER
