"""Accuracy and AUROC in numbers: by domain, and class by class."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

from acclimate.core.records import LabelledMetrics, RunRecord
from acclimate.report.table import NOTHING, percent

MANY = 12  # classes, from which on their table is folded


@dataclass(frozen=True)
class Line:
    """One row: its name and its cells; ``oracle`` where target labels were used."""

    name: str
    cells: list[str]
    oracle: bool = False


@dataclass(frozen=True)
class Measured:
    """``by_domain``: items, accuracy, AUROC and calibration error.

    ``by_class``: items, accuracy and AUROC in each of ``sides``.
    """

    by_domain: list[Line]
    by_class: list[Line]
    sides: list[str]

    @property
    def folded(self) -> bool:
        return len(self.by_class) > MANY


def measured(record: RunRecord) -> Measured:
    """What the record holds of the chosen checkpoint against labels; empty where it holds nothing."""
    source, target = record.source_metrics, record.oracle_target_metrics
    lines = []
    if source is not None:
        lines.append(Line(f"{record.source.name}, held out", _whole(source)))
    lines += [
        Line(f"of these, {place.name}", [f"{place.n:,}", percent(place.accuracy), area(place.auroc), NOTHING])
        for place in record.place_metrics
        if len(record.place_metrics) > 1
    ]  # fmt: skip
    if target is not None:
        lines.append(Line(record.target.name, _whole(target), oracle=True))
    return Measured(lines, *_by_class(source, target))


def area(value: float | None) -> str:
    """An area under a curve as text.

    >>> area(0.98765), area(None)
    ('0.988', '–')
    """
    return NOTHING if value is None else f"{value:.3f}"


def _whole(metrics: LabelledMetrics) -> list[str]:
    error = f"{metrics.calibration.expected_calibration_error:.3f}"
    return [f"{metrics.n:,}", percent(metrics.accuracy), area(metrics.auroc), error]


def _by_class(
    source: LabelledMetrics | None, target: LabelledMetrics | None
) -> tuple[list[Line], list[str]]:
    given = [
        (side, metrics)
        for side, metrics in (("source", source), ("target", target))
        if metrics is not None
    ]
    if not given:
        return [], []
    columns = [
        column
        for _, metrics in given
        for column in (
            [f"{count:,}" for count in metrics.class_counts],
            [percent(share) for share in metrics.class_accuracy],
            [area(value) for value in metrics.class_auroc],
        )
    ]
    names = max((metrics.class_names for _, metrics in given), key=len)
    rows = zip_longest(names, *columns, fillvalue=NOTHING)
    return [Line(name, list(cells)) for name, *cells in rows], [side for side, _ in given]
