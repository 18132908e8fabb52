"""The yardsticks: Flask's "hello", and a bare WSGI callable with as many bytes as our page."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from flask import Flask

flask_hello = Flask("hello")
_BODY = Path(os.environ["BENCH_BODY"]).read_bytes() if "BENCH_BODY" in os.environ else b"hello"
_HEADERS = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(_BODY)))]
# The page's own headers, so that as many bytes go over the wire.
_ALL_HEADERS = [tuple(pair) for pair in json.loads(os.environ.get("BENCH_HEADERS", "[]"))]


@flask_hello.get("/")
def hello() -> str:
    """The least a Flask view can do."""
    return "hello"


def bare(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The least a WSGI server can be asked for, with a page's weight."""
    start_response("200 OK", _HEADERS)
    return [_BODY]


def bare_with_headers(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The same, with every header that the page has."""
    start_response("200 OK", _ALL_HEADERS)
    return [_BODY]
