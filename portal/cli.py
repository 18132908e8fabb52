"""The commands of `flask …`: thin, named in the contract, one clear line and exit status 2 on bad input."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
from contextlib import suppress
from datetime import datetime
from types import FrameType

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal import audit, jobs, serve
from portal.asker import mailbox
from portal.clock import now
from portal.commands import BAD_INPUT, refusals
from portal.db import db, transaction
from portal.errors import Refused, Unavailable
from portal.intake import kinds
from portal.intake.models import Request
from portal.jobs import NotNow
from portal.library import links
from portal.mail import lanes
from portal.ops import checks, host, sbom
from portal.people import accounts, invitations
from portal.settings import settings
from portal.staff_commands import invitation_link, staff_group
from portal.text import as_cell
from portal.worker import FAULTS, Worker

DEAD_SHOWN = 200

person_group = AppGroup("person", help="One person's data.")
requests_group = AppGroup("requests", help="What prescribers asked.")
mail_group = AppGroup("mail", help="What became of the mail.")
jobs_group = AppGroup("jobs", help="What the worker does.")
content_group = AppGroup("content", help="The portal's texts.")


@click.command("serve")
@with_appcontext
def serve_command() -> None:
    """Serve the pages and send the mail, together, until Ctrl-C."""
    config = settings()
    for check in (checks.schema, checks.integrity, checks.database, checks.disk):
        if not (finding := check()).ok:
            click.echo(f"{finding.name}: {finding.detail}. {finding.remedy}", err=True)
            if check in (checks.schema, checks.integrity):  # with the others, pages can be read
                sys.exit(1)
    # Two web servers can listen on one port and take turns, and nobody would notice.
    if serve.listens(config.HOST, config.PORT):
        click.echo(f"Port {config.PORT} is taken. End what listens there, or set PORT.", err=True)
        sys.exit(1)
    if not accounts.has_staff():
        with suppress(OSError, Unavailable):  # nobody reads it, or it cannot be kept: no reason not to serve
            click.echo(f"Nobody can sign in yet. {_first_manager()}")
    db.session.remove()
    for face in (current_app, current_app.extensions["staff"]):
        with face.app_context():
            db.engine.dispose()  # no two processes may share a connection
    serve.portal(
        config.HOST, config.PORT, config.WEB_WORKERS, config.BASE_URL, is_production=config.is_production
    )


def _first_manager() -> str:
    """The link that makes the first manager; where what is printed is kept in a log, how to get one."""
    if settings().is_production and not sys.stdout.isatty():
        return "Make the first manager: flask staff invite EMAIL --role manager"
    with transaction():
        token = invitations.invite_first_manager(at=now())
    return f"Make the first manager here, within 24 hours:\n  {invitation_link(token)}"


@click.command("worker")
@click.option("--once", is_flag=True, help="Do what is due now, then end.")
@click.option(
    "--hung", multiple=True, hidden=True, help="A job whose step never ended in the process before."
)
@with_appcontext
def worker_command(once: bool, hung: tuple[str, ...]) -> None:
    """Answer sign-ups, send the mail that waits, keep house."""
    worker = Worker()
    if once:
        count = worker.run_once()
        click.echo(f"{count} mail{'' if count == 1 else 's'} handled.")
        for name, reason in worker.undone.items():
            click.echo(f"{name} {reason}.", err=True)
        sys.exit(1 if worker.undone else 0)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        worker.stop()

    for which in (signal.SIGINT, signal.SIGTERM):
        signal.signal(which, stop)
    for name in hung:
        with suppress(Unavailable):
            jobs.blame(name, at=now())
    if hung := tuple(worker.run()):
        # A thread cannot be ended, nor the lock that it may hold be taken from it: a new process has neither.
        again = [word for name in hung for word in ("--hung", name)]
        os.execv(sys.executable, [sys.executable, "-m", "flask", "worker", *again])  # noqa: S606


@jobs_group.command("list")
def jobs_list() -> None:
    """Print each job: when it ran and is due, its failures in a row, its last error."""
    for job in jobs.standings():
        times = f"ran {_moment(job.ran_at)}, due {_moment(job.due_at)}"
        trouble = f"  {job.failures} failures: {job.last_error}" if job.last_error else ""
        click.echo(
            f"{job.name:<24} {times}{trouble}{'' if job.label else '  (not of this version: it rests)'}"
        )


@jobs_group.command("run")
@click.argument("name")
@refusals
def jobs_run(name: str) -> None:
    """Run one job now, also before its time or while it rests, until it has nothing more to do."""
    job = jobs.JOBS.get(name)
    if job is None:
        raise Refused(f"There is no job {name}. `flask jobs list` names them.")
    try:
        Worker().run_job(job, resting=True)
    except NotNow as error:
        click.echo(f"{name} has to wait: {error}.", err=True)
        sys.exit(1)
    except FAULTS as error:
        click.echo(f"{name} failed: {jobs.place(error)}.", err=True)
        sys.exit(1)
    click.echo(f"{name} has nothing more to do.")


@mail_group.command("dead")
def mail_dead() -> None:
    """Print the latest mails that were given up: number, which, about what, when promised, why; never an address."""
    for row in lanes.given_up(DEAD_SHOWN):
        kept = "" if row.kept else "  (no longer kept)"
        said = (
            f"{row.message}  {row.cause}  {_moment(row.created_at)}  {row.attempts} tries  {row.last_error}"
        )
        click.echo(f"{row.id}  {said}{kept}")


@mail_group.command("revive")
@click.argument("numbers", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="All that were given up.")
@refusals
def mail_revive(numbers: tuple[int, ...], everything: bool) -> None:
    """Give mails that were given up all their tries again: by number, or all."""
    if everything == bool(numbers):
        raise Refused("Give the numbers that `flask mail dead` prints, or --all.")
    at = now()
    with transaction():
        count = lanes.revive(at, None if everything else numbers)
        if count < len(set(numbers)):
            raise Refused("Not all of these are mails that were given up and are kept: nothing was changed.")
        if count:
            audit.record(None, "mail.revived", "mail", at=at, detail=str(count))
    click.echo(f"{count} mail{'' if count == 1 else 's'} will be sent again.")


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "not yet"


@click.command("seed")
@with_appcontext
@refusals
def seed_command() -> None:
    """Fill an empty portal with a believable demo world (refused in production)."""
    if settings().APP_ENV == "production":
        click.echo("seed is not for production: nothing was changed.", err=True)
        sys.exit(BAD_INPUT)
    from portal import seed  # no other command has use for it

    for line in seed.plant():
        click.echo(line)


@click.command("doctor")
@click.option("--network", "asks", is_flag=True, help="Ask DNS, the mail server and our own address too.")
@with_appcontext
def doctor_command(asks: bool) -> None:
    """Say of each part whether it is well (ok), could be better (advice) or is not (FAULT), and what to do."""
    found = [check() for check in (*checks.ALL, *host.ALL)]
    if asks:
        from portal.ops import network  # a resolver that nothing else has use for

        found += [check() for check in network.ALL]
    for finding in found:
        word = "ok" if finding.ok else "advice" if finding.advice else "FAULT"
        click.echo(f"{word:<6}  {finding.name:<10} {finding.detail}")
        if not finding.ok:
            click.echo(f"        {'':<10} → {finding.remedy}")
    sys.exit(1 if any(finding.is_fault for finding in found) else 0)


@click.command("sbom")
@with_appcontext
def sbom_command() -> None:
    """Print what the portal is made of, as CycloneDX JSON: every pin with its hashes and licence."""
    lists = sorted(settings().ENV_FILE.parent.glob("requirements*.txt"))
    told = sbom.made([path for path in lists if path.name != "requirements-dev.txt"])
    click.echo(json.dumps(told, ensure_ascii=False, indent=1))


@requests_group.command("export")
def requests_export() -> None:
    """Print every request with all its facts, as CSV (RFC 4180), the oldest first."""
    columns = dict.fromkeys(name for kind in kinds.KINDS for name in kinds.export_columns(kind))
    table = csv.DictWriter(sys.stdout, list(columns), restval="")
    table.writeheader()
    for request in db.session.scalars(select(Request).order_by(Request.id).execution_options(yield_per=500)):
        table.writerow({name: as_cell(value) for name, value in kinds.export_row(request).items()})


@requests_group.command("receive")
def requests_receive() -> None:
    """Read one reply from standard input; say in JSON what became of it.

    Ends with 0 whatever it is, so that no mail server sends it back to whoever replied; with 75 when nothing could be
    saved, so that it tries again (sysexits.h, EX_TEMPFAIL)."""
    try:
        heard = mailbox.receive(sys.stdin.buffer)
    except (OSError, Unavailable, SQLAlchemyError) as error:
        click.echo(f"Nothing was saved: {type(error).__name__}", err=True)
        sys.exit(os.EX_TEMPFAIL)
    click.echo(json.dumps({"became": heard.became.value, "request": heard.reference}))


@content_group.command("links")
def content_links() -> None:
    """Ask for every outside link: exit 1 if a page is gone, 2 if there is no network to ask over."""
    known = links.outside(current_app.extensions["library"])
    verdicts = links.check_all(known)
    if links.is_offline(verdicts):
        click.echo(f"Nobody answered for any of {len(known)} links: there is no network here.", err=True)
        sys.exit(BAD_INPUT)
    for verdict in verdicts:
        click.echo(f"{verdict.words:<16} {verdict.address}  ({', '.join(known[verdict.address])})")
    dead = sum(verdict.is_dead for verdict in verdicts)
    click.echo(f"{len(verdicts)} links asked, {dead} dead.")
    sys.exit(1 if dead else 0)


COMMANDS = (
    serve_command,
    worker_command,
    seed_command,
    doctor_command,
    sbom_command,
    staff_group,
    requests_group,
    person_group,
    content_group,
    jobs_group,
    mail_group,
)
