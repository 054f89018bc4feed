"""Retrieval in numbers and curves: CMC, ranks and mean average precision, by domain."""

from __future__ import annotations

import math
from dataclasses import dataclass

from acclimate.core.records import RetrievalMetrics, RunRecord
from acclimate.report import chart
from acclimate.report.chart import Chart, LegendEntry
from acclimate.report.measured import Line
from acclimate.report.ranks import MEASURES
from acclimate.report.table import rank_text

_FEW, _MANY = 20, 100  # ranks in the linear chart, and in the logarithmic one
_TICKS = (1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Searched:
    """One search of probes in a gallery: a line of the charts and a column of the table."""

    name: str
    metrics: RetrievalMetrics
    colour: str
    dash: str
    symbol: str
    oracle: bool = True


@dataclass(frozen=True)
class Found:
    """``lines``: a measure each, with a cell for each search; ``notes``: what they leave out."""

    charts: list[Chart]
    searched: list[str]
    lines: list[Line]
    notes: list[str]


def found(record: RunRecord, reference: RunRecord | None) -> Found:
    """What ``record`` holds of the chosen checkpoint; empty where it holds nothing.

    ``reference``: the source-only run of the same task, where it is known.
    """
    searches = _searches(record, reference)
    charts = [_few_ranks(searches), _many_ranks(searches)]
    return Found(
        [one for one in charts if one is not None],
        [_named(one) for one in searches],
        _lines([one.metrics for one in searches]),
        [_without_match(one) for one in searches if one.metrics.without_match],
    )


def _searches(record: RunRecord, reference: RunRecord | None) -> list[Searched]:
    source, target = record.source_retrieval, record.oracle_target_retrieval
    before = reference.oracle_target_retrieval if reference else None
    searches = []
    if source is not None:
        name = f"{record.source.name}, held-out identities"
        searches.append(Searched(name, source, chart.SOURCE, "solid", "circle", oracle=False))
    if target is not None:
        searches.append(Searched(record.target.name, target, chart.ORACLE, "dash", "diamond-open"))
    if before is not None:
        name = f"{record.target.name}, source-only"
        searches.append(Searched(name, before, chart.BEFORE, "dot", "square-open"))
    return searches


def _named(one: Searched) -> str:
    return f"{one.name} (oracle)" if one.oracle else one.name


def _lines(searched: list[RetrievalMetrics]) -> list[Line]:
    if not searched:
        return []
    counts = [
        Line(count, [f"{getattr(metrics, count):,}" for metrics in searched])
        for count in ("probes", "gallery", "identities")
    ]
    return counts + [
        Line(name, [rank_text(measure, getattr(metrics, measure)) for metrics in searched])
        for measure, name in MEASURES.items()
    ]


def _without_match(one: Searched) -> str:
    count = one.metrics.without_match
    has = "probe has" if count == 1 else "probes have"
    return f"{one.name}: {count:,} {has} no match in the gallery and count nowhere."


def _few_ranks(searches: list[Searched]) -> Chart | None:
    return _cmc(searches, _FEW, f"CMC curve, ranks 1 to {_longest(searches, _FEW)}")


def _many_ranks(searches: list[Searched]) -> Chart | None:
    most = _longest(searches, _MANY)
    if most <= _FEW:
        return None
    return _cmc(searches, _MANY, f"CMC curve, ranks 1 to {most}, logarithmic")


def _longest(searches: list[Searched], most: int) -> int:
    return max((min(most, len(one.metrics.cmc)) for one in searches), default=0)


def _cmc(searches: list[Searched], most: int, title: str) -> Chart | None:
    drawn = [one for one in searches if one.metrics.cmc]
    if not drawn:
        return None
    traces, legend, words = [], [], []
    for index, one in enumerate(drawn):
        name = _named(one)
        shape = {"solid": "line"}.get(one.dash, one.dash)
        legend.append(LegendEntry(name, one.colour, shape, (index,)))
        shares = one.metrics.cmc[:most]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if most == _FEW else "lines",
                "name": chart.plotly_text(name, 40),
                "x": list(range(1, len(shares) + 1)),
                "y": chart.numbers(shares),
                "line": {"color": one.colour, "width": 1.8, "dash": one.dash},
                "marker": {"symbol": one.symbol, "size": 6, "color": one.colour},
                "hovertemplate": "%{fullData.name}: %{y:.1%}<extra></extra>",
            }
        )
        words.append(f"{name}: {shares[0]:.1%} at rank 1, {shares[-1]:.1%} at rank {len(shares)}")
    last = _longest(drawn, most)
    axis = {"range": [0.5, last + 0.5]} if most == _FEW else _logarithmic(last)
    axis["tickvals"] = [tick for tick in _TICKS if tick <= last]
    layout = chart.frame("rank k", xaxis=axis, yaxis=chart.share_axis(), hovermode="x unified")
    description = f"Line chart of the CMC curve over ranks 1 to {last}. {'; '.join(words)}."
    return Chart(title, description, {"data": traces, "layout": layout}, legend)


def _logarithmic(last: int) -> dict[str, object]:
    return {"type": "log", "range": [-0.03, math.log10(last) + 0.03]}
