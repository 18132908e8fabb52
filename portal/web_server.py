"""The web server: granian on one event loop of this very process, `python -m portal.web_server HOST PORT TARGET`.

granian's own command would wait beside a process that it forks, which `serve.py` does already. Several may listen on
one port: the kernel hands connections to each in turn (SO_REUSEPORT).
"""

from __future__ import annotations

import resource
import signal
import sys
from importlib import import_module

from granian import loops
from granian.constants import HTTPModes
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from portal import front

MOST_CONNECTIONS = 8192  # at once; the files that the system lets us open may be fewer
SPARE_FILES = 128  # for the database and all else
BACKLOG = 1024
LAST_SECONDS = 5  # for the requests in hand, once we are told to stop


def main(host: str, port: str, target: str) -> int:
    """Serve `module:name`, an RSGI callable, until SIGTERM or SIGINT; returns the exit status to give."""
    module, _, name = target.partition(":")
    loop = loops.get("auto")
    server = Server(
        getattr(import_module(module), name),
        address=host,
        port=int(port),
        backlog=BACKLOG,
        backpressure=most_connections(),
        websockets=False,
        http=HTTPModes.http1,  # HTTP/2 without TLS is off
        http1_settings=HTTP1Settings(header_read_timeout=front.HEAD_SECONDS * 1000),
        log_level=LogLevels.error,
    )

    def stop() -> None:
        signal.alarm(LAST_SECONDS)  # ends us, whatever a request waits for
        server.stop()  # type: ignore[no-untyped-call]

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    loop.run_until_complete(server.serve())
    return int(bool(server.interrupt_children))


def most_connections() -> int:
    """How many connections a web server may hold: what the system lets us open, and no more than is sensible."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_CONNECTIONS + SPARE_FILES if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, MOST_CONNECTIONS + SPARE_FILES), hard))
    return max(SPARE_FILES, min(most - SPARE_FILES, MOST_CONNECTIONS))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
