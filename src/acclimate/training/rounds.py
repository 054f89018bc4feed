"""Rounds of clustering: the target's batches are drawn by what its own descriptors were put into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from acclimate.algorithms import Algorithm
from acclimate.core.errors import RunError
from acclimate.core.types import Batch
from acclimate.data.batches import BatchSource, make_batches
from acclimate.data.loader import BatchLoader
from acclimate.models.network import Network
from acclimate.training.retrieval_evaluator import RetrievalEvaluator
from acclimate.training.stored import read_stored, save_arrays

FOLDER = "clusters"
FEWEST = 2  # clusters; a single one leaves no pair of different people


def who_forms_clusters(algorithm: Algorithm) -> Any | None:
    """The algorithm's part that does, with its ``rounds``; ``None`` where none does."""
    return next((part for part in algorithm.members if part.forms_clusters), None)


@dataclass(frozen=True)
class Rounds:
    """When the target is put into clusters anew, and what is drawn by them until then.

    ``begun``: whether training begins with a model, ``start_from``; a network of fresh weights would
    form clusters of nothing, and has none in its first round. The clusters of a round lie in
    ``folder``/clusters/round-K.npz: a run that is continued in the middle of one goes on with them.
    """

    maker: Any
    folder: Path
    evaluator: RetrievalEvaluator
    fabric: Fabric
    steps: int
    batch_size: int
    images_per_identity: int
    seed: int
    begun: bool = False

    def batches(self, loader: BatchLoader, start: int, network: Network) -> Iterator[Batch]:
        """One ``Batch`` for each step from ``start``; ``network`` as it is when a round begins."""
        borders = [round(k * self.steps / self.maker.rounds) for k in range(self.maker.rounds + 1)]
        for number, (first, stop) in enumerate(pairwise(borders)):
            if start >= stop:
                continue
            clusters = self._clusters(number, network, begins=start <= first)
            target, by_clusters = self._drawn(clusters)
            drawn = replace(loader, target=target, target_has_clusters=by_clusters)
            yield from drawn.between(max(start, first), stop)

    def _drawn(self, clusters: Tensor) -> tuple[BatchSource, bool]:
        """The target's batches until the next round, and whether they are drawn by clusters.

        So many pictures of each of some clusters; what is in none is not drawn. Where there are fewer
        clusters than a batch holds, all items are drawn as without any.
        """
        adapt = self.evaluator.task.target.adapt
        count = int(clusters.max()) + 1 if len(clusters) else 0
        enough = count >= max(FEWEST, self.batch_size // self.images_per_identity)
        if enough:
            kept = (clusters >= 0).nonzero().squeeze(1)
            adapt = replace(
                adapt.subset(kept),
                labels=clusters[kept],
                class_names=tuple(map(str, range(count))),
            )
        drawn = make_batches(
            adapt,
            self.batch_size,
            purpose="target",
            seed=self.seed,
            device=self.fabric.device,
            rank=self.fabric.global_rank,
            ranks=self.fabric.world_size,
            images_per_identity=self.images_per_identity if enough else None,
        )
        return drawn, enough

    def _clusters(self, number: int, network: Network, begins: bool) -> Tensor:
        path = self.folder / FOLDER / f"round-{number + 1:03d}.npz"
        found: Tensor | None = None
        if self.fabric.is_global_zero:
            if begins or not path.exists():
                if not begins:
                    raise RunError(
                        f"{path} is missing, and the run was stopped in that round: train it anew"
                    )
                found = self._formed(network, number)
                self._save(path, found)
            else:
                found = read_stored(path, "clusters")
        shared: Any = self.fabric.broadcast(found)
        assert isinstance(shared, Tensor)
        return shared

    def _formed(self, network: Network, number: int) -> Tensor:
        adapt = self.evaluator.task.target.adapt
        if number == 0 and not self.begun:
            return torch.full((len(adapt),), -1)
        descriptors = self.evaluator.descriptors(network, adapt)
        clusters: Tensor = self.maker.clusters(descriptors, adapt.cameras)
        return clusters

    def _save(self, path: Path, clusters: Tensor) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_arrays(path, {"clusters": clusters.numpy()})
