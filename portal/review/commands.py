"""`flask resource …`."""

from __future__ import annotations

from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup

from portal import addresses, catalogues, disk
from portal.commands import refusals
from portal.errors import Unavailable
from portal.print.guide import GuideError, press
from portal.review import pack
from portal.review.shelf import Shelf
from portal.settings import settings

APPENDIX = Path(__file__).resolve().parents[2] / "docs" / "content-review.md"

resource_group = AppGroup("resource", help="The texts and their signatures.")
COMMANDS = (resource_group,)


@resource_group.command("review-pack")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@refusals
def review_pack(folder: Path) -> None:
    """Write the statements to sign into FOLDER, or where you are: review-pack.pdf and .xlsx, and the Spanish ones."""
    shelf: Shelf = current_app.extensions["shelf"]
    waiting = shelf.standings()
    if not waiting:
        click.echo("No text waits for a signature.")
        return
    appendix = APPENDIX.read_text("utf-8") if APPENDIX.exists() else ""
    folder.mkdir(parents=True, exist_ok=True)
    for language, text in ((addresses.USUAL, appendix), *((one, "") for one in catalogues.OTHERS)):
        name = "review-pack" if language == addresses.USUAL else f"review-pack-{language}"
        if found := pack.rows([one for one in waiting if one.page.language == language]):
            _write(folder, name, found, text)


def _write(folder: Path, name: str, found: tuple[pack.Row, ...], appendix: str) -> None:
    shelf: Shelf = current_app.extensions["shelf"]
    base_url, works = settings().BASE_URL.rstrip("/"), shelf.read.references
    source = pack.source(found, works, settings().ORG.name, base_url, appendix)
    try:
        printed = press(source, pack.changed_on(found))
    except GuideError as error:
        raise Unavailable(str(error)) from error
    for kind, body in (("pdf", printed.body), ("xlsx", pack.workbook(found, works, base_url))):
        disk.keep(folder / f"{name}.{kind}", body)
    click.echo(
        f"{len(found)} statements on {printed.pages} pages: {folder / name}.pdf, and the .xlsx beside it."
    )
