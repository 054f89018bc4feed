"""What a model says of items, and the table of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from acclimate.core.errors import DataError
from acclimate.core.files import replace_atomically
from acclimate.data.domain import Domain
from acclimate.serve.pictures import Picture
from acclimate.training.inference import LoadedModel, outputs

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
    model: LoadedModel, domain: Domain, batch_size: int, device: torch.device | str = "cpu"
) -> list[tuple[tuple[str, float], ...]]:
    """Up to three (class, probability) for each item of ``domain``, most probable first.

    The network has to be on ``device``. Raises ``DataError`` when the model's outputs are not finite.
    """
    logits, _ = outputs(
        model.network,
        model.preprocessing,
        model.prepared(domain, device),
        device=device,
        batch_size=batch_size,
    )
    return most_probable(logits, model.class_names, domain.name)


def most_probable(
    logits: Tensor, class_names: tuple[str, ...], where: str
) -> list[tuple[tuple[str, float], ...]]:
    """Up to three (class, probability) for each row of ``logits`` (N, K), most probable first.

    Raises ``DataError``, naming the data as ``where``, when they are not finite.
    """
    probabilities = torch.softmax(logits.double(), dim=1)
    if not bool(torch.isfinite(probabilities).all()):
        raise DataError(
            f"the model's outputs for {where} are not finite: it has diverged, or the data hold NaN"
        )
    values, classes = probabilities.topk(min(TOP, len(class_names)), dim=1)
    return [
        tuple((class_names[k], share) for k, share in zip(row, shares, strict=True))
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
