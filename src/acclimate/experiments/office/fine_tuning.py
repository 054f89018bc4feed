"""The rows that train the whole backbone: a run of ``fit`` each, at a size that the device allows."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acclimate.core.records import RunRecord
from acclimate.experiments.office.benchmarks import Benchmark


@dataclass(frozen=True)
class Budget:
    """``size``: side of the network's input; ``resize``: of the stored photo, which it is cut out of."""

    size: int
    resize: int
    steps: int
    batch_size: int


#: a row in minutes on two cores
ON_PROCESSOR = Budget(112, 128, 200, 16)
#: what the photos' protocol takes
ON_GPU = Budget(224, 256, 1000, 32)
EVALUATIONS = 5


def budget() -> Budget:
    """What this machine can train with."""
    import torch

    return ON_GPU if torch.cuda.is_available() else ON_PROCESSOR


def fine_tune(
    benchmark: Benchmark,
    pair: str,
    algorithm: str,
    seed: int,
    backbone: dict[str, Any],
    *,
    oracle: bool,
    command: str,
) -> tuple[RunRecord, dict[str, Any]]:
    """Train on a pair of one source; the run's record, and the budget with the label-free choice.

    Fully transductive as the rows on features; ``oracle``: the target's items are parted instead,
    so that none is both learnt from and measured on. ``backbone``: options of the network.
    """
    from acclimate.training.fit import fit
    from acclimate.training.settings import make_settings

    (source,), target = benchmark.sources_of(pair)
    allowed = budget()
    settings = make_settings(
        "photos",
        source=benchmark.domains[source],
        target=benchmark.domains[target],
        transductive=not oracle,
        algorithm=algorithm,
        network_options=backbone,
        evaluations=EVALUATIONS,
        loggers=(),
        seed=seed,
        **asdict(allowed),
    )
    with tempfile.TemporaryDirectory(prefix="acclimate-fine-tuned-") as place:
        record = fit(settings, Path(place) / "run", baseline=False, command=command)
    return record, {**asdict(allowed), "step": record.chosen.step if record.chosen else None}
