"""A mail before it is sent, as it will be met: in the light, in the dark, on a phone, as text, and read aloud."""

from __future__ import annotations

from email import message_from_bytes, policy
from html.parser import HTMLParser

from flask_babel import force_locale

from portal.editions import letters
from portal.editions.models import Edition
from portal.mail import compose
from portal.newsletter.models import Language
from portal.settings import settings

# What a mail's styles keep for the dark and for narrow screens, obeyed on this one.
VARIANTS = {
    "": (),
    "dark": (("@media (prefers-color-scheme: dark)", "@media all"),),
    "narrow": (
        ("@media (max-width: 480px)", "@media all"),
        ('<body style="', '<body style="max-width:320px;'),
    ),
}
PARTS = {"plain": "txt", "html": "html"}
_SILENT = frozenset({"head", "style", "title", "script"})
_BLOCKS = frozenset({"p", "div", "td", "table", "ul", "ol", "li", "pre", "blockquote", "br", "hr", "body"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


def html(edition: Edition, language: Language, variant: str = "") -> str:
    """The HTML of its mail, as one of VARIANTS."""
    made = _part(edition, language, "html")
    for plain, wanted in VARIANTS[variant]:
        made = made.replace(plain, wanted)
    return made


def text(edition: Edition, language: Language) -> str:
    """What a program for text, such as mutt, shows of it: who writes, the subject, the plain text."""
    sender, subject = settings().ORG.name, edition.text_in(language).subject
    words = _part(edition, language, "plain").strip()
    return f"From: {sender} <{settings().MAIL_FROM}>\nSubject: {subject}\n\n{words}\n"


def aloud(mail: str) -> str:
    """What a screen reader says of a mail's HTML, line by line: headings with their level, lists with their length,
    links, pictures by their words. A table that only lays out is not spoken of."""
    reader = _Reader()
    reader.feed(mail)
    reader.close()
    return reader.said()


def _part(edition: Edition, language: Language, part: str) -> str:
    """One part of its mail, `plain` or `html`, with made-up links in the place of each one's own; once it was frozen,
    of what was frozen."""
    frozen = edition.text_in(language).content
    if frozen is not None:
        found = message_from_bytes(frozen, policy=policy.default).get_body((part,))
        return str(found.get_content()) if found is not None else ""
    context = letters.said({"text": edition.text_in(language).id})
    with force_locale(language):
        return compose.rendered(letters.MESSAGE, PARTS[part], **context, lang=language)


class _Reader(HTMLParser):
    """Walks once through a mail's HTML."""

    def __init__(self) -> None:
        super().__init__()
        self._lines, self._mark, self._line, self._silent = list[str](), "", "", 0
        self._lists = list[
            list[int]
        ]()  # of each open one: where it was announced, its length, its next number

    def said(self) -> str:
        """All lines."""
        self._end()
        return "\n".join(self._lines)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in _SILENT
        if tag in _BLOCKS or tag in _HEADINGS:
            self._end()
        if tag in _HEADINGS:
            self._mark = f"heading level {tag[1]}: "
        elif tag in ("ul", "ol"):
            self._lists.append(
                [len(self._lines), 0, int(dict(attrs).get("start") or 1) if tag == "ol" else 0]
            )
            self._lines.append("")
        elif tag == "li" and self._lists:
            one = self._lists[-1]
            self._mark = f"{one[2]}. " if one[2] else "bullet: "
            one[1], one[2] = one[1] + 1, one[2] + bool(one[2])
        elif tag == "a":
            self._line += "link: "
        elif tag == "img":
            self._line += f"graphic: {dict(attrs).get('alt') or ''} "
        elif tag == "blockquote":
            self._mark = "block quote: "
        elif tag == "hr":
            self._lines.append("separator")

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT
        if tag in _BLOCKS or tag in _HEADINGS:
            self._end()
            self._mark = ""
        if tag in ("ul", "ol") and self._lists:
            place, count, _next = self._lists.pop()
            self._lines[place] = f"list with {count} item{'s' if count != 1 else ''}"
            self._lines.append("out of list")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._line += data

    def _end(self) -> None:
        if words := " ".join(self._line.split()):
            self._lines.append(f"{self._mark}{words}")
            self._mark = ""
        self._line = ""
