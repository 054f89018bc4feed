"""Explicit names for algorithms, networks, data sets and validators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from acclimate.core.errors import UnknownNameError, near_miss

Item = TypeVar("Item")


class Registry(Generic[Item]):
    """A table from name to object that refuses duplicates and explains unknown names.

    >>> colours: Registry[int] = Registry("colour")
    >>> _ = colours.register("red")(0xFF0000)
    >>> colours.get("red")
    16711680
    >>> colours.get("rad")
    Traceback (most recent call last):
    ...
    acclimate.core.errors.UnknownNameError: unknown colour 'rad'. Did you mean 'red'?
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, Item] = {}

    def register(self, name: str) -> Callable[[Item], Item]:
        """Decorator that stores an object under ``name``; a duplicate is a ``ValueError``."""

        def store(item: Item) -> Item:
            if name in self._items:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._items[name] = item
            return item

        return store

    def get(self, name: str) -> Item:
        """The object called ``name``; raises ``UnknownNameError`` with the near miss."""
        if name not in self._items:
            raise UnknownNameError(f"unknown {self.kind} {name!r}.{near_miss(name, self._items)}")
        return self._items[name]

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._items))

    def items(self) -> Iterator[tuple[str, Item]]:
        return iter(sorted(self._items.items()))

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __len__(self) -> int:
        return len(self._items)
