"""From stored batches of two domains to the batch a step takes: views, augmented and normalised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from acclimate.core.seeding import generator
from acclimate.core.types import NO_BLEND, Batch, Blend, LabelledBatch
from acclimate.data.augmentation import Augmentation
from acclimate.data.batches import BatchSource, StoredBatch
from acclimate.data.blending import blended
from acclimate.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class BatchLoader:
    """Batches for any range of steps; what a step sees depends on the seed and its number only.

    ``augmentation`` is that of everything that is trained on, source and target alike. ``target``
    is ``None`` for algorithms that do not look at it; ``weak`` is ``None`` where no teacher does.
    ``labelled_target``: the labelled target items of a run that was given some. ``blend``: what
    augmented source pictures take from the augmented target pictures of the same step.
    ``target_has_clusters``: what the target's batches call labels are clusters of its own items.
    Every view has the side that ``preprocessing`` crops to, from the centre where nothing is augmented.
    """

    source: BatchSource
    target: BatchSource | None
    preprocessing: Preprocessing
    augmentation: Augmentation
    weak: Augmentation | None
    seed: int
    device: torch.device
    rank: int = 0
    labelled_target: BatchSource | None = None
    blend: Blend = NO_BLEND
    target_has_clusters: bool = False

    def between(self, start: int, stop: int) -> Iterator[Batch]:
        """One ``Batch`` for each step from ``start`` to ``stop``."""
        sources = self.source.between(start, stop)
        targets = self.target.between(start, stop) if self.target else None
        few = self.labelled_target.between(start, stop) if self.labelled_target else None
        for step, source in zip(range(start, stop), sources, strict=True):
            batch = self._batch(step, source, next(targets) if targets else None)
            yield batch if few is None else self._with_labelled(step, batch, next(few))

    def _batch(self, step: int, source: StoredBatch, target: StoredBatch | None) -> Batch:
        assert source.labels is not None
        adapted = weak = clusters = None
        if target is None:
            inputs = self._view(source.items, self.augmentation, step, "source")
        else:
            inputs, adapted = self._both(step, source.items, target.items)
            if self.weak is not None:
                weak = self._view(target.items, self.weak, step, "weak")
            if self.target_has_clusters:
                clusters = target.labels
        return Batch(inputs, source.labels, adapted, weak, None, source.places, clusters)

    def _both(self, step: int, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """What is trained on, of both domains."""
        if not any(self.blend) or target.ndim != 4:
            return (
                self._view(source, self.augmentation, step, "source"),
                self._view(target, self.augmentation, step, "target"),
            )
        unit = augmented(target, self.augmentation, self.preprocessing, self._draws(step, "target"))
        own = augmented(source, self.augmentation, self.preprocessing, self._draws(step, "source"))
        inputs = self.preprocessing.normalise(blended(own, unit, self.blend))
        return inputs, self.preprocessing.normalise(unit)

    def _with_labelled(self, step: int, batch: Batch, few: StoredBatch) -> Batch:
        assert few.labels is not None
        inputs = self._view(few.items, self.augmentation, step, "labelled target")
        return batch._replace(labelled_target=LabelledBatch(inputs, few.labels))

    def _view(self, items: Tensor, augmentation: Augmentation, step: int, purpose: str) -> Tensor:
        return seen(items, augmentation, self.preprocessing, self._draws(step, purpose))

    def _draws(self, step: int, purpose: str) -> torch.Generator:
        return generator(self.seed, "augment", purpose, step, self.rank, device=self.device)


def seen(
    items: Tensor, augmentation: Augmentation, preprocessing: Preprocessing, draws: torch.Generator
) -> Tensor:
    """Stored items → the network's input, augmented."""
    pixels = _cut(items, augmentation, preprocessing, draws)
    if pixels is not None:
        return preprocessing.normalised(pixels)
    return preprocessing.normalise(augmented(items, augmentation, preprocessing, draws))


def augmented(
    items: Tensor, augmentation: Augmentation, preprocessing: Preprocessing, draws: torch.Generator
) -> Tensor:
    """Stored items → augmented ones in [0, 1], of the side that ``preprocessing`` crops to."""
    pixels = _cut(items, augmentation, preprocessing, draws)
    if pixels is not None:
        return preprocessing.to_unit(pixels)
    return augmentation(preprocessing.to_unit(items), draws, preprocessing.crop)


def _cut(
    items: Tensor, augmentation: Augmentation, preprocessing: Preprocessing, draws: torch.Generator
) -> Tensor | None:
    """What is looked at, as it is stored, where augmentation changes no value; ``None`` elsewhere.

    The same pixels, but a quarter of the bytes to move, and only those that are looked at.
    """
    if not augmentation.changes_anything:
        return preprocessing.centred(items)
    if items.ndim != 4 or not augmentation.only_cuts:
        return None
    return augmentation(items.permute(0, 3, 1, 2), draws, preprocessing.crop).permute(0, 2, 3, 1)
