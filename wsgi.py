"""What a web server and the `flask` command load: `wsgi:app`."""

import gc
import sys

import click
from flask.cli import FlaskGroup

from config import EX_CONFIG, Config, ConfigError
from portal.app import create_app
from portal.errors import CodeFaults
from portal.library.pages import ContentError

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

context = click.get_current_context(silent=True)  # a server's own command line has one too
if context is None or not isinstance(context.find_root().command, FlaskGroup):
    app.extensions["guide"].prepare(app.extensions["library"])  # nobody who visits shall wait for it

# What is built at start lives until the end: the collector need not walk through it again with every few requests.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)
