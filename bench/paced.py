"""What the web's answers take: at a steady pace, as people ask, and with as many as it can answer."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.live import Live

CONNECTIONS = 4
RATE = 400  # requests a second
PATH = "/prescribers"


def ways(live: Live) -> dict[str, Callable[[], float]]:
    """Both, by what is said of them."""
    return {
        f"at {RATE} requests a second": lambda: p99(live.port, PATH, rate=RATE),
        "at as many as it can answer": lambda: saturated(live),
    }


def saturated(live: Live, seconds: int = 5) -> float:
    """Milliseconds, the 99th of a hundred, when four ask without a pause."""
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "--latency",
        "-H",
        "Cookie: professional=yes",
    ]
    done = subprocess.run([*command, f"{live.base}{PATH}"], capture_output=True, text=True, check=True)
    found = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    assert found, done.stdout
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def p99(port: int, path: str, *, rate: int, seconds: int = 5) -> float:
    """Milliseconds, of so many requests a second over a few kept connections."""
    began = time.perf_counter() + 0.1
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        parts = pool.map(
            lambda n: _ask(port, path, began + n / rate, rate * seconds, rate), range(CONNECTIONS)
        )
        took = sorted(one for part in parts for one in part)
    return took[len(took) * 99 // 100] * 1000


def _ask(port: int, path: str, due: float, count: int, rate: int) -> list[float]:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: professional=yes\r\n\r\n".encode()
    took = []
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count // CONNECTIONS):
            time.sleep(max(due - time.perf_counter(), 0))
            sent = time.perf_counter()  # what the sleep was late by is not the server's
            connection.sendall(request)
            length = 0
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.read(length)
            took.append(time.perf_counter() - sent)
            due += CONNECTIONS / rate
    return took
