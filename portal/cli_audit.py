"""The command that looks through the audit trail: `flask audit verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask.cli import AppGroup

from portal.backup import files
from portal.cli_backup import IDENTITY
from portal.clock import now
from portal.commands import refusals
from portal.seals import jobs

audit_group = AppGroup("audit", help="Who did what.")


@audit_group.command("verify")
@click.option(
    "--backup",
    "backup",
    type=click.Path(path_type=Path),
    help="A backup: the trail has to go on from where that one's ended.",
)
@IDENTITY
@refusals
def audit_verify(backup: Path | None, identity: Path | None) -> None:
    """Look through the whole trail: exit 1, and which row, if one was changed, added, taken away or moved."""
    heads = {}
    if backup is not None:
        with files.unpacked(backup, backup.parent, identity) as (manifest, _folder):
            heads[backup.name] = manifest.audit_seal
    found = jobs.look(now(), heads)
    if found.fault:
        click.echo(f"BROKEN: {found.fault}.", err=True)
        sys.exit(1)
    ended = f", {found.ended} of them ended by their age" if found.ended else ""
    click.echo(f"{found.sealed} entries are as they were sealed{ended}; {found.unsealed} are not sealed yet.")
    click.echo(f"head {found.head or 'none yet'}")


COMMANDS = (audit_group,)
