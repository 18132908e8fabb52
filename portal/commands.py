"""How commands are found, and what every command does with a refusal."""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click
from flask import Flask
from flask.cli import AppGroup

from portal.db import db, is_full, why
from portal.errors import PortalError, Unavailable

BAD_INPUT = 2


def refusals(function: Callable[..., Any]) -> Callable[..., Any]:
    """One clear line on standard error: exit 2 for what the rules or a full disk refuse, 1 for what else the database
    cannot do."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except PortalError as error:
            click.echo(why(error), err=True)
            sys.exit(1 if isinstance(error, Unavailable) and not is_full(error) else BAD_INPUT)

    return run


class Commands(AppGroup):
    """`flask …`: the COMMANDS of modules, and more by name. Each is imported when it is asked for: a server asks for
    none, and what commands alone need would be a third of its start."""

    def __init__(self, modules: Iterable[str], more: Mapping[str, Callable[[], click.Command]]) -> None:
        super().__init__()
        self._modules, self._more = list(modules), dict(more)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name in self._more:
            return self._more[cmd_name]()
        # A group may be added to by a later module.
        while self._modules and isinstance(self.commands.get(cmd_name), click.Group | None):
            for command in import_module(self._modules.pop(0)).COMMANDS:
                self.add_command(command)
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all."""
        self.get_command(ctx, "")
        return sorted({*super().list_commands(ctx), *self._more})


class Migrations:
    """Flask-Migrate, when it is asked: no page needs it, and Alembic is 10 MiB and a fifth of a start."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self._app, self._folder = app, folder

    def command(self) -> click.Group:
        """`flask db`."""
        from flask_migrate.cli import db as group

        return cast(click.Group, group)

    def __getattr__(self, name: str) -> Any:
        from flask_migrate import Migrate

        Migrate(self._app, db, directory=str(self._folder), render_as_batch=True, compare_type=True)
        return getattr(self._app.extensions["migrate"], name)
