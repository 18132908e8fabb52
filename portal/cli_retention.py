"""The commands by which data of people ends: `flask retention run`, `flask person erase`."""

from __future__ import annotations

import json
from pathlib import Path

import click
from flask import render_template
from flask.cli import AppGroup

from portal import disk, keeping
from portal.backup import files, generations
from portal.cli import person_group
from portal.clock import now
from portal.commands import refusals
from portal.errors import Refused
from portal.mail import promise as mail
from portal.people import accounts
from portal.retention import jobs, person, requests, sealed, traces
from portal.settings import Settings, settings

retention_group = AppGroup("retention", help="What is over, and goes.")
COMMANDS = (retention_group,)


def places(config: Settings) -> person.Places:
    """Where words of a person may lie beside the database."""
    return person.Places(mail=config.INSTANCE_DIR / "mail", ledger=files.folder_of(config) / person.LEDGER)


@retention_group.command("run")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@refusals
def retention_run(dry_run: bool) -> None:
    """Let everything go whose time is over, as the worker does by itself."""
    at = now()
    counts = {
        "request (who asked, and what)": requests.count_over(at),
        "mail_delivery (to whom)": mail.count_to_hash(at),
        **{f"{ending.table.name} (the oldest)": sealed.count(ending, at) for ending in sealed.ENDINGS},
        **keeping.due(at),
    }
    if not dry_run:
        while jobs.blank_some(settings().INSTANCE_DIR / "mail"):
            pass
        while jobs.hash_some():
            pass
        while jobs.seal_some():
            pass
        while keeping.forget(at):
            pass
        traces.wipe()
    for name, count in counts.items():
        if count:
            click.echo(f"{count:>8}  {name}")
    total = sum(counts.values())
    said = "would go; nothing was changed" if dry_run else "went"
    click.echo(f"{total} row{'' if total == 1 else 's'} {said}.")


@person_group.command("export")
@click.argument("email")
@click.option(
    "--html", "page", type=click.Path(path_type=Path), help="Write a page to read instead, as this file."
)
@refusals
def person_export(email: str, page: Path | None) -> None:
    """Give out all that is kept about whoever has this address: JSON by table, or a page."""
    address = accounts.normal_email(email)
    found = keeping.export(address)
    if page is None:
        click.echo(json.dumps(found, default=keeping.as_text, ensure_ascii=False, indent=2))
        return
    hidden = [kept for kept in keeping.KEPT if kept.hidden]
    told = [(table, keeping.KEPT.get(table), rows) for table, rows in found.items()]
    words = render_template(
        "site/person.html", address=address, told=told, hidden=hidden, at=now(), org=settings().ORG
    )
    if page.exists():
        raise Refused(f"{page} is there already.")
    try:
        disk.keep(page, words.encode())
    except OSError as error:
        raise Refused(f"{page} cannot be written: {error.strerror}.") from error


@person_group.command("erase")
@click.argument("email")
@click.option("--withdraw", is_flag=True, help="Close what is open of theirs first.")
@refusals
def person_erase(email: str, withdraw: bool) -> None:
    """Erase whoever has this address, from every room; an account of staff stays."""
    config, address = settings(), accounts.normal_email(email)
    count = person.erase(address, withdraw=withdraw, keys=config.keys, places=places(config), at=now())
    click.echo(f"Erased. {count} request{'' if count == 1 else 's'} lost who asked and what.")
    if accounts.has_account(address):
        click.echo("They have an account here, which stays: `flask staff disable` ends it.")
    older = generations.listed(files.folder_of(config))
    for path in older:
        click.echo(f"Still in {path.name}, which ends by {generations.ends_at(path):%Y-%m-%d}")
    for path in sorted(config.INSTANCE_DIR.glob("*.before-*")):
        click.echo(f"Still in {path}, kept by a restore: delete it when it is not needed.")
    if older:
        click.echo("`flask backup forget NAMES` ends backups at once.")
