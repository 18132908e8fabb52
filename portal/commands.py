"""What every command does with a refusal."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from portal.db import why
from portal.errors import PortalError, Unavailable

BAD_INPUT = 2


def refusals(function: Callable[..., Any]) -> Callable[..., Any]:
    """One clear line on standard error: exit 2 for what the rules refuse, 1 for what the database cannot do."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except PortalError as error:
            click.echo(why(error), err=True)
            sys.exit(1 if isinstance(error, Unavailable) else BAD_INPUT)

    return run
