"""The texts as they are shown: as they were read, with what pharmacists have signed of them.

The signatures are in the database; a mark beside it (an empty file) tells every process of this machine that there
are new ones, so that nobody who only reads a page asks the database. Another machine sees them when its texts change
or it starts again.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError

from portal.errors import PortalError
from portal.library import loading, pages
from portal.library.pages import Library
from portal.library.statements import Statement
from portal.review import signing

log = logging.getLogger(__name__)

MARK = "texts-signed"


class App(Protocol):
    """What is needed of the public app."""

    extensions: dict[str, Any]

    def app_context(self) -> AbstractContextManager[object]:
        """What the database is asked in."""


class Shelf:
    """One for each process; `read` are the texts as their files have them, `shown` what readers get, which every
    page finds as the extension `library` of its app.
    """

    def __init__(self, folder: Path, mark: Path, zone: ZoneInfo, app: App) -> None:
        self._folder, self._mark, self._zone, self._app = folder, mark, zone, app
        self.read = self.shown = loading.load(folder)
        app.extensions.update(shelf=self, library=self.shown)
        self._cut: tuple[Library, dict[str, tuple[Statement, ...]]] | None = None
        self._missed = 0

    def stamp(self) -> object:
        """What differs once there is something to show anew."""
        return pages.stamp(self._folder), self._marked(), self._missed

    def has_signatures(self) -> bool:
        """Whether anything was ever signed here."""
        return self._marked() > 0

    def look(self) -> Library:
        """Read the texts again if they changed, and who signed them. Raises ContentError.

        A database that is away leaves the signatures as they were seen last, if the texts are the same.
        """
        if pages.stamp(self._folder) != self.read.loaded:
            self.read = self.shown = loading.load(self._folder)
        try:
            with self._app.app_context():
                found = self.standings() if signing.is_begun() else ()  # to cut all texts takes long
                signed = signing.as_signed(self.read, found, self._zone)
            if _reviews(signed) != _reviews(
                self.shown
            ):  # else it is the same library, and what was printed of it too
                self.shown = signed
        except (DBAPIError, PortalError) as error:
            self._missed += 1  # so that the next look tries again
            reason = type(getattr(error, "orig", error)).__name__
            log.error("who signed the texts could not be read", extra={"reason": reason})
        self._app.extensions["library"] = self.shown
        return self.shown

    def standings(self) -> tuple[signing.Standing, ...]:
        """How far each text is; asks the database."""
        read = self.read
        if self._cut is None or self._cut[0] is not read:
            self._cut = (read, signing.cut(read))
        return signing.standings(read, self._cut[1])

    def signed(self) -> None:
        """Tell every process of this machine: called once what was signed is in the database."""
        self._mark.touch(mode=0o600)

    def _marked(self) -> int:
        try:
            return self._mark.stat().st_mtime_ns
        except FileNotFoundError:
            return 0


def _reviews(library: Library) -> list[tuple[object, ...]]:
    pages = library.pages.values()
    return [(page.path, page.review, page.reviewer, page.reviewed_on, page.next_review_on) for page in pages]
