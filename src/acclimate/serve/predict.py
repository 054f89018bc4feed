"""From picture files to a table of predictions, a batch at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.core.files import replace_atomically
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.images import decode, in_threads
from acclimate.serve.annotate import AnnotationFolder
from acclimate.serve.pictures import Picture, find_pictures
from acclimate.training.inference import LoadedModel

TOP = 3
COLUMNS = ("file", "class", "probability", "class_2", "probability_2", "class_3", "probability_3")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prediction:
    """``best``: up to three (class, probability), most probable first."""

    picture: Picture
    best: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        return self.best[0][0]

    @property
    def probability(self) -> float:
        return self.best[0][1]


@dataclass
class Predicted:
    """What came of a list of pictures; ``skipped`` has a line for each unreadable file."""

    predictions: list[Prediction] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def predict_pictures(
    model: LoadedModel,
    places: Sequence[Path],
    output: Path,
    *,
    annotate: Path | None = None,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> Predicted:
    """Predict every picture in ``places`` and write the table ``output``, whole or not at all.

    ``annotate`` is a folder for copies with the class drawn on. Raises ``DataError`` when no
    picture can be read, and ``RunError`` where writing would touch an original.
    """
    size, channels = _picture_shape(model)
    copies = AnnotationFolder(annotate) if annotate is not None else None
    if copies is not None:
        copies.check()
    pictures, skipped = find_pictures(places, exclude=annotate)
    if any(output.resolve() == picture.path.resolve() for picture in pictures):
        raise ConfigurationError(f"--output {output} is one of the pictures; choose another name")
    done = Predicted(skipped=skipped)
    for start in range(0, len(pictures), batch_size):
        some = pictures[start : start + batch_size]
        read, items = _read(some, size, channels, done.skipped)
        done.predictions += predict_batch(model, read, items) if read else []
        if progress is not None:
            progress(start + len(some), len(pictures))
    if not done.predictions:
        raise DataError(f"none of {len(pictures)} pictures can be read; {done.skipped[0]}")
    write_predictions(output, done.predictions)
    if copies is not None:
        _annotate(copies, done.predictions, progress)
    return done


def _annotate(
    copies: AnnotationFolder, predictions: Sequence[Prediction], progress: Progress | None
) -> None:
    copies.prepare()
    for number, prediction in enumerate(predictions, 1):
        picture = prediction.picture
        copies.write(picture.path, picture.relative, prediction.name, prediction.probability)
        if progress is not None:
            progress(number, len(predictions))


def predict_batch(
    model: LoadedModel, pictures: Sequence[Picture], items: Tensor
) -> list[Prediction]:
    """Predictions for ``items``, uint8 (N, height, width, channels), which are ``pictures`` read.

    Raises ``DataError`` when the model's outputs are not finite.
    """
    domain = Domain("pictures", ResidentStore(items), None, model.class_names)
    logits, _ = model.outputs(domain, len(items))
    probabilities = torch.softmax(logits.double(), dim=1)
    if not bool(torch.isfinite(probabilities).all()):
        raise DataError("the model's outputs are not finite: it has diverged, use another run")
    values, classes = probabilities.topk(min(TOP, len(model.class_names)), dim=1)
    return [
        Prediction(
            picture, tuple((model.class_names[k], p) for k, p in zip(row, shares, strict=True))
        )
        for picture, row, shares in zip(pictures, classes.tolist(), values.tolist(), strict=True)
    ]


def _picture_shape(model: LoadedModel) -> tuple[int, int]:
    shape = model.spec.input_shape
    if len(shape) != 3:
        raise ConfigurationError(
            f"this model takes vectors of {shape[0]} features, not pictures; "
            "measure it with 'acclimate evaluate'"
        )
    return shape[1], shape[0]


def _read(
    pictures: Sequence[Picture], size: int, channels: int, skipped: list[str]
) -> tuple[list[Picture], Tensor]:
    """The readable ones of ``pictures``; a line for each other one is added to ``skipped``."""

    def attempt(picture: Picture) -> np.ndarray | str:
        try:
            return decode(picture.path, size, channels)
        except MemoryError:
            raise
        # Pillow's decoders raise nearly anything on damaged input; the reason is kept and shown
        except Exception as error:
            return f"{picture.path}: {reason(error)}"

    read, items = [], []
    for picture, item in zip(pictures, in_threads(attempt, pictures), strict=True):
        if isinstance(item, str):
            skipped.append(item)
        else:
            read.append(picture)
            items.append(item)
    return read, torch.from_numpy(np.stack(items)) if items else torch.empty(0)


def reason(error: Exception) -> str:
    """Why a picture could not be read, in one line."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "not a picture, or damaged"
    return " ".join(str(error).split()) or type(error).__name__


def write_predictions(path: Path, predictions: Sequence[Prediction]) -> None:
    """Write the table: columns ``COLUMNS``, UTF-8, one row a picture."""
    with (
        replace_atomically(path) as temporary,
        open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for prediction in predictions:
            cells = [cell for name, p in prediction.best for cell in (name, f"{p:.6f}")]
            cells += [""] * (2 * TOP - len(cells))
            writer.writerow([str(prediction.picture.path), *cells])
