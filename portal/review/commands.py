"""`flask resource …`."""

from __future__ import annotations

from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup

from portal import disk
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
    """Write the statements to sign, review-pack.pdf and review-pack.xlsx, into FOLDER, or where you are."""
    shelf: Shelf = current_app.extensions["shelf"]
    base_url, works = settings().BASE_URL.rstrip("/"), shelf.read.references
    found = pack.rows(shelf.standings())
    if not found:
        click.echo("No text waits for a pharmacist.")
        return
    appendix = APPENDIX.read_text("utf-8") if APPENDIX.exists() else ""
    source = pack.source(found, works, settings().ORG.name, base_url, appendix)
    try:
        printed = press(source, pack.changed_on(found))
    except GuideError as error:
        raise Unavailable(str(error)) from error
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in (("pdf", printed.body), ("xlsx", pack.workbook(found, works, base_url))):
        disk.keep(folder / f"review-pack.{name}", body)
    click.echo(
        f"{len(found)} statements on {printed.pages} pages: {folder / 'review-pack.pdf'}, and the .xlsx beside it."
    )
