"""What tables of retrieval runs hold: ranks, mean average precision, area under the CMC curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from acclimate.core.records import RetrievalMetrics

Value = TypeVar("Value")

#: the fields of ``Ranks``, in order, and what a heading calls them
MEASURES = {
    "rank1": "rank 1",
    "rank5": "rank 5",
    "rank10": "rank 10",
    "rank20": "rank 20",
    "mean_average_precision": "mAP",
    "area": "area",
}
_OF_THE_SOURCE = ("rank1", "mean_average_precision")  # where the target's are known as well


@dataclass(frozen=True)
class Ranks(Generic[Value]):
    """Shares in [0, 1], see ``RetrievalMetrics``; ``None`` is "not known"."""

    rank1: Value | None = None
    rank5: Value | None = None
    rank10: Value | None = None
    rank20: Value | None = None
    mean_average_precision: Value | None = None
    area: Value | None = None

    def of(self, measure: str) -> Value | None:
        """The field called ``measure``, which is one of ``MEASURES``."""
        value: Value | None = getattr(self, measure)
        return value


class Ranked(Protocol):
    """A row, of one run or of several."""

    @property
    def source_retrieval(self) -> Ranks[Any] | None: ...
    @property
    def oracle_target_retrieval(self) -> Ranks[Any] | None: ...


def whole(metrics: RetrievalMetrics) -> Ranks[float]:
    """All of the measures."""
    return Ranks(**{measure: getattr(metrics, measure) for measure in MEASURES})


def at_one_evaluation(rank1: float | None, precision: float | None) -> Ranks[float] | None:
    """The measures that an evaluation has; ``None`` where it has neither."""
    if rank1 is None and precision is None:
        return None
    return Ranks(rank1=rank1, mean_average_precision=precision)


def rank_columns(
    rows: Sequence[Ranked], text: Callable[[str, Any], str]
) -> dict[str, Callable[[Any], str]]:
    """Columns by heading: the source's measures, then the target's where a row has any.

    Beside the target's only two of the source's are shown. ``text`` gets a measure's field and
    its value, which may be ``None``.
    """
    oracle = any(row.oracle_target_retrieval is not None for row in rows)

    def show(side: str, measure: str, row: Ranked) -> str:
        ranks: Ranks[Any] | None = getattr(row, side)
        return text(measure, None if ranks is None else ranks.of(measure))

    columns: dict[str, Callable[[Any], str]] = {
        f"source {MEASURES[measure]}": partial(show, "source_retrieval", measure)
        for measure in (_OF_THE_SOURCE if oracle else MEASURES)
    }
    if oracle:
        columns |= {
            f"{heading} (oracle)": partial(show, "oracle_target_retrieval", measure)
            for measure, heading in MEASURES.items()
        }
    return columns
