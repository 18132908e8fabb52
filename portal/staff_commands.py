"""`flask staff …`: who may sign in, for whoever runs the machine."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from portal import addresses
from portal.clock import now
from portal.commands import refusals
from portal.db import transaction
from portal.errors import Refused
from portal.mail.compose import link
from portal.people import accounts, invitations
from portal.people.models import ROLES

staff_group = AppGroup("staff", help="Who may sign in.")


def invitation_link(token: str) -> str:
    """The whole address of an invitation."""
    return link(addresses.STAFF_INVITE.of(token=token))


@staff_group.command("invite")
@click.argument("email")
@click.option("--role", required=True)
@click.option("--name", default="")
@refusals
def staffinvitation_link(email: str, role: str, name: str) -> None:
    """Print a one-use link, good for 24 hours, that makes an account (roles: desk, pharmacist, manager)."""
    if role not in ROLES:
        raise Refused(f"--role must be one of {', '.join(ROLES)}, not {role!r}.")
    with transaction():
        token = invitations.invite(email=email, role=role, name=name, by=None, at=now())
    click.echo(invitation_link(token))


@staff_group.command("list")
def staff_list() -> None:
    """Print everybody who has an account."""
    for person in accounts.people():
        state = "" if person.active else "  (disabled)"
        click.echo(f"{person.email}  {person.role}  {person.name}{state}")


@staff_group.command("disable")
@click.argument("email")
@refusals
def staff_disable(email: str) -> None:
    """End somebody's access at once."""
    with transaction():
        person = accounts.get_by_email(email)
        accounts.disable(person, by=None, at=now())
    click.echo(f"{email} can no longer sign in.")


@staff_group.command("enable")
@click.argument("email")
@refusals
def staff_enable(email: str) -> None:
    """Let somebody who was disabled sign in again, with the password and authenticator they had."""
    with transaction():
        person = accounts.get_by_email(email)
        accounts.enable(person, by=None, at=now())
    click.echo(f"{person.email} can sign in.")


@staff_group.command("reset")
@click.argument("email")
@refusals
def staff_reset(email: str) -> None:
    """Void somebody's password, authenticator and sessions; print the link, good for 24 hours, that sets new ones."""
    with transaction():
        token = invitations.renew(accounts.get_by_email(email), by=None, at=now())
    click.echo(invitation_link(token))
