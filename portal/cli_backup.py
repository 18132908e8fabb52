"""The commands of keeping: `flask backup …`, and what to do with the mails that a restore holds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
from flask.cli import AppGroup, with_appcontext

from portal import audit, serve
from portal.backup import files, generations, jobs, moving, restore
from portal.cli import mail_group
from portal.cli_retention import places
from portal.clock import now
from portal.commands import refusals
from portal.db import transaction
from portal.errors import Refused
from portal.mail import lanes
from portal.ops import migrations
from portal.retention import person
from portal.settings import settings

HELD_SHOWN = 1000
FILE = click.Path(path_type=Path)
IDENTITY = click.option("--identity", type=FILE, help="The key file that age decrypts with.")
backup_group = AppGroup("backup", help="Backups: made, checked, brought back.")


@backup_group.command("create")
@click.argument("folder", type=FILE, required=False)
@refusals
def backup_create(folder: Path | None) -> None:
    """Make one backup and print its file; the portal may run."""
    config = settings()
    made = jobs.create(config, folder or files.folder_of(config))
    click.echo(made)
    if not config.BACKUP_AGE_RECIPIENT:
        click.echo("Not encrypted, so it holds neither SECRET_KEY nor audit.key: keep both apart.", err=True)


@backup_group.command("verify")
@click.argument("file", type=FILE, required=False)
@click.option("--newest", is_flag=True, help="The newest in BACKUP_DIR.")
@IDENTITY
@refusals
def backup_verify(file: Path | None, newest: bool, identity: Path | None) -> None:
    """Unpack a backup aside and look through all of it."""
    if newest == bool(file):
        raise Refused("Give a backup's file, or --newest.")
    file = file or next(reversed(generations.listed(files.folder_of(settings()))), None)
    if file is None:
        raise Refused("There is no backup yet.")
    with files.unpacked(file, file.parent, identity) as (manifest, _folder):
        rows = sum(manifest.counts.values())
        click.echo(f"{file.name} is good: of {manifest.made_at}, schema {manifest.schema}, {rows} rows.")
        if not any(manifest.portal == files.mark_of(key) for key in settings().keys):
            click.echo("It was made under another SECRET_KEY than this portal's.", err=True)


@backup_group.command("restore")
@click.argument("file", type=FILE)
@IDENTITY
@refusals
def backup_restore(file: Path, identity: Path | None) -> None:
    """Bring the portal back to a backup; it must be stopped. The old database is kept."""
    config = settings()
    kept = restore.restore(
        config,
        file,
        at=now(),
        is_served=serve.listens(config.HOST, config.PORT),
        knows=lambda revision: revision in migrations.revisions(),
        identity=identity,
    )
    click.echo(f"The portal is on the data of {file.name}.")
    if kept:
        click.echo(f"What was before is kept as {kept}: delete it when it is not needed.")
    click.echo("Everybody signs in again. Mails that may have gone out since are held: `flask mail held`.")


@click.command("move")
@click.argument("target")
@with_appcontext
@refusals
def move_command(target: str) -> None:
    """Move a SQLite portal to the PostgreSQL database TARGET (postgresql+psycopg://…), and prove both the same.

    The portal must be stopped. The SQLite file stays as it is; set DATABASE_URL to TARGET afterwards.
    """
    config = settings()
    if not config.is_sqlite:
        raise Refused("This portal is not on SQLite.")
    if serve.listens(config.HOST, config.PORT):
        raise Refused("The portal is running: stop it first.")
    with restore.no_worker(config):
        for proof in moving.move(target):
            same = "same" if proof.is_same else "NOT THE SAME"
            click.echo(f"{proof.table:<28} {proof.rows:>9} {proof.there:>9}  {proof.digest[:16]}  {same}")
    click.echo(
        "All rows are there. Set DATABASE_URL to it, then `flask doctor`; keep the SQLite file until you trust it."
    )


@backup_group.command("settle", hidden=True)
@click.option("--since", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), required=True)
@refusals
def backup_settle(since: datetime) -> None:
    """(part of restore) In the database of DATABASE_URL: hold mails, end sessions, erase again who was."""
    config = settings()
    restore.settle(at=now())
    person.replay(since=since, keys=config.keys, places=places(config), at=now())


@backup_group.command("list")
@click.argument("folder", type=FILE, required=False)
def backup_list(folder: Path | None) -> None:
    """Print each backup, its size, and the day by which it has ended."""
    for path in generations.listed(folder or files.folder_of(settings())):
        click.echo(f"{path}  {path.stat().st_size >> 10} KiB  ends by {generations.ends_at(path):%Y-%m-%d}")


@backup_group.command("forget")
@click.argument("names", nargs=-1)
@click.option("--before", type=click.DateTime(["%Y-%m-%d"]), help="All of before that day (UTC).")
@refusals
def backup_forget(names: tuple[str, ...], before: datetime | None) -> None:
    """Delete backups now: by name, or all of before a day."""
    found = generations.listed(files.folder_of(settings()))
    if bool(names) == bool(before):
        raise Refused("Give names that `flask backup list` prints, or --before DAY.")
    chosen = [
        path
        for path in found
        if path.name in {Path(name).name for name in names}
        or (before and generations.made_at(path).replace(tzinfo=None) < before)
    ]
    if len(chosen) < len(set(names)):
        raise Refused("Not all of these are backups here: nothing was deleted.")
    generations.forget(chosen)
    click.echo(f"{len(chosen)} backup{'' if len(chosen) == 1 else 's'} deleted.")


@mail_group.command("held")
def mail_held() -> None:
    """Print the mails that a restore holds: number, which, about what, when promised; never an address."""
    for row in lanes.held_by_restore(HELD_SHOWN):
        click.echo(f"{row.id}  {row.message}  {row.cause}  {row.created_at:%Y-%m-%d %H:%M} UTC")


@mail_group.command("release")
@click.argument("numbers", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All that a restore holds.")
@click.option("--withdraw", is_flag=True, help="Never send them, instead.")
@refusals
def mail_release(numbers: tuple[int, ...], everything: bool, withdraw: bool) -> None:
    """Send mails that a restore holds, or (--withdraw) never send them: by number, or all."""
    if everything == bool(numbers):
        raise Refused("Give the numbers that `flask mail held` prints, or --all.")
    at = now()
    with transaction():
        count = lanes.release_held(at, None if everything else numbers, withdraw=withdraw)
        if count < len(set(numbers)):
            raise Refused("Not all of these are held by a restore: nothing was changed.")
        if count and withdraw:
            audit.record(None, "mail.withdrawn", "mail", at=at, detail=str(count))
        elif count:
            audit.record(None, "mail.released", "mail", at=at, detail=str(count))
    said = "will never be sent" if withdraw else "will be sent"
    click.echo(f"{count} mail{'' if count == 1 else 's'} {said}.")


COMMANDS = (backup_group, move_command)
