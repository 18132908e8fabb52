"""The log of requests, in the lines of `lines.py`: paths are shown as the pattern of their route, so that no token
stands in a log."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

from portal.ops import lines
from portal.ops.tally import answered

log = logging.getLogger("portal.request")


def set_up(app: Flask) -> None:
    """Send our logs to standard error, and write one line for each request that reaches Flask, and count it."""
    lines.begin(is_production=app.extensions["settings"].is_production)

    @app.before_request
    def _start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def _line(response: Response) -> Response:
        route = str(request.url_rule) if request.url_rule else "-"
        seconds = time.perf_counter() - g.get("started", time.perf_counter())
        answered.count(request.method, route, response.status_code, seconds)
        if log.isEnabledFor(logging.INFO):
            log.info(
                "request",
                extra={
                    "request": g.get("request_id", ""),
                    "method": request.method,
                    "route": route,
                    "status": response.status_code,
                    "ms": round(seconds * 1000, 1),
                },
            )
        return response
