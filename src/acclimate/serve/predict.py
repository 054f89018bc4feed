"""From pictures and tables to predictions, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.images import Fit, decode, in_threads
from acclimate.data.specs import is_picture_list
from acclimate.data.table_domains import is_table
from acclimate.serve.annotate import AnnotationFolder
from acclimate.serve.evaluate import check_shape, open_for
from acclimate.serve.pictures import Picture, find_pictures
from acclimate.serve.predictions import Prediction, best_classes, write_predictions
from acclimate.serve.sharing import shared_out
from acclimate.training.inference import MATCH, LoadedModel
from acclimate.training.process_group import together

Progress = Callable[[int, int], None]
Best = tuple[tuple[str, float], ...]


@dataclass
class Predicted:
    """What came of a list of places; ``skipped`` has a line for each unreadable picture.

    ``notes``: what should be said of tables.
    """

    predictions: list[Prediction] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def predict(
    model: LoadedModel,
    places: Sequence[Path],
    output: Path,
    *,
    annotate: Path | None = None,
    batch_size: int = 256,
    progress: Progress | None = None,
    fabric: Fabric | None = None,
) -> Predicted:
    """Predict all that is in ``places`` and write the table ``output``, whole or not at all.

    ``places``: pictures, folders of pictures, .npz files with ``x``, and tables. ``annotate`` is a folder
    for copies of the pictures with the class drawn on. With ``fabric``, which is launched here once
    nothing is wrong with the options, its processes share the batches, each on its device; the
    first one writes, and on the others what is returned is empty. Raises ``DataError`` when no
    picture can be read, ``RunError`` where writing would touch an original, and
    ``ConfigurationError`` for a model that has no classes.
    """
    model.check_has_classes(MATCH)
    copies = AnnotationFolder(annotate) if annotate is not None else None
    if copies is not None:
        copies.check()
    tables = [place for place in places if _has_rows(place)]
    others = [place for place in places if place not in tables]
    pictures, skipped = find_pictures(others, exclude=annotate) if others else ([], [])
    _check_output(output, [*tables, *(picture.path for picture in pictures)])
    if fabric is None:
        return _predict(model, tables, pictures, skipped, output, copies, batch_size, progress)
    fabric.launch()
    model.network.to(fabric.device)
    with together(fabric, "predict again"):
        return _predict(
            model, tables, pictures, skipped, output, copies, batch_size, progress, fabric
        )


def _predict(
    model: LoadedModel,
    tables: Sequence[Path],
    pictures: Sequence[Picture],
    skipped: list[str],
    output: Path,
    copies: AnnotationFolder | None,
    batch_size: int,
    progress: Progress | None,
    fabric: Fabric | None = None,
) -> Predicted:
    done = Predicted(skipped=skipped)
    for table in tables:
        predictions, notes, left_out = predict_table(model, table, batch_size, fabric)
        done.predictions += predictions
        done.notes += [f"{table}: {note}" for note in notes]
        done.skipped += [f"{table}: {line}" for line in left_out]
    if pictures:
        done.predictions += predict_pictures(model, pictures, skipped, batch_size, progress, fabric)
    if fabric is not None:
        # what is wrong with the data is said before the others go
        fabric.barrier()
        if not fabric.is_global_zero:
            return Predicted()
    write_predictions(output, done.predictions)
    if copies is not None:
        _annotate(copies, done.predictions, progress)
    return done


def predict_table(
    model: LoadedModel, path: Path, batch_size: int = 256, fabric: Fabric | None = None
) -> tuple[list[Prediction], tuple[str, ...], tuple[str, ...]]:
    """Predictions for every row of a table, a list of pictures or an .npz file; notes; what was skipped.

    A row is called by its id where the table has the column, else ``FILE/0``, ``FILE/1`` …
    With ``fabric`` its processes share the rows, and the first one has them all.
    """
    domain = open_for(model, path, labels="ignored")
    check_shape(model, domain)
    parts = torch.split(torch.arange(len(domain)), batch_size)

    def work(number: int) -> list[Best]:
        part = domain.subset(parts[number])
        return best_classes(model, part, batch_size, _device(fabric))

    rows = [row for some in shared_out(len(parts), work, fabric) for row in some]
    if fabric is not None and not fabric.is_global_zero:
        return [], domain.notes, domain.skipped
    names = domain.item_names or [f"{path}/{number}" for number in range(len(rows))]
    return [Prediction(*row) for row in zip(names, rows, strict=True)], domain.notes, domain.skipped


def _has_rows(place: Path) -> bool:
    if is_picture_list(place):
        return True
    return place.is_file() and (place.suffix.lower() == ".npz" or is_table(place))


def predict_pictures(
    model: LoadedModel,
    pictures: Sequence[Picture],
    skipped: list[str],
    batch_size: int = 256,
    progress: Progress | None = None,
    fabric: Fabric | None = None,
) -> list[Prediction]:
    """Predictions for the readable ones of ``pictures``; the others get a line in ``skipped``.

    With ``fabric`` its processes share the batches, and the first one has what came of them all.
    Raises ``DataError`` when none can be read, ``ConfigurationError`` for a model of vectors.
    """
    size, channels = _picture_shape(model)
    starts = range(0, len(pictures), batch_size)

    def work(number: int) -> tuple[list[tuple[int, Best]], list[str]]:
        start, unreadable = starts[number], list[str]()
        some = pictures[start : start + batch_size]
        read, items = _read(some, size, channels, model.fit, unreadable)
        rows: list[Best] = []
        if read:
            domain = Domain("the pictures", ResidentStore(items), None, model.class_names)
            rows = best_classes(model, domain, batch_size, _device(fabric))
        if progress is not None:
            progress(start + len(some), len(pictures))
        return [(start + place, row) for place, row in zip(read, rows, strict=True)], unreadable

    predictions: list[Prediction] = []
    for rows, unreadable in shared_out(len(starts), work, fabric):
        skipped += unreadable
        for place, best in rows:
            picture = pictures[place]
            predictions.append(Prediction(str(picture.path), best, picture))
    if not predictions and (fabric is None or fabric.is_global_zero):
        raise DataError(f"none of {len(pictures)} pictures can be read; {skipped[-1]}")
    return predictions


def _device(fabric: Fabric | None) -> torch.device | str:
    return "cpu" if fabric is None else fabric.device


def _annotate(
    copies: AnnotationFolder, predictions: Sequence[Prediction], progress: Progress | None
) -> None:
    copies.prepare()
    for number, prediction in enumerate(predictions, 1):
        picture = prediction.picture
        if picture is not None:
            copies.write(picture.path, picture.relative, prediction.name, prediction.probability)
        if progress is not None:
            progress(number, len(predictions))


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    if output.is_dir():
        raise ConfigurationError(f"--output {output} is a folder; give the name of a CSV file")
    real = output.resolve()
    if any(path.resolve() == real for path in inputs):
        raise ConfigurationError(f"--output {output} is one of the inputs; choose another name")


def _picture_shape(model: LoadedModel) -> tuple[int, int]:
    shape = model.stored_shape
    if len(shape) != 3:
        raise ConfigurationError(
            f"this model takes vectors of {shape[0]} features, not pictures; give an .npz file or a table"
        )
    return shape[1], shape[0]


def _read(
    pictures: Sequence[Picture], size: int, channels: int, fit: Fit, skipped: list[str]
) -> tuple[list[int], Tensor]:
    """Places of the readable ones among ``pictures``, and what they show, (N, size, size, channels)."""

    def attempt(picture: Picture) -> np.ndarray | str:
        try:
            return decode(picture.path, size, channels, fit)
        except MemoryError:
            raise
        # Pillow's decoders raise nearly anything on damaged input; the reason is kept and shown
        except Exception as error:
            return f"{picture.path}: {_reason(error)}"

    read, items = [], []
    for place, item in enumerate(in_threads(attempt, pictures)):
        if isinstance(item, str):
            skipped.append(item)
        else:
            read.append(place)
            items.append(item)
    return read, torch.from_numpy(np.stack(items)) if items else torch.empty(0)


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "not a picture, or damaged"
    return " ".join(str(error).split()) or type(error).__name__
