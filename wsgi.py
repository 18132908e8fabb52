"""What `flask serve` (`wsgi:front`, RSGI) and any WSGI server or the `flask` command (`wsgi:app`) load."""

import gc
import sys
from types import TracebackType

import click
from flask.cli import FlaskGroup
from sqlalchemy.exc import DBAPIError, IntegrityError

from config import EX_CONFIG, Config, ConfigError
from portal.app import create_app
from portal.commands import BAD_INPUT
from portal.db import is_full, why
from portal.errors import CodeFaults, PortalError
from portal.library.pages import ContentError
from portal.serve import keep_streams

keep_streams()

try:
    config = Config.from_env()
except ConfigError as error:
    lines = ["The portal cannot start with these settings:", *(f"  - {fault}" for fault in error.faults)]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.exit(EX_CONFIG)

try:
    app = create_app(config)
except CodeFaults as error:
    lines = ["The portal cannot start with this code:", *(f"  - {fault}" for fault in error.faults)]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.exit(EX_CONFIG)
except ContentError as error:
    lines = ["The portal cannot start with these texts:", *(f"  - {fault}" for fault in error.faults)]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.exit(EX_CONFIG)


def say_in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last words of a command (`sys.excepthook`): one line for what the place where it runs refuses."""
    is_fault = isinstance(error, DBAPIError) and not isinstance(error, IntegrityError)
    if is_fault or isinstance(error, PortalError):
        sys.stderr.write(f"{why(error)}\n")
        if is_full(error):
            sys.exit(BAD_INPUT)
    elif isinstance(error, OSError) and error.filename:
        sys.stderr.write(f"{error.filename}: {error.strerror}.\n")
    else:
        sys.__excepthook__(kind, error, trace)


context = click.get_current_context(silent=True)  # a server's own command line has one too
if context is not None and isinstance(context.find_root().command, FlaskGroup):
    sys.excepthook = say_in_one_line

front = app.extensions["front"]

# What is built at start lives until the end: the collector need not walk through it again with every few requests.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)
