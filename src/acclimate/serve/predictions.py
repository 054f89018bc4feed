"""What a model says of items, and the table of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from acclimate.core.errors import DataError
from acclimate.core.files import replace_atomically
from acclimate.data.domain import Domain
from acclimate.serve.pictures import Picture
from acclimate.training.inference import LoadedModel

TOP = 3
COLUMNS = ("file", "class", "probability", "class_2", "probability_2", "class_3", "probability_3")


@dataclass(frozen=True)
class Prediction:
    """``best``: up to three (class, probability), most probable first.

    ``file`` names the item in the table; ``picture`` is there where it is a file of its own.
    """

    file: str
    best: tuple[tuple[str, float], ...]
    picture: Picture | None = None

    @property
    def name(self) -> str:
        return self.best[0][0]

    @property
    def probability(self) -> float:
        return self.best[0][1]


def best_classes(
    model: LoadedModel, domain: Domain, batch_size: int
) -> list[tuple[tuple[str, float], ...]]:
    """Up to three (class, probability) for each item of ``domain``, most probable first.

    Raises ``DataError`` when the model's outputs are not finite.
    """
    logits, _ = model.outputs(domain, batch_size)
    probabilities = torch.softmax(logits.double(), dim=1)
    if not bool(torch.isfinite(probabilities).all()):
        raise DataError(
            f"the model's outputs for {domain.name} are not finite: it has diverged, or the data "
            "hold NaN"
        )
    values, classes = probabilities.topk(min(TOP, len(model.class_names)), dim=1)
    return [
        tuple((model.class_names[k], share) for k, share in zip(row, shares, strict=True))
        for row, shares in zip(classes.tolist(), values.tolist(), strict=True)
    ]


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write the table: columns ``COLUMNS``, UTF-8, one row an item, whole or not at all."""
    with (
        replace_atomically(path) as temporary,
        open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for prediction in predictions:
            cells = [cell for name, p in prediction.best for cell in (name, f"{p:.6f}")]
            cells += [""] * (2 * TOP - len(cells))
            writer.writerow([prediction.file, *cells])
