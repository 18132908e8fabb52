"""The manuscript of the prescribers' guide: what it says, in order, as one Typst file.

It is made from the same tokens as the web pages, so no text exists twice; the look is `guide.typ`'s. Works are
numbered once for the whole guide, by the alphabet, as the chapter of references says. Each line ends with a comment
that names the text it came from, for the press's complaints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from markdown_it.tree import SyntaxTreeNode

from portal.library import pictures, plans
from portal.library.pages import Library, Page
from portal.library.references import Reference
from portal.organisation import Organisation
from portal.print.typesetting import BASE, Writer, array, block, call, qr, quoted, words

LOOK = Path(__file__).with_name("guide.typ")
SECTION = "prescribers"
KIND = "Prescriber guide"
FOR_WHOM = "For health professionals. General information, not medical advice."
# The words of `templates/resource/article.html`; a test holds the two together.
NOT_SIGNED = "Not yet signed by the pharmacist-in-charge."
DRAFT = f"Draft. {NOT_SIGNED}"
OFF_LABEL = "Every use of low dose naltrexone is off-label. Compounded medicines are not FDA-approved"

# Sections of the first chapter: those that page 1 is made of, and those that lead around the web pages.
DECISION = ("start", "dose", "write", "watch")
ON_THE_WEB = ("chapters", "print", "ask")

WEEKS_OF = {"week": 1.0, "month": 365.25 / 12 / 7, "": 0.0}  # the last step goes on to the review
_MANY = 10  # sections that make a chapter one of questions


def source(library: Library, org: Organisation, base_url: str) -> str:
    """The whole guide. ValueError for a library without chapters, or with a token nobody can set."""
    chapters = library.chapters(SECTION)
    if not chapters:
        raise ValueError("there is no chapter to print")
    return "\n".join(
        [
            BASE.read_text("utf-8"),
            LOOK.read_text("utf-8"),
            *_Manuscript(library, chapters, org, base_url).lines(),
            "",
        ]
    )


def changed_on(library: Library) -> date:
    """The day of the newest change to any chapter; the guide's own date."""
    return max(chapter.updated_on for chapter in library.chapters(SECTION))


def review(chapters: Sequence[Page]) -> str:
    """Who has signed these texts and when, or that somebody still has to; and the day of the last change."""
    if any(chapter.review != "signed" for chapter in chapters):
        said = DRAFT
    else:
        signed = {(chapter.reviewed_on, chapter.reviewer) for chapter in chapters if chapter.reviewed_on}
        said = " ".join(f"Reviewed {_day(on)} by {name}." for on, name in sorted(signed))
        following = [chapter.next_review_on for chapter in chapters if chapter.next_review_on]
        said += f" Next review by {_day(min(following))}." if following else ""
    return f"{said} Last changed {_day(max(chapter.updated_on for chapter in chapters))}."


class _Manuscript:
    def __init__(self, library: Library, chapters: Sequence[Page], org: Organisation, base_url: str) -> None:
        self.chapters, self.org, self.base_url = chapters, org, base_url
        self.pictures, self.schedules = tuple(library.pictures.values()), library.schedules
        self.review = review(chapters)
        self.is_draft = self.review.startswith(DRAFT)
        cited = {cited.work.id: cited.work for chapter in chapters for cited in chapter.references}
        self.works = sorted(cited.values(), key=lambda work: (work.citation.casefold(), work.id))
        numbers = {work.id: number for number, work in enumerate(self.works, 1)}
        names = {work.id: (work.name, work.kind) for work in self.works}
        self.writer = Writer({chapter.path for chapter in chapters}, base_url, numbers, names)

    def lines(self) -> Iterator[str]:
        """One call a line."""
        yield self._frame()
        trees = [list(SyntaxTreeNode(chapter.document.tokens).children) for chapter in self.chapters]
        yield from self._first_page(trees[0])
        for chapter, tree in zip(self.chapters, trees, strict=True):
            yield from self._chapter(chapter, tree)
            if chapter.lists_all_references:
                yield _line(_section("all-references", "All references"))
                yield _line(self._bibliography(), "references.yaml")
        if not any(chapter.lists_all_references for chapter in self.chapters):
            yield _line(_chapter("references", "References"))
            yield _line(self._bibliography(), "references.yaml")
        yield _line(call("chapter", quoted("about"), words("About this guide"), "[]", "[]", "breaks: false"))
        yield from self._addresses()
        yield from self._changes()
        to = f"{self.base_url}{self.chapters[0].path}"
        yield _line(call("back", self._facts(), qr(to), quoted(f"QR code that leads to {to}")))

    def _frame(self) -> str:
        title, on = self.chapters[0].title, max(chapter.updated_on for chapter in self.chapters)
        foot = (f"{FOR_WHOM} {'Draft of' if self.is_draft else 'Text of'} {_day(on)}.", f"{OFF_LABEL}.")
        settings = (
            f"title: {quoted(title)}",
            f"author: {quoted(self.org.name)}",
            f"day: datetime(year: {on.year}, month: {on.month}, day: {on.day})",
            f"head: {quoted(f'{title}: {KIND.lower()}')}",
            f"foot: {array(map(quoted, foot))}",
        )
        return f"#show: {call('guide.with', *settings)}"

    def _first_page(self, tree: list[SyntaxTreeNode]) -> Iterator[str]:
        """Page 1 decides: the warning the first chapter begins with, and its sections that say what to do.

        They are taken out of the tree, and so is what only leads around the web pages.
        """
        first = self.chapters[0]
        self.writer.enter(first.path)
        boxes = [self.writer.notice(tree.pop(0), level=1)] if tree[0].type.startswith("container_") else []
        parts = _sections(tree)
        decision = [self.writer.wide(node) for key in DECISION for node in parts.get(key, ())]
        tree[:] = [node for key, nodes in parts.items() if key not in DECISION + ON_THE_WEB for node in nodes]
        yield _line(
            call(
                "first-page",
                quoted(self.org.name),
                quoted(KIND),
                words(first.description),
                words(self.review),
                "true" if self.is_draft else "false",
                block(boxes),
                call("heading-of", quoted(first.path), words(first.short)),
                block(decision),
            ),
            first.source,
        )
        yield _line("listed-contents")

    def _chapter(self, chapter: Page, tree: Sequence[SyntaxTreeNode]) -> Iterator[str]:
        if chapter is not self.chapters[0]:  # whose head stands on the first page
            own = review([chapter])
            said = own if own != self.review else ""
            yield _line(_chapter(chapter.path, chapter.title, chapter.description, said), chapter.source)
        self.writer.enter(chapter.path)
        if _is_questions(tree):
            asked = block(self.writer.wide(node, is_listed=False) for node in tree)
            yield _line(call("questions", asked), chapter.source)
            return
        for node in tree:
            if node.attrs.get("id") == "studies":
                yield from self._pictures()
            if _caption(node) == plans.TABLE and self.schedules:
                yield _line(self._timeline(), "schedules.yaml")
            yield _line(self.writer.beside(node), chapter.source, node.map)

    def _pictures(self) -> Iterator[str]:
        for one in self.pictures:
            drawn = one.svg.replace(pictures.FONT, "Libertinus Serif")
            yield _line(call("picture", quoted(drawn), quoted(one.title), quoted(one.description)))

    def _timeline(self) -> str:
        """The steps of each schedule on one scale of weeks, above the table that has them in words."""
        rows = []
        for one in self.schedules:
            weeks = [str(round(WEEKS_OF[step.unit] * step.count, 2)) for step in one.steps]
            rows.append(
                array((words(one.name), array(map(quoted, (step.dose for step in one.steps))), array(weeks)))
            )
        return call("timeline", str(plans.REVIEW_WEEK), *rows)

    def _bibliography(self) -> str:
        items = []
        for work in self.works:
            parts = (
                str(self.writer.numbers[work.id]),
                quoted(f"ref-{work.id}"),
                words(work.citation),
                _place(work),
                words(f"{work.kind[:1].upper()}{work.kind[1:]}."),
                array(map(quoted, self.writer.marks.get(work.id, ()))),
            )
            items.append(array(parts))
        return call("works", *items)

    def _addresses(self) -> Iterator[str]:
        """Where the links out of the guide lead, for who reads it on paper."""
        if not self.writer.outward:
            return
        yield _line(_section("addresses", "Where the links lead"))
        items = (
            block((words(f"{name[:1].upper()}{name[1:]}: "), call("out", quoted(address), quoted(address))))
            for address, name in self.writer.outward.items()
        )
        yield _line(call("small-print", call("list", *items)))

    def _changes(self) -> Iterator[str]:
        """What changed on the newest day; what changed before is told by the web pages."""
        days = [on for chapter in self.chapters for on, _ in chapter.changes]
        if not days:
            return
        newest = max(days)
        yield _line(_section("changes", "What changed"))
        yield _line(call("measured", call("par", call("strong", quoted(_day(newest))))))
        items = (
            block((call("emph", words(chapter.short)), quoted(": "), words(what)))
            for chapter in self.chapters
            for on, what in chapter.changes
            if on == newest
        )
        yield _line(call("small-print", call("list", *items)))

    def _facts(self) -> str:
        """The pharmacy's facts; one that is not known is left out."""
        org = self.org
        facts = (
            ("Pharmacy", org.name),
            ("Address", org.address),
            ("Telephone", org.phone),
            ("Fax", org.fax),
            ("Open", org.hours_text),
            ("Pharmacy license", org.license),
            ("Pharmacist-in-charge", org.pic),
            ("On the web", f"{self.base_url}{self.chapters[0].path}"),
        )
        return call("facts", *(array((quoted(name), quoted(value))) for name, value in facts if value))


def _line(code: str, origin: str = "", lines: tuple[int, int] | None = None) -> str:
    place = f", line {lines[0] + 1} of the text" if lines else ""
    return f"#{code} // {origin}{place}" if origin else f"#{code}"


def _chapter(anchor: str, title: str, lede: str = "", said: str = "") -> str:
    return call("chapter", quoted(anchor), words(title), words(lede), words(said))


def _section(anchor: str, title: str) -> str:
    return call("section", "2", quoted(anchor), words(title))


def _sections(tree: Sequence[SyntaxTreeNode]) -> dict[str, list[SyntaxTreeNode]]:
    """The nodes of a text under the id of their heading of the second level."""
    found: dict[str, list[SyntaxTreeNode]] = {"": []}
    for node in tree:
        if node.type == "heading" and node.tag == "h2":
            found[str(node.attrs["id"])] = []
        found[next(reversed(found))].append(node)
    return found


def _place(work: Reference) -> str:
    """Where to find a work; paper tells the whole address where the web shows the site's name."""
    if not work.address:
        return "[]"
    is_site = work.place == (urlsplit(work.address).hostname or "").removeprefix("www.")
    return call(
        "out", quoted(work.address), quoted(work.address.removeprefix("https://") if is_site else work.place)
    )


def _caption(node: SyntaxTreeNode) -> str:
    """The id of a table's caption; nothing for what is no table."""
    return str(node.children[0].children[0].attrs["id"]) if node.type == "region" else ""


def _is_questions(tree: Sequence[SyntaxTreeNode]) -> bool:
    """Whether a chapter is many short sections and nothing wide."""
    headings = sum(node.type == "heading" for node in tree)
    return headings >= _MANY and all(node.type in ("heading", "paragraph") for node in tree)


def _day(on: date) -> str:
    return f"{on:%B} {on.day}, {on.year}"
