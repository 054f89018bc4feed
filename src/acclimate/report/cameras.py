"""Which camera took an item: names and colours that the t-SNE panels and the film share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from acclimate.report import chart
from acclimate.report.samples import Array

MOST = 40  # cameras that can still be told apart by colour


@dataclass(frozen=True)
class Camera:
    """One camera of one domain; ``number`` is ``None`` for a domain whose cameras are not known."""

    domain: str
    number: int | None
    colour: str

    @property
    def name(self) -> str:
        return f"{self.domain}, camera {'unknown' if self.number is None else self.number}"

    @property
    def shape(self) -> str:
        return "circle" if self.domain == "source" else "diamond"

    def items(self, numbers: Array | None, count: int) -> Array:
        """Indices of this camera's items among ``count``, whose cameras are ``numbers`` (count,)."""
        if numbers is None or self.number is None:
            return np.arange(count if numbers is None and self.number is None else 0)
        return np.flatnonzero(numbers == self.number)


def list_cameras(source: Sequence[Array | None], target: Sequence[Array | None]) -> list[Camera]:
    """All cameras of both domains, each with a colour of its own.

    ``source``, ``target``: for each model or evaluation the cameras (N,) of its items, ``None``
    where they are not known. Empty where no camera of either domain is known, or more than 40.
    """
    found: list[tuple[str, int | None]] = []
    for domain, numbers in (("source", source), ("target", target)):
        known = {int(number) for some in numbers if some is not None for number in some}
        found += [(domain, number) for number in sorted(known)]
        if any(some is None for some in numbers):
            found.append((domain, None))
    known_ones = [key for key in found if key[1] is not None]
    if not 0 < len(known_ones) <= MOST:
        return []
    colours = {
        key: chart.class_colour(index, len(known_ones)) for index, key in enumerate(known_ones)
    }
    return [Camera(*key, colour=colours.get(key, chart.REST)) for key in found]
