"""`flask newsletter …`."""

from __future__ import annotations

import json
import sys

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal.clock import now
from portal.db import db, transaction
from portal.editions import proof
from portal.editions.models import Edition
from portal.errors import Unavailable
from portal.mail import maildir, returns
from portal.mail.dsn import Kind

EX_TEMPFAIL = 75

newsletter_group = AppGroup("newsletter", help="Newsletter editions.")
COMMANDS = (newsletter_group,)


@newsletter_group.command("bounce")
def newsletter_bounce() -> None:
    """Read one message that came back from standard input; say in JSON what it is and whose.

    Ends with 0 whatever the message is, so that no mail server sends back what came back; with 75 when nothing could
    be saved, so that it tries again (sysexits.h, EX_TEMPFAIL)."""
    raw, digest = maildir.read(sys.stdin.buffer)
    try:
        with transaction():
            heard = returns.hear(raw, at=now(), digest=digest)
    except (Unavailable, SQLAlchemyError) as error:
        click.echo(f"Nothing was saved: {type(error).__name__}", err=True)
        sys.exit(EX_TEMPFAIL)
    if heard.kind == Kind.UNKNOWN:
        click.echo(f"This was not understood: {heard.note or 'no report of any kind'}", err=True)
    click.echo(json.dumps({"kind": heard.kind.value, "whose": heard.whose, "code": heard.code}))


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
