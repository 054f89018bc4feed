"""Target items worth a look: the most confident mistakes and the least certain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from acclimate.report.samples import Array, Items
from acclimate.report.table import percent

TILES = 24


@dataclass(frozen=True)
class Tile:
    """One item: ``index`` among the target's sample items, its name, and what is said below it."""

    index: int
    name: str
    predicted: str
    confidence: str
    label: str | None

    @property
    def short_name(self) -> str:
        """The last part of a path: a narrow tile has no room for the folders."""
        return self.name.rstrip("/").rsplit("/", 1)[-1] or self.name


@dataclass(frozen=True)
class Strip:
    title: str
    note: str
    tiles: list[Tile]
    oracle: bool = False


def strips(target: Items, class_names: list[str]) -> list[Strip]:
    """Mistakes only where labels exist (oracle); the least certain items always."""
    parts = [least_certain(target, class_names)]
    if target.labels is not None:
        parts.insert(0, confident_mistakes(target, class_names))
    return parts


def confident_mistakes(target: Items, class_names: list[str]) -> Strip:
    confidence = target.probabilities.max(axis=1)
    wrong = np.flatnonzero(target.probabilities.argmax(axis=1) != target.labels)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:TILES]
    note = (
        f"{len(wrong):,} of {len(target):,} sample items are wrong."
        if len(wrong)
        else ("No sample item is wrong.")
    )
    return Strip("Most confident mistakes", note, _tiles(target, order, class_names), oracle=True)


def least_certain(target: Items, class_names: list[str]) -> Strip:
    order = np.argsort(target.probabilities.max(axis=1), kind="stable")[:TILES]
    note = "If some target items can be labelled by hand, these teach the most."
    return Strip("Least certain target items", note, _tiles(target, order, class_names))


def _tiles(target: Items, order: Array, class_names: list[str]) -> list[Tile]:
    probabilities = target.probabilities
    return [
        Tile(
            index=int(index),
            name=target.names[index],
            predicted=class_names[int(probabilities[index].argmax())],
            confidence=percent(float(probabilities[index].max()), 0),
            label=None if target.labels is None else class_names[int(target.labels[index])],
        )
        for index in order
    ]
