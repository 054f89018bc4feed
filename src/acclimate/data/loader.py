"""From stored batches of two domains to the batch a step takes: views, augmented and normalised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from acclimate.core.seeding import generator
from acclimate.core.types import Batch
from acclimate.data.augmentation import Augmentation
from acclimate.data.batches import BatchSource, StoredBatch
from acclimate.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class BatchLoader:
    """Batches for any range of steps; what a step sees depends on the seed and its number only.

    ``target`` is ``None`` for algorithms that do not look at it; ``strong`` is ``None`` where no
    algorithm asks for a second view of it.
    """

    source: BatchSource
    target: BatchSource | None
    preprocessing: Preprocessing
    weak: Augmentation
    strong: Augmentation | None
    seed: int
    device: torch.device
    rank: int = 0

    def between(self, start: int, stop: int) -> Iterator[Batch]:
        """One ``Batch`` for each step from ``start`` to ``stop``."""
        sources = self.source.between(start, stop)
        targets = self.target.between(start, stop) if self.target else None
        for step, source in zip(range(start, stop), sources, strict=True):
            yield self._batch(step, source, next(targets) if targets else None)

    def _batch(self, step: int, source: StoredBatch, target: StoredBatch | None) -> Batch:
        assert source.labels is not None
        weak = strong = None
        inputs = self._view(source.items, self.weak, step, "source")
        if target is not None:
            weak = self._view(target.items, self.weak, step, "weak")
            if self.strong is not None:
                strong = self._view(target.items, self.strong, step, "strong")
        return Batch(inputs, source.labels, weak, strong)

    def _view(self, items: Tensor, augmentation: Augmentation, step: int, purpose: str) -> Tensor:
        unit = self.preprocessing.to_unit(items)
        if augmentation.changes_anything:
            draws = generator(self.seed, "augment", purpose, step, self.rank, device=self.device)
            unit = augmentation(unit, draws)
        return self.preprocessing.normalise(unit)
