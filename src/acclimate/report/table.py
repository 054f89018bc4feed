"""Records side by side: the rows that the terminal and the HTML page both show."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from acclimate.core.records import Evaluation, RunRecord
from acclimate.report.ranks import Ranks, at_one_evaluation, rank_columns, whole

NOTHING = "–"
ORACLE = "oracle"
AnyRow = TypeVar("AnyRow", bound="_OfAnObjective")


class _OfAnObjective(Protocol):
    @property
    def objective(self) -> str: ...


@dataclass(frozen=True)
class Row:
    """One run's line. Accuracies and shares are in [0, 1]; ``None`` is "not known".

    ``oracle_gap_closed`` is (this − source-only) / (train-on-target − source-only) in target
    accuracy; it needs both of those runs on the same task among the records. Of retrieval,
    accuracy is rank 1; all ranks are in ``source_retrieval`` and ``oracle_target_retrieval``.
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
    objective: str = "classification"
    source_retrieval: Ranks[float] | None = None
    oracle_target_retrieval: Ranks[float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row as plain values, for JSON."""
        return {**dataclasses.asdict(self), "warnings": list(self.warnings)}


def comparison_rows(records: Sequence[RunRecord]) -> list[Row]:
    """One row per record, in order."""
    return [_row(record, gap_closed(record, records)) for record in records]


def text_table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells as text.

    Task and seed appear only where the rows differ in them, oracle columns only where one row
    has a value. Columns of classification and of retrieval appear where a row is of that kind;
    ``by_objective`` sets them apart.
    """
    columns = _columns(rows)
    if len({row.task for row in rows}) < 2:
        del columns["task"]
    if len({row.seed for row in rows}) < 2:
        del columns["seed"]
    if all(row.oracle_target_accuracy is None for row in rows):
        columns.pop("target accuracy (oracle)", None)
    if all(row.oracle_gap_closed is None for row in rows):
        del columns["gap closed (oracle)"]
    return list(columns), [[show(row) for show in columns.values()] for row in rows]


def by_objective(rows: Sequence[AnyRow]) -> list[list[AnyRow]]:
    """The rows of classification and those of retrieval, as far as there are any."""
    kinds = ("classification", "retrieval")
    parts = [[row for row in rows if row.objective == kind] for kind in kinds]
    return [part for part in parts if part]


def _columns(rows: Sequence[Row]) -> dict[str, Callable[[Row], str]]:
    kinds = {row.objective for row in rows}
    columns = dict(_FIRST)
    if kinds != {"retrieval"}:
        columns |= _ACCURACIES
    if "retrieval" in kinds:
        columns |= rank_columns([row for row in rows if row.objective == "retrieval"], rank_text)
    return columns | _LAST


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


def source_only_record(record: RunRecord, records: Sequence[RunRecord]) -> RunRecord | None:
    """The source-only run of the same task and seed, with as many labelled target items."""
    for other in records:
        if other is not record and is_source_only(other) and _same_task(other, record):
            alike = other.labelled_target_items == record.labelled_target_items
            if alike and seed_of(other) == seed_of(record):
                return other
    return None


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
    """On source validation items, at the chosen checkpoint, else at the latest one.

    Of retrieval: rank 1.
    """
    if record.source_metrics is not None:
        return record.source_metrics.accuracy
    if record.source_retrieval is not None:
        return record.source_retrieval.rank1
    evaluation = shown_evaluation(record)
    return None if evaluation is None else evaluation.source_accuracy


def oracle_target_accuracy(record: RunRecord) -> float | None:
    """On the target's evaluate split, at the chosen checkpoint, else at the latest one.

    Of retrieval: rank 1.
    """
    if record.oracle_target_metrics is not None:
        return record.oracle_target_metrics.accuracy
    if record.oracle_target_retrieval is not None:
        return record.oracle_target_retrieval.rank1
    evaluation = shown_evaluation(record)
    return None if evaluation is None else evaluation.oracle_target_accuracy


def source_ranks(record: RunRecord) -> Ranks[float] | None:
    """On held-out source identities, at the chosen checkpoint, else at the latest one."""
    if record.objective != "retrieval":
        return None
    if record.source_retrieval is not None:
        return whole(record.source_retrieval)
    e = shown_evaluation(record)
    if e is None:
        return None
    return at_one_evaluation(e.source_accuracy, e.source_mean_average_precision)


def oracle_target_ranks(record: RunRecord) -> Ranks[float] | None:
    """On the target's evaluate split, at the chosen checkpoint, else at the latest one."""
    if record.objective != "retrieval":
        return None
    if record.oracle_target_retrieval is not None:
        return whole(record.oracle_target_retrieval)
    e = shown_evaluation(record)
    if e is None:
        return None
    return at_one_evaluation(e.oracle_target_accuracy, e.oracle_target_mean_average_precision)


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
        if _same_task(other, record) and (accuracy := oracle_target_accuracy(other)) is not None
    ]
    same_seed = [accuracy for same, accuracy in known if same]
    values = same_seed or [accuracy for _, accuracy in known]
    return sum(values) / len(values) if values else None


def _same_task(one: RunRecord, other: RunRecord) -> bool:
    return (task_label(one), one.objective) == (task_label(other), other.objective)


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
        objective=record.objective,
        source_retrieval=source_ranks(record),
        oracle_target_retrieval=oracle_target_ranks(record),
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


def rank_text(measure: str, value: float | None) -> str:
    """A measure of ``Ranks`` as text.

    >>> rank_text("rank5", 0.9876), rank_text("area", 0.9876), rank_text("area", None)
    ('98.8%', '0.988', '–')
    """
    if measure == "area" and value is not None:
        return f"{value:.3f}"
    return percent(value)


_FIRST: dict[str, Callable[[Row], str]] = {
    "algorithm": lambda row: row.algorithm,
    "task": lambda row: row.task,
    "seed": lambda row: NOTHING if row.seed is None else str(row.seed),
}
_ACCURACIES: dict[str, Callable[[Row], str]] = {
    "source accuracy": lambda row: percent(row.source_accuracy),
    "label-free estimate": estimate_text,
    "verdict": lambda row: row.verdict or NOTHING,
    "target accuracy (oracle)": lambda row: percent(row.oracle_target_accuracy),
}
_LAST: dict[str, Callable[[Row], str]] = {
    "verdict": lambda row: row.verdict or NOTHING,
    "gap closed (oracle)": lambda row: percent(row.oracle_gap_closed, 0),
    "time": lambda row: duration(row.seconds),
    "chosen step": lambda row: NOTHING if row.chosen_step is None else f"{row.chosen_step:,}",
    "warnings": lambda row: ", ".join(row.warnings) or NOTHING,
}
