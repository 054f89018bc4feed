"""Runs that differ in nothing but the seed, in one row: mean ± sample standard deviation."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from acclimate.core.records import Outcome, RunRecord
from acclimate.report.ranks import MEASURES, Ranks, rank_columns
from acclimate.report.table import (
    NOTHING,
    Row,
    algorithm_label,
    comparison_rows,
    duration,
    estimate_text,
    is_source_only,
    percent,
    rank_text,
    seed_of,
    task_label,
)

_OUTCOMES: tuple[str, ...] = get_args(Outcome)
# these belong to the algorithm that has them, not to the conditions it shares with the others
_OF_THE_ALGORITHM = ("algorithm", "algorithm_options")


@dataclass(frozen=True)
class Spread:
    """``mean`` of the ``n`` runs that have a value; ``sd`` divides by n − 1, ``None`` for one run."""

    mean: float
    sd: float | None
    n: int


@dataclass(frozen=True)
class SummaryRow:
    """The finished runs of one algorithm, task and settings over ``n`` seeds.

    Where none is finished, all count. ``settings``: what sets the row apart from others of its
    algorithm and task. ``oracle_gap_closed`` is computed from the rows' mean accuracies.
    ``verdicts``: how many runs have which.
    """

    algorithm: str
    task: str
    settings: dict[str, Any]
    seeds: tuple[int | None, ...]
    n: int
    source_accuracy: Spread | None
    estimate: Spread | None
    verdicts: dict[str, int]
    oracle_target_accuracy: Spread | None
    oracle_gap_closed: float | None
    seconds: Spread
    warnings: tuple[str, ...]
    runs: tuple[Row, ...] = dataclasses.field(repr=False)
    objective: str = "classification"
    source_retrieval: Ranks[Spread] | None = None
    oracle_target_retrieval: Ranks[Spread] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row as plain values, for JSON; its single runs are not repeated."""
        values = dataclasses.asdict(dataclasses.replace(self, runs=()))
        del values["runs"]
        return {**values, "seeds": list(self.seeds), "warnings": list(self.warnings)}


def once_per_seed(records: Sequence[RunRecord], given: Sequence[bool]) -> list[int]:
    """Indices of the records to show: a baseline (not ``given``) only where no other run is its equal.

    Several runs of a seed each bring the same source-only run along; it counts once.
    """
    taken = {_run_key(record) for record, own in zip(records, given, strict=True) if own}
    kept = []
    for index, (record, own) in enumerate(zip(records, given, strict=True)):
        key = _run_key(record)
        if own or key not in taken:
            kept.append(index)
            taken.add(key)
    return kept


def summary_rows(records: Sequence[RunRecord]) -> list[SummaryRow]:
    """One row for each algorithm, task and settings, in order of first appearance."""
    groups: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        groups.setdefault(_group_key(record), []).append(index)
    singles = comparison_rows(records)
    members = [_ordered(indices, singles) for indices in groups.values()]
    apart = _what_sets_apart([records[indices[0]] for indices in members])
    rows = [
        _row([singles[index] for index in indices], settings)
        for indices, settings in zip(members, apart, strict=True)
    ]
    firsts = [records[indices[0]] for indices in members]
    return [
        dataclasses.replace(row, oracle_gap_closed=_gap_of_means(place, rows, firsts))
        for place, row in enumerate(rows)
    ]


def has_several_seeds(rows: Sequence[SummaryRow]) -> bool:
    """Whether any row stands for more than one run."""
    return any(len(row.runs) > 1 for row in rows)


def summary_table(rows: Sequence[SummaryRow]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells as text; columns without a use are left out, as in ``text_table``."""
    columns = _columns(rows)
    if len({row.task for row in rows}) < 2:
        del columns["task"]
    if not any(row.settings for row in rows):
        del columns["settings"]
    if all(row.oracle_target_accuracy is None for row in rows):
        columns.pop("target accuracy (oracle)", None)
    if all(row.oracle_gap_closed is None for row in rows):
        del columns["gap closed (oracle)"]
    if all(not row.warnings for row in rows):
        del columns["warnings"]
    return list(columns), [[show(row) for show in columns.values()] for row in rows]


def spread(values: Iterable[float | None]) -> Spread | None:
    """Mean and sample standard deviation of the values that are known.

    >>> spread([0.25, 0.75, None, 0.5])
    Spread(mean=0.5, sd=0.25, n=3)
    >>> spread([0.5])
    Spread(mean=0.5, sd=None, n=1)
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    sd = statistics.stdev(known) if len(known) > 1 else None
    return Spread(statistics.fmean(known), sd, len(known))


def _group_key(record: RunRecord) -> str:
    return json.dumps(
        [
            task_label(record),
            algorithm_label(record),
            record.objective,
            _without_seed(record.settings),
        ],
        sort_keys=True,
        default=str,
    )


def _run_key(record: RunRecord) -> tuple[str, int | None]:
    return _group_key(record), seed_of(record)


def _without_seed(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_seed(value) if isinstance(value, dict) else value
        for key, value in settings.items()
        if key != "seed"
    }


def _ordered(indices: list[int], rows: Sequence[Row]) -> list[int]:
    return sorted(indices, key=lambda index: (rows[index].seed is None, rows[index].seed or 0))


def _row(runs: list[Row], settings: dict[str, Any]) -> SummaryRow:
    finished = [run for run in runs if run.status == "finished"] or runs
    seconds = spread(run.seconds for run in finished)
    assert seconds is not None
    return SummaryRow(
        algorithm=runs[0].algorithm,
        task=runs[0].task,
        settings=settings,
        seeds=tuple(run.seed for run in finished),
        n=len(finished),
        source_accuracy=spread(run.source_accuracy for run in finished),
        estimate=spread(run.estimate for run in finished),
        verdicts=_verdicts(runs),
        oracle_target_accuracy=spread(run.oracle_target_accuracy for run in finished),
        oracle_gap_closed=None,
        seconds=seconds,
        warnings=tuple(dict.fromkeys(kind for run in runs for kind in run.warnings)),
        runs=tuple(runs),
        objective=runs[0].objective,
        source_retrieval=_spreads([run.source_retrieval for run in finished]),
        oracle_target_retrieval=_spreads([run.oracle_target_retrieval for run in finished]),
    )


def _spreads(ranks: Sequence[Ranks[float] | None]) -> Ranks[Spread] | None:
    known = [one for one in ranks if one is not None]
    if not known:
        return None
    return Ranks(**{measure: spread(one.of(measure) for one in known) for measure in MEASURES})


def _verdicts(runs: Sequence[Row]) -> dict[str, int]:
    """Counts, the outcomes first and in their usual order."""
    counts = Counter(run.verdict for run in runs if run.verdict is not None)
    names = [*_OUTCOMES, *(name for name in counts if name not in _OUTCOMES)]
    return {name: counts[name] for name in names if counts[name]}


def _what_sets_apart(records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """For each record the settings in which others of its algorithm and task differ from it."""
    flat = [_flat(_without_seed(record.settings)) for record in records]
    rivals: dict[tuple[str, str, str], list[int]] = {}
    for index, record in enumerate(records):
        kind = (task_label(record), algorithm_label(record), record.objective)
        rivals.setdefault(kind, []).append(index)
    apart: list[dict[str, Any]] = [{} for _ in records]
    for indices in rivals.values():
        keys = dict.fromkeys(key for index in indices for key in flat[index])
        for key in keys:
            texts = {json.dumps(flat[index].get(key), default=str) for index in indices}
            if len(texts) > 1:
                for index in indices:
                    apart[index][key] = flat[index].get(key)
    return apart


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _gap_of_means(
    place: int, rows: Sequence[SummaryRow], firsts: Sequence[RunRecord]
) -> float | None:
    own = rows[place].oracle_target_accuracy
    floor = _reference(place, rows, firsts, is_source_only)
    ceiling = _reference(place, rows, firsts, lambda record: record.uses_target_labels)
    if own is None or floor is None or ceiling is None or ceiling <= floor:
        return None
    return (own.mean - floor) / (ceiling - floor)


def _reference(
    place: int,
    rows: Sequence[SummaryRow],
    firsts: Sequence[RunRecord],
    chosen: Callable[[RunRecord], bool],
) -> float | None:
    """Mean oracle accuracy of the chosen row on the same task.

    Of several, those under the same conditions count, else all of them.
    """
    known: list[tuple[bool, float]] = []
    for row, record in zip(rows, firsts, strict=True):
        same = (row.task, row.objective) == (rows[place].task, rows[place].objective)
        if chosen(record) and same and row.oracle_target_accuracy:
            alike = _conditions(record) == _conditions(firsts[place])
            known.append((alike, row.oracle_target_accuracy.mean))
    values = [mean for alike, mean in known if alike] or [mean for _, mean in known]
    return statistics.fmean(values) if values else None


def _conditions(record: RunRecord) -> dict[str, Any]:
    settings = _without_seed(record.settings)
    return {key: value for key, value in settings.items() if key not in _OF_THE_ALGORITHM}


def _percents(values: Spread | None) -> str:
    if values is None or values.sd is None:
        return percent(values.mean if values else None)
    return f"{percent(values.mean)} ± {100 * values.sd:.1f}"


def _rank_texts(measure: str, values: Spread | None) -> str:
    if measure != "area" or values is None or values.sd is None:
        return (
            rank_text(measure, values.mean) if values and measure == "area" else _percents(values)
        )
    return f"{values.mean:.3f} ± {values.sd:.3f}"


def _estimates(row: SummaryRow) -> str:
    return estimate_text(row.runs[0]) if len(row.runs) == 1 else _percents(row.estimate)


def _durations(values: Spread) -> str:
    text = duration(values.mean)
    return text if values.sd is None else f"{text} ± {duration(values.sd)}"


def _counted(row: SummaryRow) -> str:
    if not row.verdicts:
        return NOTHING
    if len(row.runs) == 1 or (not set(row.verdicts) & {*_OUTCOMES} and len(row.verdicts) == 1):
        return next(iter(row.verdicts))
    return ", ".join(f"{name} {count}" for name, count in row.verdicts.items())


def _settings(row: SummaryRow) -> str:
    return ", ".join(f"{key}={value}" for key, value in row.settings.items()) or NOTHING


def _columns(rows: Sequence[SummaryRow]) -> dict[str, Callable[[SummaryRow], str]]:
    kinds = {row.objective for row in rows}
    columns = dict(_FIRST)
    if kinds != {"retrieval"}:
        columns |= _ACCURACIES
    if "retrieval" in kinds:
        of_retrieval = [row for row in rows if row.objective == "retrieval"]
        columns |= rank_columns(of_retrieval, _rank_texts)
    return columns | _LAST


_FIRST: dict[str, Callable[[SummaryRow], str]] = {
    "algorithm": lambda row: row.algorithm,
    "task": lambda row: row.task,
    "settings": _settings,
    "n": lambda row: str(row.n),
}
_ACCURACIES: dict[str, Callable[[SummaryRow], str]] = {
    "source accuracy": lambda row: _percents(row.source_accuracy),
    "label-free estimate": _estimates,
    "verdict": _counted,
    "target accuracy (oracle)": lambda row: _percents(row.oracle_target_accuracy),
}
_LAST: dict[str, Callable[[SummaryRow], str]] = {
    "verdict": _counted,
    "gap closed (oracle)": lambda row: percent(row.oracle_gap_closed, 0),
    "time": lambda row: _durations(row.seconds),
    "warnings": lambda row: ", ".join(row.warnings) or NOTHING,
}
