"""`flask newsletter …`."""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup
from sqlalchemy import select

from portal.db import db
from portal.editions import proof
from portal.editions.models import Edition

newsletter_group = AppGroup("newsletter", help="Newsletter editions.")


@newsletter_group.command("verify")
@click.argument("slug", metavar="EDITION")
def newsletter_verify(slug: str) -> None:
    """Build every mail of an edition again and compare it with what was sent."""
    edition = db.session.scalar(select(Edition).where(Edition.slug == slug))
    if edition is None:
        raise click.UsageError("There is no edition with this address.")
    counts = {"same": 0, "differs": 0, "erased": 0}
    for message_id, found in proof.verify(edition):
        counts[found] += 1
        if found == "differs":
            click.echo(f"{message_id} differs", err=True)
    told = f"{counts['same']} the same, {counts['differs']} differ, {counts['erased']} of people since erased"
    click.echo(told)
    if counts["differs"]:
        sys.exit(1)
