"""Features of every domain of a table, by one frozen backbone that looks at each photo once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from acclimate.experiments.office.benchmarks import Benchmark
from acclimate.experiments.office.rows import Floats, Pair


class Photos(NamedTuple):
    """``rows`` (N, D) float32 and ``labels`` (N,) of all photos of a domain; ``seconds`` it took."""

    rows: Floats
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]


class Features:
    """Domains of a benchmark as features, each opened when it is first asked for."""

    def __init__(self, benchmark: Benchmark, backbone: str, weights: str) -> None:
        from acclimate.training.frozen import features_of

        self.benchmark = benchmark
        self.backbone = features_of({"name": backbone, "weights": weights})
        self._open: dict[str, Photos] = {}

    @property
    def weights(self) -> str:
        """File and checksum, for the results."""
        name = Path(str(self.backbone.options.weights)).name
        return f"{name}, sha256 {self.backbone.sha256[:12]}"

    def of(self, domain: str, said: Callable[[str], None] = lambda line: None) -> Photos:
        """The photos of a domain by its short name; raises ``DataError`` where they are missing."""
        if domain not in self._open:
            from acclimate.data.sources import open_domain

            said(f"{domain}: looking at the photos")
            look: Any = self.backbone.preprocessing
            opened = open_domain(
                self.benchmark.domains[domain],
                labels="required",
                size=look.stored_size,
                channels=3,
                fit=look.fit,
            )
            vectors: Any = self.backbone.open(opened)
            assert opened.labels is not None
            self._open[domain] = Photos(
                vectors.store.tensor.numpy(), opened.labels.numpy(), opened.class_names
            )
        return self._open[domain]

    def pair(self, name: str, said: Callable[[str], None] = lambda line: None) -> Pair:
        """All photos of the source or sources, and all of the target: fully transductive."""
        sources, target = self.benchmark.sources_of(name)
        opened = [self.of(source, said) for source in sources]
        looked_at = self.of(target, said)
        return Pair(
            np.concatenate([photos.rows for photos in opened]),
            np.concatenate([photos.labels for photos in opened]),
            looked_at.rows,
            looked_at.labels,
        )
