"""Records side by side: the rows that the terminal and the HTML page both show."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from acclimate.core.records import Evaluation, RunRecord

NOTHING = "–"
ORACLE = "oracle"


@dataclass(frozen=True)
class Row:
    """One run's line. Accuracies and shares are in [0, 1]; ``None`` is "not known".

    ``oracle_gap_closed`` is (this − source-only) / (train-on-target − source-only) in target
    accuracy; it needs both of those runs on the same task among the records.
    """

    algorithm: str
    task: str
    seed: int | None
    status: str
    source_accuracy: float | None
    estimate: float | None
    estimate_low: float | None
    estimate_high: float | None
    verdict: str | None
    oracle_target_accuracy: float | None
    oracle_gap_closed: float | None
    seconds: float
    chosen_step: int | None
    warnings: tuple[str, ...]
    source_auroc: float | None = None
    oracle_target_auroc: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row as plain values, for JSON."""
        return {**dataclasses.asdict(self), "warnings": list(self.warnings)}


def comparison_rows(records: Sequence[RunRecord]) -> list[Row]:
    """One row per record, in order."""
    return [_row(record, gap_closed(record, records)) for record in records]


def text_table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells as text.

    Task and seed appear only where the rows differ in them, oracle columns only where one row
    has a value.
    """
    columns = dict(_COLUMNS)
    if len({row.task for row in rows}) < 2:
        del columns["task"]
    if len({row.seed for row in rows}) < 2:
        del columns["seed"]
    if all(row.oracle_target_accuracy is None for row in rows):
        del columns["target accuracy (oracle)"]
    if all(row.oracle_gap_closed is None for row in rows):
        del columns["gap closed (oracle)"]
    return list(columns), [[show(row) for show in columns.values()] for row in rows]


def gap_closed(record: RunRecord, records: Sequence[RunRecord]) -> float | None:
    """Share of the gap between source-only and train-on-target that ``record`` closes (oracle)."""
    own = oracle_target_accuracy(record)
    floor = oracle_source_only_accuracy(record, records)
    ceiling = _reference_accuracy(record, [other for other in records if other.uses_target_labels])
    if own is None or floor is None or ceiling is None or ceiling <= floor:
        return None
    return (own - floor) / (ceiling - floor)


def oracle_source_only_accuracy(record: RunRecord, records: Sequence[RunRecord]) -> float | None:
    """Oracle target accuracy of source-only on the same task, of the same seed if there is one.

    It has to have had as many labelled target items as ``record``.
    """
    given = record.labelled_target_items
    same = [r for r in records if is_source_only(r) and r.labelled_target_items == given]
    return _reference_accuracy(record, same)


def is_source_only(record: RunRecord) -> bool:
    return record.algorithm.replace("-", "_") == "source_only"


def algorithm_label(record: RunRecord) -> str:
    """The algorithm's name, never without the target labels that it trained on.

    All of them: "oracle"; a few that were given: how many.
    """
    marked = record.uses_target_labels and ORACLE not in record.algorithm
    label = f"{record.algorithm} ({ORACLE})" if marked else record.algorithm
    few = record.labelled_target_items
    return f"{label} + {few:,} target label{'s' if few > 1 else ''}" if few else label


def task_label(record: RunRecord) -> str:
    return f"{record.source.name} → {record.target.name}"


def source_accuracy(record: RunRecord) -> float | None:
    """On source validation items, at the chosen checkpoint, else at the latest one."""
    if record.source_metrics is not None:
        return record.source_metrics.accuracy
    evaluation = shown_evaluation(record)
    return None if evaluation is None else evaluation.source_accuracy


def oracle_target_accuracy(record: RunRecord) -> float | None:
    """On the target's evaluate split, at the chosen checkpoint, else at the latest one."""
    if record.oracle_target_metrics is not None:
        return record.oracle_target_metrics.accuracy
    evaluation = shown_evaluation(record)
    return None if evaluation is None else evaluation.oracle_target_accuracy


def shown_evaluation(record: RunRecord) -> Evaluation | None:
    """The evaluation of the chosen checkpoint, else the latest one, else ``None``."""
    if record.chosen is not None:
        for evaluation in record.evaluations:
            if evaluation.step == record.chosen.step:
                return evaluation
    return record.evaluations[-1] if record.evaluations else None


def seed_of(record: RunRecord) -> int | None:
    """The run's seed, wherever the settings keep it."""
    places = [record.settings, *(v for v in record.settings.values() if isinstance(v, dict))]
    for place in places:
        if isinstance(place.get("seed"), int):
            return int(place["seed"])
    return None


def percent(value: float | None, digits: int = 1) -> str:
    """A share as text.

    >>> percent(0.7134), percent(-0.5, 0), percent(None)
    ('71.3%', '−50%', '–')
    """
    return NOTHING if value is None else f"{100 * value:.{digits}f}%".replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds as text.

    >>> duration(7.25), duration(41.6), duration(192), duration(7300)
    ('7.2 s', '42 s', '3 min 12 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _reference_accuracy(record: RunRecord, references: list[RunRecord]) -> float | None:
    """Mean over the references on the same task, of the same seed where there are any."""
    known = [
        (seed_of(other) == seed_of(record), accuracy)
        for other in references
        if task_label(other) == task_label(record)
        and (accuracy := oracle_target_accuracy(other)) is not None
    ]
    same_seed = [accuracy for same, accuracy in known if same]
    values = same_seed or [accuracy for _, accuracy in known]
    return sum(values) / len(values) if values else None


def _row(record: RunRecord, gap: float | None) -> Row:
    estimate = record.estimate
    return Row(
        algorithm=algorithm_label(record),
        task=task_label(record),
        seed=seed_of(record),
        status=record.status,
        source_accuracy=source_accuracy(record),
        estimate=estimate.value if estimate else None,
        estimate_low=estimate.low if estimate else None,
        estimate_high=estimate.high if estimate else None,
        verdict=record.verdict.outcome if record.verdict else _without_verdict(record),
        oracle_target_accuracy=oracle_target_accuracy(record),
        oracle_gap_closed=gap,
        seconds=record.training_seconds,
        chosen_step=record.chosen.step if record.chosen else None,
        warnings=tuple(dict.fromkeys(warned.kind for warned in record.warnings)),
        source_auroc=record.source_metrics.auroc if record.source_metrics else None,
        oracle_target_auroc=(
            record.oracle_target_metrics.auroc if record.oracle_target_metrics else None
        ),
    )


def _without_verdict(record: RunRecord) -> str | None:
    if record.status != "finished":
        return record.status
    if record.uses_target_labels:
        return "uses target labels"
    return "reference" if is_source_only(record) else None


def estimate_text(row: Row) -> str:
    """The estimate with its interval."""
    if row.estimate is None:
        return NOTHING
    low, high = percent(row.estimate_low)[:-1], percent(row.estimate_high)[:-1]
    return f"{percent(row.estimate)} ({low}–{high})"


_COLUMNS: dict[str, Callable[[Row], str]] = {
    "algorithm": lambda row: row.algorithm,
    "task": lambda row: row.task,
    "seed": lambda row: NOTHING if row.seed is None else str(row.seed),
    "source accuracy": lambda row: percent(row.source_accuracy),
    "label-free estimate": estimate_text,
    "verdict": lambda row: row.verdict or NOTHING,
    "target accuracy (oracle)": lambda row: percent(row.oracle_target_accuracy),
    "gap closed (oracle)": lambda row: percent(row.oracle_gap_closed, 0),
    "time": lambda row: duration(row.seconds),
    "chosen step": lambda row: NOTHING if row.chosen_step is None else f"{row.chosen_step:,}",
    "warnings": lambda row: ", ".join(row.warnings) or NOTHING,
}
