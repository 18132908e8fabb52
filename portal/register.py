"""A register: what the rooms sign into, and what code, pages, docs and tests all read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Register(Generic[T]):
    """A list of named things, filled once when the app is made."""

    def __init__(self, what: str, name: Callable[[T], str]) -> None:
        self._what, self._name = what, name
        self._items: dict[str, T] = {}

    def fill(self, items: Iterable[T]) -> list[str]:
        """Put these in place of what was there; returns the faults of the code, each as a sentence."""
        self._items, faults = {}, []
        for item in items:
            name = self._name(item)
            if name in self._items:
                faults.append(f"there are two {self._what} named {name}")
            self._items[name] = item
        return faults

    def __iter__(self) -> Iterator[T]:
        return iter(self._items.values())

    def get(self, name: str) -> T | None:
        """The one with this name, or None."""
        return self._items.get(name)
