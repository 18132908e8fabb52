"""GETs at a steady pace, as people send them: what one answer takes."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

CONNECTIONS = 4


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
