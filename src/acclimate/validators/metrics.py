"""Metrics against labels: accuracy, AUROC, confusion and calibration, whole and per class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from acclimate.core.errors import DataError
from acclimate.core.records import Calibration, LabelledMetrics, PlaceMetrics

CALIBRATION_BINS = 15


def labelled_metrics(logits: Tensor, labels: Tensor, class_names: Sequence[str]) -> LabelledMetrics:
    """All metrics of predictions against labels.

    ``logits``: (N, K) floating point, unnormalised; ``labels``: (N,) int64 in [0, K). Of equal
    logits the first class is predicted. AUROC is one-vs-rest on softmax probabilities, averaged
    over the classes that have items both in and outside them; a class without items has no
    accuracy of its own (``None``). Raises ``DataError`` for no items, labels out of range, shapes
    that do not fit each other and logits without a finite softmax.

    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    >>> metrics = labelled_metrics(logits, torch.tensor([0, 1, 1]), ["cat", "dog"])
    >>> round(metrics.accuracy, 4), metrics.auroc, metrics.confusion
    (0.6667, 0.5, [[1, 0], [1, 1]])
    """
    _check(logits, labels, class_names)
    scores = logits.detach().to("cpu", torch.float64)
    probabilities = torch.softmax(scores, dim=1).numpy()
    if not np.isfinite(probabilities).all():
        broken = int((~np.isfinite(probabilities)).any(axis=1).sum())
        raise DataError(f"the model's outputs are not finite for {broken} of {len(scores)} items")
    truth = labels.cpu().numpy()
    predicted = scores.numpy().argmax(axis=1)
    confusion = _confusion(truth, predicted, len(class_names))
    counts = confusion.sum(axis=1)
    areas = _one_vs_rest_areas(probabilities, truth)
    return LabelledMetrics(
        n=len(truth),
        accuracy=float(np.trace(confusion) / len(truth)),
        auroc=_mean_of_known(areas),
        class_names=list(class_names),
        class_accuracy=[
            float(confusion[k, k] / counts[k]) if counts[k] else None for k in range(len(counts))
        ],
        class_auroc=areas,
        class_counts=counts.tolist(),
        confusion=confusion.tolist(),
        calibration=calibration(probabilities.max(axis=1), predicted == truth),
    )


def macro_auroc(logits: Tensor, labels: Tensor) -> float | None:
    """Macro one-vs-rest AUROC alone, quick enough for every evaluation; in [0, 1].

    ``logits``: (N, K) floating point, unnormalised; ``labels``: (N,) int64 in [0, K). The same
    number as ``labelled_metrics(...).auroc``: on softmax probabilities, averaged over the classes
    that have items both in and outside them. ``None`` where no class has, and where a logit is not
    finite, so that a run that diverges is still told about.

    >>> macro_auroc(torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1]))
    0.5
    """
    probabilities = torch.softmax(logits.detach().to("cpu", torch.float64), dim=1).numpy()
    if len(labels) == 0 or not np.isfinite(probabilities).all():
        return None
    return _mean_of_known(_one_vs_rest_areas(probabilities, labels.cpu().numpy()))


def place_metrics(
    logits: Tensor, labels: Tensor, places: Tensor, names: Sequence[str]
) -> list[PlaceMetrics]:
    """Accuracy and macro AUROC of each place among pooled items, in the order of ``names``.

    ``logits``: (N, K); ``labels``: (N,) int64; ``places``: (N,) int64 in [0, len(names)), as
    ``Domain.places`` has them.

    >>> logits, labels = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1, 1])
    >>> [one.accuracy for one in place_metrics(logits, labels, torch.tensor([0, 0, 1]), ["a", "b"])]
    [0.5, 1.0]
    """
    right = (logits.argmax(1) == labels).double().cpu()
    found = []
    for number, name in enumerate(names):
        here = (places == number).cpu()
        count = int(here.sum())
        found.append(
            PlaceMetrics(
                name=name,
                n=count,
                accuracy=float(right[here].mean()) if count else None,
                auroc=macro_auroc(logits.cpu()[here], labels.cpu()[here]),
            )
        )
    return found


def agreement_beyond_chance(first: Tensor, second: Tensor) -> float:
    """Cohen's kappa of two (N,) int64 vectors of classes, in [-1, 1]; 0 where one class takes all of both.

    Cohen, "A coefficient of agreement for nominal scales", 1960: agreement above what the shares of
    the classes alone would give, so that a model that says the same of everything gains nothing.

    >>> agreement_beyond_chance(torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1, 1, 1]))
    0.5
    """
    from sklearn.metrics import cohen_kappa_score

    if len(torch.cat([first, second]).unique()) == 1:  # 0 / 0 there
        return 0.0
    return float(cohen_kappa_score(first.numpy(), second.numpy()))


def calibration(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = CALIBRATION_BINS
) -> Calibration:
    """Reliability curve and expected calibration error, Guo et al., ICML 2017, equations 2 to 5.

    ``confidence``: (N,) in [0, 1]; ``correct``: (N,). Bins are of equal width, closed on the right.

    >>> calibration(np.array([0.9, 0.9, 0.6]), np.array([True, False, True])).count
    [1, 2]
    """
    edges = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    bin_of = np.digitize(confidence, edges, right=True)
    count = np.bincount(bin_of, minlength=bins)
    filled = count > 0
    mean_confidence = np.bincount(bin_of, confidence, bins)[filled] / count[filled]
    mean_accuracy = np.bincount(bin_of, correct, bins)[filled] / count[filled]
    gaps = np.abs(mean_confidence - mean_accuracy)
    return Calibration(
        expected_calibration_error=float((gaps * count[filled]).sum() / count.sum()),
        confidence=mean_confidence.tolist(),
        accuracy=mean_accuracy.tolist(),
        count=count[filled].tolist(),
    )


def _check(logits: Tensor, labels: Tensor, class_names: Sequence[str]) -> None:
    classes = len(class_names)
    if logits.ndim != 2 or logits.shape[1] != classes:
        raise DataError(f"{classes} classes need logits (N, {classes}), not {tuple(logits.shape)}")
    if labels.shape != logits.shape[:1]:
        raise DataError(f"{len(logits)} outputs need as many labels, not {tuple(labels.shape)}")
    if len(labels) == 0:
        raise DataError("there are no labelled items to measure on")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        wrong = int(labels.min()) if int(labels.min()) < 0 else int(labels.max())
        raise DataError(f"label {wrong} is out of range for {classes} classes")


def _confusion(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    cells = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes)


def _one_vs_rest_areas(
    probabilities: NDArray[np.float64], truth: NDArray[np.int64]
) -> list[float | None]:
    """For each class the share of pairs, one item in it and one outside, that are ranked rightly.

    By the rank sum (Mann & Whitney, 1947), for all classes from one sort of each column; a tie
    counts half. ``None`` where all items are on one side.
    """
    items, classes = probabilities.shape
    ranks = rankdata(probabilities, axis=0)
    inside = np.bincount(truth, minlength=classes)
    sums = np.bincount(truth, weights=ranks[np.arange(items), truth], minlength=classes)
    pairs = inside * (items - inside)
    wins = sums - inside * (inside + 1) / 2
    return [float(w / p) if p else None for w, p in zip(wins, pairs, strict=True)]


def _mean_of_known(areas: Sequence[float | None]) -> float | None:
    known = [area for area in areas if area is not None]
    return float(np.mean(known)) if known else None
