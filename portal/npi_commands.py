"""`flask npi …`: the check digit, and the index of the national registry."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

import click
from flask.cli import AppGroup

from portal.commands import refusals
from portal.errors import Refused
from portal.npi import index as registry
from portal.npi import number
from portal.npi.verdicts import Provider, Typed, judge
from portal.settings import settings

npi_group = AppGroup("npi", help="National Provider Identifiers.")
COMMANDS = (npi_group,)


@npi_group.command("check")
@click.argument("npi")
def npi_check(npi: str) -> None:
    """Print whether a number is a well-formed NPI (exit 0) or what is wrong (exit 1)."""
    fault = number.fault(npi)
    click.echo(f"{number.normalise(npi)} is a valid NPI" if fault is None else number.MESSAGES[fault])
    sys.exit(0 if fault is None else 1)


@npi_group.command("import")
@click.argument(
    "files",
    metavar="FILE…",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
def npi_import(files: tuple[Path, ...]) -> None:
    """Take files of the national registry (NPPES: monthly, weekly, deactivated) into the index, in this order."""
    words = [sys.executable, "-m", "portal.npi.program", str(settings().INSTANCE_DIR), *map(str, files)]
    # This process has the whole portal in its memory, and for minutes: the one that it becomes has not.
    # It has one core, and numpy makes a thread for each unless it is told.
    os.execve(sys.executable, words, {**os.environ, "OPENBLAS_NUM_THREADS": "1"})  # noqa: S606 - our own words


@npi_group.command("show")
@click.argument("npi")
@refusals
def npi_show(npi: str) -> None:
    """Print what the registry index knows of a number as JSON: exit 0 when it does, 1 when not."""
    known, as_of = _known(npi)
    files = [asdict(source) for source in _index().sources()]
    told = {"as_of": as_of, "provider": asdict(known) if known else None, "files": files}
    click.echo(json.dumps(told, default=str, ensure_ascii=False, indent=2))
    sys.exit(0 if known else 1)


@npi_group.command("compare")
@click.argument("npi")
@click.option("--name", required=True)
@click.option("--credential", default="")
@click.option("--state", default="")
@refusals
def npi_compare(npi: str, name: str, credential: str, state: str) -> None:
    """Print the verdict on a number with a name as JSON: exit 0 when the index knows the number, 1 when not."""
    known, as_of = _known(npi)
    finding = judge(Typed(name, credential, state), known, as_of)
    told = {"sentence": finding.sentence, **asdict(finding), "provider": asdict(known) if known else None}
    click.echo(json.dumps(told, default=str, ensure_ascii=False, indent=2))
    sys.exit(0 if known else 1)


def _known(npi: str) -> tuple[Provider | None, date | None]:
    if fault := number.fault(npi):
        raise Refused(number.MESSAGES[fault])
    return _index().find(number.normalise(npi)), _index().as_of()


def _index() -> registry.Index:
    return registry.Index(settings().INSTANCE_DIR / registry.NAME)
