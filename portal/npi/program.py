"""`python -m portal.npi.program FOLDER FILE…`: what `flask npi import` becomes, without the portal in its memory."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import click

from portal.clock import now
from portal.errors import PortalError
from portal.npi import importing
from portal.npi.index import Source

REFUSED = 2


def main(folder: Path, files: list[Path]) -> int:
    """Take the files into the index in the folder, in this order; returns the exit status."""
    for file in files:
        try:
            source = _take(file, folder)
        except PortalError as error:
            click.echo(str(error), err=True)
            return REFUSED
        if source is None:
            click.echo(f"{file.name} is in the index already: nothing was changed.")
            continue
        replaced = f", {source.replaced} characters that were no UTF-8 replaced" if source.replaced else ""
        click.echo(
            f"{source.name}: {source.kind}, {source.rows:,} rows, as of {source.as_of}{replaced}.\n"
            f"  SHA-256 {source.sha256}"
        )
    return 0


def _take(file: Path, folder: Path) -> Source | None:
    # In a log, each step would be a line.
    if not sys.stderr.isatty():
        return importing.take(file, folder, at=now())
    with click.progressbar(length=1000, label=file.name, file=sys.stderr, show_eta=True) as bar:
        started = time.monotonic()

        def progress(done: int, whole: int, rows: int) -> None:
            bar.label = f"{file.name} {rows / max(time.monotonic() - started, 0.001):,.0f} rows/s"
            bar.update(done * 1000 // max(whole, 1) - bar.pos)

        return importing.take(file, folder, at=now(), progress=progress)


def stand_back() -> None:
    """Leave the machine to whoever answers people: the last place, and one core, so that the others are free."""
    os.nice(19)
    with suppress(AttributeError, OSError):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    stand_back()
    sys.exit(main(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]]))
