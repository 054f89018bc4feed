"""The predictions that a run leaves behind: its chosen model on the whole target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from acclimate.core.records import read_record
from acclimate.data import Dataset
from acclimate.data.domain import Domain
from acclimate.data.specs import has_test_split, item_folder, resolve
from acclimate.data.table_domains import is_table
from acclimate.serve.evaluate import open_for
from acclimate.serve.predictions import Prediction, most_probable, write_predictions
from acclimate.training.inference import LoadedModel, load_model, outputs
from acclimate.training.settings import FitSettings

FILE_NAME = "predictions.csv"

Progress = Callable[[int, int], None]

_AT_ONCE = 4096  # items between two reports of progress


def predict_target(
    run: Path, *, batch_size: int = 512, progress: Progress | None = None
) -> tuple[Path, int]:
    """Write ``predictions.csv`` into a run folder; returns its path and the number of rows.

    Every item of the target as it was opened has a row: those adapted to, those held out, and a
    registered set's own test split. No label of theirs is read. Raises ``DataError`` where the
    target is gone or the model's outputs are not finite.
    """
    settings = FitSettings.build("settings", read_record(run).settings)
    model = load_model(run)
    device = _device(settings)
    model.network.to(device)
    rows: list[Prediction] = []
    for split in ("train", "test") if has_test_split(settings.target) else ("train",):
        limit = settings.memory_limit << 20
        domain = open_for(model, settings.target, split, labels="ignored", resident_limit=limit)
        if model.features is not None:
            domain = model.features.open(domain, device)  # kept from training
        rows += _predict(
            model, domain, _names(settings.target, split, domain), device, batch_size, progress
        )
    write_predictions(run / FILE_NAME, rows)
    return run / FILE_NAME, len(rows)


def _predict(
    model: LoadedModel,
    domain: Domain,
    names: list[str],
    device: torch.device,
    batch_size: int,
    progress: Progress | None,
) -> list[Prediction]:
    rows: list[Prediction] = []
    for indices in torch.split(torch.arange(len(domain)), _AT_ONCE):
        part = domain.subset(indices)
        logits, _ = outputs(
            model.network, model.preprocessing, part, device=device, batch_size=batch_size
        )
        best = most_probable(logits, model.class_names, domain.name)
        rows += [Prediction(names[i], one) for i, one in zip(indices.tolist(), best, strict=True)]
        if progress is not None:
            progress(len(rows), len(domain))
    return rows


def _names(spec: str, split: str, domain: Domain) -> list[str]:
    """What the table calls the items: as ``acclimate predict`` does, a set's own with their split."""
    if domain.item_names is not None and is_table(Path(spec)):
        return list(domain.item_names)
    if domain.item_names is not None:
        folder = item_folder(spec)
        return [str(folder / name) if folder else name for name in domain.item_names]
    place = f"{domain.name}/{split}" if isinstance(resolve(spec), Dataset) else spec
    return [f"{place}/{number}" for number in range(len(domain))]


def _device(settings: FitSettings) -> torch.device:
    if settings.device in ("auto", "cuda") and torch.cuda.is_available():
        return torch.device("cuda")
    if settings.device in ("auto", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
