"""A register: what rooms sign into, as frozen dataclasses, and what code, pages and tests all read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Register(Generic[T]):
    """Entries by name, in the order they were signed in; `app.py`, which knows all rooms, fills it."""

    def __init__(self, what: str, name: Callable[[T], str]) -> None:
        self.what = what
        self._name = name
        self._entries: dict[str, T] = {}

    def fill(self, items: Iterable[T]) -> list[str]:
        """Hold these and nothing else; returns the faults: two of one name."""
        found = list(items)
        names = [self._name(item) for item in found]
        self._entries = dict(zip(names, found, strict=True))
        return [
            f"two entries of {self.what} are called {name}" for name in self._entries if names.count(name) > 1
        ]

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries.values())

    def get(self, name: str) -> T | None:
        """The entry of this name, if this version knows one."""
        return self._entries.get(name)
