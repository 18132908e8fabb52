"""`flask staff …`: who may sign in, for whoever runs the machine."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from portal import addresses
from portal.clock import now
from portal.commands import refusals
from portal.db import transaction
from portal.mail.compose import link
from portal.people import accounts, invitations
from portal.people.rights import ROLES, spelled

role_option = click.option(
    "--role", multiple=True, required=True, type=click.Choice(ROLES), help="May be repeated."
)
staff_group = AppGroup("staff", help="Who may sign in.")


def invitation_link(token: str) -> str:
    """The whole address of an invitation."""
    return link(addresses.STAFF_INVITE.of(token=token))


@staff_group.command("invite")
@click.argument("email")
@role_option
@click.option("--name", default="")
@refusals
def staffinvitation_link(email: str, role: tuple[str, ...], name: str) -> None:
    """Print a one-use link, good for 24 hours, that makes an account with these roles."""
    with transaction():
        token = invitations.invite(email=email, roles=role, name=name, by=None, at=now())
    click.echo(invitation_link(token))


@staff_group.command("roles")
@click.argument("email")
@role_option
@refusals
def staff_roles(email: str, role: tuple[str, ...]) -> None:
    """Give somebody just these roles; they sign in again, and what they may no longer answer is back in the queue."""
    with transaction():
        person = accounts.get_by_email(email)
        accounts.change_roles(person, role, by=None, at=now())
    click.echo(f"{person.email}: {spelled(person.roles, ', ')}")


@staff_group.command("list")
def staff_list() -> None:
    """Print everybody who has an account."""
    for person in accounts.people():
        state = "" if person.active else "  (disabled)"
        click.echo(f"{person.email}  {spelled(person.roles, ', ')}  {person.name}{state}")


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
    """Let somebody who was disabled sign in again, with all they had for it."""
    with transaction():
        person = accounts.get_by_email(email)
        accounts.enable(person, by=None, at=now())
    click.echo(f"{person.email} can sign in.")


@staff_group.command("reset")
@click.argument("email")
@refusals
def staff_reset(email: str) -> None:
    """Void all that somebody signs in with, and their sessions; print the link, good for 24 hours, that sets anew."""
    with transaction():
        token = invitations.renew(accounts.get_by_email(email), by=None, at=now())
    click.echo(invitation_link(token))
