"""The prescribers' guide as a PDF: set anew when the texts change, kept in memory and beside the database.

Nobody waits for it but who asks for the file. It is begun when a server starts and when the texts change, by a
thread of its own and a press in a process of its own (`press.py`); a file under `INSTANCE_DIR/cache`, named after
everything it was made from, spares the next start the work. The web process never loads Typst.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from functools import partial
from pathlib import Path

from portal import disk
from portal.library.pages import Library
from portal.organisation import Organisation
from portal.print import leaflets, manuscript

log = logging.getLogger(__name__)

PRESS = Path(__file__).with_name("press.py")
PRESS_SECONDS = 60.0  # far beyond what it takes: some sign that it hangs
TRY_AGAIN_SECONDS = 60.0  # after a failure, so that a fault does not run the press at every visit

_ERROR = re.compile(r"^error: (?P<what>.*?)(?:\n\s*┌─ [^\n]*?:(?P<line>\d+):\d+)?$", re.MULTILINE)
_QUOTED = re.compile(r'`"(?P<text>.*?)"`')
_ORIGIN = re.compile(r" // (?P<origin>[^\"]+)$")


class GuideError(Exception):
    """The guide cannot be made; the message has one line for each reason, with the text it lies in where known."""


@dataclass(frozen=True)
class Printed:
    """One guide: its bytes, how many pages it has, and the day of the newest text in it."""

    body: bytes
    pages: int
    changed_on: date

    @property
    def facts(self) -> str:
        """What a link says of it: `PDF, 12 pages, 480 KB, Nov 23, 2026`."""
        on = self.changed_on
        pages = f"{self.pages} page{'' if self.pages == 1 else 's'}"
        return f"PDF, {pages}, {max(1, round(len(self.body) / 1000))} KB, {on:%b} {on.day}, {on.year}"


@dataclass(frozen=True)
class Document:
    """What can be printed: the name of its file, its source and its day."""

    name: str
    source: Callable[[Library, Organisation, str], str]
    changed_on: Callable[[Library], date]


GUIDE = Document("guide", manuscript.source, manuscript.changed_on)
LEAFLETS = tuple(
    Document(f"{name}-{to}", partial(write, language=to), partial(leaflets.changed_on, language=to))
    for name, write in (("leaflet", leaflets.leaflet), ("card", leaflets.card))
    for to in ("en", "es")
)
_ONE_AT_A_TIME = ThreadPoolExecutor(1, "press")  # each press takes some 110 MB while it works


class Guide:
    """A document to the texts as they are now; safe to ask from many threads."""

    def __init__(self, folder: Path, org: Organisation, base_url: str, document: Document = GUIDE) -> None:
        self._folder, self._org, self._base_url, self._document = folder, org, base_url, document
        self._lock = threading.Lock()
        self._library: Library | None = None
        self._making: Future[Printed] = Future()
        self._try_again_at = 0.0

    def tell(self, org: Organisation) -> None:
        """Print other facts of the pharmacy from now on."""
        with self._lock:
            self._org, self._library = org, None

    def prepare(self, library: Library) -> Future[Printed]:
        """Begin the guide to `library`, unless that was done; never waits."""
        with self._lock:
            if library is not self._library or (self.fault and time.monotonic() >= self._try_again_at):
                self._library = library
                self._making = _ONE_AT_A_TIME.submit(self._make, library)
            return self._making

    def printed(self, library: Library, *, wait: float) -> Printed | None:
        """The guide to `library`; None if it cannot be had within `wait` seconds (`fault` says why, if it failed)."""
        try:
            return self.prepare(library).result(wait)
        except (TimeoutError, GuideError):
            return None

    @property
    def fault(self) -> str:
        """Why the guide could not be made; nothing while it is being made, and once it is."""
        return str(self._making.exception() or "") if self._making.done() else ""

    def _make(self, library: Library) -> Printed:
        try:
            return self._kept(library)
        except Exception as error:
            self._try_again_at = time.monotonic() + TRY_AGAIN_SECONDS
            log.exception("the guide could not be made")
            raise GuideError(str(error) or type(error).__name__) from error

    def _kept(self, library: Library) -> Printed:
        source = self._document.source(library, self._org, self._base_url)
        on = self._document.changed_on(library)
        made_from = "\n".join((source, on.isoformat(), importlib.metadata.version("typst")))
        name = f"{self._document.name}-{hashlib.sha256(made_from.encode()).hexdigest()[:20]}"
        for file in self._folder.glob(f"{name}-*.pdf"):
            body = file.read_bytes()
            if body.rstrip().endswith(b"%%EOF"):  # else the power went while it was kept
                return Printed(body, int(file.stem.rpartition("-")[2]), on)
        printed = press(source, on)
        try:
            self._keep(f"{name}-{printed.pages}.pdf", printed.body)
        except OSError as error:  # memory does, until the next start
            reason = error.strerror or type(error).__name__
            log.error("the guide could not be kept on disk", extra={"reason": reason})
        return printed

    def _keep(self, name: str, body: bytes) -> None:
        """Write it whole or not at all, and take away the guides it follows."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk.keep(self._folder / name, body)
        for old in self._folder.glob(f"{self._document.name}-*.pdf"):
            if old.name != name:
                old.unlink(missing_ok=True)


def press(source: str, on: date) -> Printed:
    """Set `source` in a process of its own, dated `on`; the same bytes each time. Raises GuideError."""
    dated = int(datetime.combine(on, time_of_day(), UTC).timestamp())
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-I", str(PRESS), str(dated)],
            input=source.encode(),
            capture_output=True,
            timeout=PRESS_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GuideError(f"the press did not work: {type(error).__name__}") from None
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0:
        raise GuideError("\n".join(dict.fromkeys(_complaints(source, said))))
    if said:
        log.warning("the press said of the guide: %s", said)
    pages, _, body = done.stdout.partition(b"\n")
    return Printed(body, int(pages), on)


def _complaints(source: str, said: str) -> Iterator[str]:
    """Each of the press's errors as one line, with the text it lies in: every line of the source names its own."""
    lines = source.splitlines()
    found = list(_ERROR.finditer(said))
    if not found:
        yield said.strip().rpartition("\n")[2] or "the press ended without a word"
    for error in found:
        at = int(error["line"]) if error["line"] else 0
        culprit = _QUOTED.search(error["what"])
        if not at and culprit:  # a letter no font has: Typst says which, not where
            at = next((number for number, line in enumerate(lines, 1) if culprit["text"] in line), 0)
        origin = _ORIGIN.search(lines[at - 1]) if 0 < at <= len(lines) else None
        yield f"{origin['origin']}: {error['what']}" if origin else error["what"]
