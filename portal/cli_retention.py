"""The commands by which data of people ends: `flask retention run`, `flask person erase`."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

from portal import keeping
from portal.backup import files, generations
from portal.cli import person_group
from portal.clock import now
from portal.commands import refusals
from portal.people import accounts
from portal.retention import jobs, person, requests
from portal.settings import Settings, settings

retention_group = AppGroup("retention", help="What is over, and goes.")


def register(app: Flask) -> None:
    """Give the app its commands."""
    app.cli.add_command(retention_group)


def places(config: Settings) -> person.Places:
    """Where words of a person may lie beside the database."""
    return person.Places(mail=config.INSTANCE_DIR / "mail", ledger=files.folder_of(config) / person.LEDGER)


@retention_group.command("run")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@refusals
def retention_run(dry_run: bool) -> None:
    """Let everything go whose time is over, as the worker does by itself."""
    at = now()
    counts = {"request (who asked, and what)": requests.count_over(at), **keeping.due(at)}
    if not dry_run:
        while jobs.blank_some(settings().INSTANCE_DIR / "mail"):
            pass
        while keeping.forget(at):
            pass
        person.fold_log()
    for name, count in counts.items():
        if count:
            click.echo(f"{count:>8}  {name}")
    total = sum(counts.values())
    said = "would go; nothing was changed" if dry_run else "went"
    click.echo(f"{total} row{'' if total == 1 else 's'} {said}.")


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
