"""Results over seeds: a line for each row, of seeds that were trained alike on the same data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from acclimate.experiments.results import RowResult
from acclimate.experiments.spread import Spread, spread_of
from acclimate.experiments.tables import Pair, Row, Table
from acclimate.training.run_folder import PLACES, WATCHED_ONLY, with_defaults

#: settings in which the seeds of a line may differ; the precision is compared as it was, not as asked for
_FREE = {*PLACES, *WATCHED_ONLY, "seed", "start_from", "device", "precision"}

#: both ends of the gap, by family
_ENDS = {
    "paper": ("source-only", "train-on-target"),
    "best": ("best-source-only", "best-train-on-target"),
}


class Line(BaseModel):
    """One row of one pair over its seeds, beside the published numbers.

    Seeds on other data, or trained otherwise, make lines of their own: ``data`` and ``variant``
    then say which, and are ``None`` where there is one kind only.
    """

    pair: str
    row: str
    data: str | None
    variant: str | None
    seeds: list[int]
    estimate: Spread | None
    verdicts: list[str]
    oracle_target_accuracy: Spread | None
    oracle_last_accuracy: Spread | None
    oracle_best_accuracy: Spread | None
    oracle_gap_closed: float | None
    seconds: Spread | None
    published: list[dict[str, Any]]


Variants = Mapping[str, list[list[RowResult]]]
"""The results of every row, those that were trained alike together."""


def summarise(table: Table, results: Sequence[RowResult]) -> list[Line]:
    """A line for each row of each pair and kind of data, also for rows without a result yet."""
    lines: list[Line] = []
    for pair in table.pairs:
        groups = by_data([result for result in results if result.pair == pair.name])
        for data, own in groups or [("", [])]:
            rows = {
                row.name: _grouped([r for r in own if r.row == row.name], _how)
                for row in table.rows
            }
            for row in table.rows:
                # what is published stands there without a result of ours
                made = rows[row.name] or ([[]] if row.name in pair.published else [])
                named = data if len(groups) > 1 else None
                lines += [_line(pair, row, rows, named, seeds) for seeds in made]
    return lines


def by_data(results: Sequence[RowResult]) -> list[tuple[str, list[RowResult]]]:
    """Results on the same data together, most first, under what these data were."""
    return [(_data(each[0]), each) for each in _grouped(results, _data)]


def _data(result: RowResult) -> str:
    count = result.items.get("target evaluate", result.items.get("target all"))
    measured = "" if count is None else f", {count:,} test items"
    return f"{result.source} → {result.target}{measured}"


def _how(result: RowResult) -> str:
    return json.dumps(_settings(result), sort_keys=True)


def _settings(result: RowResult) -> dict[str, Any]:
    """What decides how a row was trained."""
    kept = {k: v for k, v in with_defaults(result.settings).items() if k not in _FREE}
    return {**kept, "precision": result.precision}


def _grouped(
    results: Sequence[RowResult], key: Callable[[RowResult], str]
) -> list[list[RowResult]]:
    groups: dict[str, list[RowResult]] = {}
    for result in sorted(results, key=lambda each: each.seed):
        groups.setdefault(key(result), []).append(result)
    return [groups[name] for name in sorted(groups, key=lambda name: (-len(groups[name]), name))]


def _line(pair: Pair, row: Row, rows: Variants, data: str | None, results: list[RowResult]) -> Line:
    family_floor, ceiling = _ENDS[row.family]
    floor = row.reference or family_floor
    ends = [_alike(rows.get(name, []), results) for name in (floor, ceiling)]
    return Line(
        pair=pair.name,
        row=row.name,
        data=data,
        variant=_variant(rows[row.name], results),
        seeds=[result.seed for result in results],
        estimate=spread_of([result.estimate for result in results]),
        verdicts=[result.verdict for result in results if result.verdict],
        oracle_target_accuracy=_accuracy(results),
        oracle_last_accuracy=spread_of([result.oracle_last_accuracy for result in results]),
        oracle_best_accuracy=spread_of([result.oracle_best_accuracy for result in results]),
        oracle_gap_closed=_gap(*map(_accuracy, _of_common_seeds(results, *ends))),
        seconds=spread_of([result.seconds for result in results]),
        published=[
            {"system": p.system, "accuracy": p.accuracy, "note": p.note}
            for p in pair.published.get(row.name, ())
        ],
    )


def _variant(variants: list[list[RowResult]], own: list[RowResult]) -> str | None:
    """What tells these seeds from the row's others: ``precision bf16, steps 2000``."""
    if len(variants) < 2:
        return None
    others = [_settings(each[0]) for each in variants]
    mine = _settings(own[0])
    differ = [key for key in mine if any(each.get(key) != mine[key] for each in others)]
    return ", ".join(f"{key.replace('_', ' ')} {mine[key]}" for key in sorted(differ))


def _alike(variants: list[list[RowResult]], results: list[RowResult]) -> list[RowResult]:
    """Of a row's variants the one to compare with: the only one, or the only one of this precision."""
    if len(variants) > 1 and results:
        variants = [each for each in variants if each[0].precision == results[0].precision]
    return variants[0] if len(variants) == 1 else []


def _of_common_seeds(*rows: list[RowResult]) -> list[list[RowResult]]:
    """The results of the seeds that all of the rows have."""
    common = set.intersection(*({each.seed for each in row} for row in rows))
    return [[each for each in row if each.seed in common] for row in rows]


def _accuracy(results: Sequence[RowResult]) -> Spread | None:
    return spread_of([result.oracle_target_accuracy for result in results])


def _gap(accuracy: Spread | None, floor: Spread | None, ceiling: Spread | None) -> float | None:
    if accuracy is None or floor is None or ceiling is None or ceiling.mean <= floor.mean:
        return None
    return (accuracy.mean - floor.mean) / (ceiling.mean - floor.mean)
