"""What the results of a row add up to over splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel

from acclimate.experiments.reid.pairs import PAIRS
from acclimate.experiments.reid.recipes import BASE, ROWS
from acclimate.experiments.reid.results import ReidResult
from acclimate.experiments.spread import Spread, spread_of
from acclimate.report.ranks import MEASURES

GAINS = ("rank1", "mean_average_precision", "area")


class Line(BaseModel):
    """One row of one pair over its splits; shares in [0, 1] by measure, see ``RetrievalMetrics``.

    ``oracle_gains``: of what is gained on source-only, split by split; ``oracle_won``: on how many of
    the splits that both have the area under the curve is larger.
    """

    pair: str
    row: str
    algorithm: str
    uses_target_labels: bool
    splits: list[int]
    oracle_target: dict[str, Spread | None]
    oracle_last: dict[str, Spread | None]
    source: dict[str, Spread | None]
    oracle_gains: dict[str, Spread | None]
    oracle_won: int
    oracle_curves: list[list[float]]
    seconds: Spread | None

    @property
    def compared(self) -> int:
        """Splits on which there is a source-only row too."""
        gain = self.oracle_gains["area"]
        return 0 if gain is None else gain.n


def lines_of(results: Sequence[ReidResult]) -> list[Line]:
    """One for each row that has results, in the table's order."""
    found = {(result.pair, result.row, result.split): result for result in results}
    splits = sorted({result.split for result in results})
    lines = []
    for pair in PAIRS:
        bases = {split: found.get((pair, BASE, split)) for split in splits}
        for row in ROWS:
            own = [found[pair, row, split] for split in splits if (pair, row, split) in found]
            if own:
                lines.append(_line(own, [bases[result.split] for result in own]))
    return lines


def _line(own: Sequence[ReidResult], bases: Sequence[ReidResult | None]) -> Line:
    first = own[0]
    against = [
        (result, base)
        for result, base in zip(own, bases, strict=True)
        if base is not None and result.row != BASE
    ]

    def over(measure: Callable[[ReidResult], float]) -> Spread | None:
        return spread_of([measure(result) for result in own])

    gains = {
        name: [getattr(r.oracle_target, name) - getattr(b.oracle_target, name) for r, b in against]
        for name in GAINS
    }
    return Line(
        pair=first.pair,
        row=first.row,
        algorithm=first.algorithm,
        uses_target_labels=first.uses_target_labels,
        splits=[result.split for result in own],
        oracle_target={
            name: spread_of([getattr(result.oracle_target, name) for result in own])
            for name in MEASURES
        },
        oracle_last={
            "rank1": over(lambda result: result.oracle_last_rank1),
            "mean_average_precision": over(lambda r: r.oracle_last_mean_average_precision),
        },
        source={
            "rank1": over(lambda result: result.source.rank1),
            "mean_average_precision": over(lambda result: result.source.mean_average_precision),
        },
        oracle_gains={name: spread_of(values) for name, values in gains.items()},
        oracle_won=sum(gain > 0 for gain in gains["area"]),
        oracle_curves=[result.oracle_target.cmc for result in own],
        seconds=over(lambda result: result.seconds),
    )
