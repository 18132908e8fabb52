"""`flask newsletter …`."""

from __future__ import annotations

import csv
import json
import sys
from typing import BinaryIO

import click
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal.clock import now
from portal.commands import refusals
from portal.db import db, transaction
from portal.editions import proof
from portal.editions.models import Edition
from portal.errors import Unavailable
from portal.mail import maildir, returns
from portal.mail.dsn import Kind
from portal.newsletter import importing, roster
from portal.newsletter.models import Language, Topic
from portal.settings import settings

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


@newsletter_group.command("export")
def newsletter_export() -> None:
    """Print every subscriber with the evidence of their consent, as CSV (RFC 4180), the oldest first."""
    table = csv.DictWriter(sys.stdout, roster.EXPORTED)
    table.writeheader()
    count = 0
    for row in roster.export(roster.Filters()):
        table.writerow(row)
        count += 1
    with transaction():
        roster.exported(count, by=None, at=now())


@newsletter_group.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--words", default="", help="What these people agreed to, in the words they saw.")
@click.option("--source", required=True, help="Where the file comes from.")
@click.option(
    "--reason", required=True, type=click.Choice(list(importing.REASONS)), help="Why they are taken in."
)
@click.option("--topic", "topics", multiple=True, type=click.Choice(list(Topic)), default=[Topic.NEWS])
@click.option("--language", type=click.Choice(list(Language)), default=Language.EN)
@click.option("--proved", is_flag=True, help="Rows with consent_at and confirmed_at go on the list at once.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of each row.")
@refusals
def newsletter_import(
    file: BinaryIO,
    words: str,
    source: str,
    reason: str,
    topics: list[str],
    language: str,
    proved: bool,
    dry_run: bool,
) -> None:
    """Ask the people of a file (ours, listmonk's, Ghost's, Mailchimp's) whether they want the newsletter."""
    rows = importing.read(importing.decode(file.read()))
    terms = importing.Terms(
        words=words, source=source, topics=list(topics), language=language, reason=reason, has_proof=proved
    )
    with transaction():
        report = importing.apply(rows, terms, keys=settings().keys, by=None, at=now(), dry_run=dry_run)
    for number, why in report.refused:
        click.echo(f"line {number}: {why}", err=True)
    for verdict, count in sorted(report.counts.items()):
        click.echo(f"{count}: {verdict}")


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
