"""What the chosen checkpoint does per class: confusion, calibration, shares."""

from __future__ import annotations

from typing import Any

import numpy as np

from acclimate.core.records import Calibration, LabelledMetrics, RunRecord
from acclimate.report import chart
from acclimate.report.chart import Chart, LegendEntry
from acclimate.report.samples import Array, Samples
from acclimate.report.table import percent, shown_evaluation

_MOST_CELLS_WITH_TEXT = 13
# names that rise to their tick end at it: turned the other way the last one is cut off, and left out
_SLANTED = {"tickangle": -45}
_BLUES = [[0.0, "#FFFFFF"], [0.35, "#BBD9EC"], [0.7, "#4C97C6"], [1.0, "#08467A"]]
_PURPLES = [[0.0, "#FFFFFF"], [0.35, "#DCC9EA"], [0.7, "#9B6DBD"], [1.0, "#4B1D66"]]


def confusion_charts(record: RunRecord) -> list[Chart]:
    charts = []
    if record.oracle_target_metrics is not None:
        charts.append(_confusion("Target (oracle)", record.oracle_target_metrics, oracle=True))
    if record.source_metrics is not None:
        charts.append(_confusion("Source validation", record.source_metrics, oracle=False))
    return charts


def _confusion(title: str, metrics: LabelledMetrics, oracle: bool) -> Chart:
    counts = np.asarray(metrics.confusion, dtype=np.int64).reshape(len(metrics.confusion), -1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [chart.plotly_text(name, 14) for name in metrics.class_names]
    positions = list(range(len(names)))
    few = len(names) <= _MOST_CELLS_WITH_TEXT
    trace: dict[str, Any] = {
        "type": "heatmap",
        "z": [chart.numbers(row, 4) for row in shares],
        "customdata": counts.tolist(),
        "zmin": 0,
        "zmax": 1,
        "colorscale": _PURPLES if oracle else _BLUES,
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "hovertemplate": "label %{y}, predicted %{x}: %{customdata} (%{z:.0%})<extra></extra>",
    }
    if few:  # empty cells stay empty, so that the eye finds the others
        text = [[str(count) if count else "" for count in row] for row in counts.tolist()]
        trace |= {"text": text, "texttemplate": "%{text}", "textfont": {"size": 11}}
    # positions as ticks, not names as categories: two classes may share a (shortened) name
    ticks: dict[str, Any] = {"showgrid": False, "ticklen": 0, "linewidth": 0}
    if len(names) <= 40:
        ticks |= {"tickmode": "array", "tickvals": positions, "ticktext": names}
    layout = chart.frame(
        xaxis={**ticks, **_SLANTED, "title": {"text": "predicted", "standoff": 8}},
        yaxis={**ticks, "title": {"text": "label", "standoff": 8}, "autorange": "reversed"},
    )
    return Chart(
        title,
        f"Confusion matrix of {metrics.n} items. {_worst_confusion(counts, metrics.class_names)}",
        {"data": [trace], "layout": layout},
        caption=f"{percent(metrics.accuracy)} of {metrics.n:,} items are right. "
        f"{_worst_confusion(counts, metrics.class_names)} Colour: share of the label's items.",
        height=340 if few else 420,
        oracle=oracle,
    )


def _worst_confusion(counts: Array, names: list[str]) -> str:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return "No item is confused."
    label, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
    count = int(wrong[label, predicted])
    times = "once" if count == 1 else f"{count:,} times"
    return f"Most often, “{names[label]}” is taken for “{names[predicted]}” ({times})."


def reliability_chart(record: RunRecord) -> Chart | None:
    parts = []
    if record.source_metrics is not None:
        calibration = record.source_metrics.calibration
        parts.append(("source validation", calibration, chart.SOURCE, "circle", "line"))
    if record.oracle_target_metrics is not None:
        calibration = record.oracle_target_metrics.calibration
        parts.append(("target (oracle)", calibration, chart.ORACLE, "diamond", "dash"))
    parts = [part for part in parts if part[1].count]
    if not parts:
        return None
    traces, legend, words = [_diagonal()], [], []
    for name, calibration, colour, symbol, shape in parts:
        error = f"calibration error {calibration.expected_calibration_error:.3f}"
        legend.append(LegendEntry(f"{name}, {error}", colour, shape, (len(traces),)))
        traces.append(_reliability_trace(name, calibration, colour, symbol, shape))
        words.append(f"{name}: expected {error}")
    both = {"range": [-0.03, 1.03], "tickformat": ".0%"}
    layout = chart.frame(
        xaxis={**both, "title": {"text": "confidence", "standoff": 8}},
        yaxis={**both, "title": {"text": "accuracy", "standoff": 8}},
    )
    return Chart(
        "Reliability",
        f"Reliability curve, accuracy against confidence. {'; '.join(words)}.",
        {"data": traces, "layout": layout},
        legend,
        "Below the dotted diagonal the model is more confident than it is right. "
        "Larger marks hold more items.",
        height=340,
    )


def _diagonal() -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1],
        "y": [0, 1],
        "line": {"color": "#7B8794", "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
    }


def _reliability_trace(
    name: str, calibration: Calibration, colour: str, symbol: str, shape: str
) -> dict[str, Any]:
    counts = np.asarray(calibration.count, dtype=np.float64)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": chart.numbers(calibration.confidence),
        "y": chart.numbers(calibration.accuracy),
        "customdata": calibration.count,
        "line": {"color": colour, "width": 1.8, "dash": "dash" if shape == "dash" else "solid"},
        "marker": {
            "symbol": symbol,
            "color": colour,
            "size": chart.numbers(5 + 9 * np.sqrt(counts / counts.max()), 3),
        },
        "hovertemplate": "%{fullData.name}: %{y:.1%} right at confidence %{x:.1%}, "
        "%{customdata} items<extra></extra>",
    }


def shares_chart(record: RunRecord, samples: Samples | None) -> Chart | None:
    """Classes predicted on the target beside the classes of the source."""
    predicted = _predicted_shares(record, samples)
    if predicted is None:
        return None
    parts: list[tuple[str, list[Any], str, str]] = [
        ("predicted on target", predicted, chart.TARGET, "")
    ]
    source = _source_shares(record, samples, len(predicted))
    if source is not None:
        parts.insert(0, ("source labels", source, chart.SOURCE, ""))
    if record.oracle_target_metrics is not None:
        counts = np.asarray(record.oracle_target_metrics.class_counts, dtype=np.float64)
        if counts.sum() > 0:
            shares = chart.numbers(counts / counts.sum())
            parts.append(("target labels (oracle)", shares, chart.ORACLE, "/"))
    names = _names(record, len(predicted))
    ticks = {"tickmode": "array", "tickvals": list(range(len(names)))}
    ticks["ticktext"] = [chart.plotly_text(name, 14) for name in names]
    layout = chart.frame(
        xaxis={**ticks, **_SLANTED} if len(names) <= 40 else {}, yaxis={"tickformat": ".0%"}
    )
    layout |= {"barmode": "group", "bargap": 0.25, "hovermode": "x unified"}
    legend = [
        LegendEntry(name, colour, "hatched" if pattern else "square", (index,))
        for index, (name, _, colour, pattern) in enumerate(parts)
    ]
    most = int(np.argmax(predicted))
    words = f"“{names[most]}” is predicted most often on the target: {percent(predicted[most])}" + (
        f", {percent(source[most])} of the source." if source is not None else "."
    )
    return Chart(
        "Class shares",
        f"Bar chart of class shares. {words}",
        {"data": [_bars(*part) for part in parts], "layout": layout},
        legend,
        f"{words} A class that takes over, or one that vanishes, is a sign of collapse, "
        "unless the target's classes really are distributed like that.",
        height=340,
    )


def _predicted_shares(record: RunRecord, samples: Samples | None) -> list[float] | None:
    """Of the sample items, which are those that any oracle label belongs to; else the record's."""
    if samples is not None and len(samples.target):
        predicted = samples.target.probabilities.argmax(axis=1)
        counts = np.bincount(predicted, minlength=samples.target.logits.shape[1])
        return [float(share) for share in counts / len(predicted)]
    evaluation = shown_evaluation(record)
    return (evaluation.predicted_class_shares or None) if evaluation is not None else None


def _source_shares(record: RunRecord, samples: Samples | None, classes: int) -> Any:
    if record.source_metrics is not None and sum(record.source_metrics.class_counts) > 0:
        counts = np.asarray(record.source_metrics.class_counts, dtype=np.float64)
    elif samples is not None and samples.source.labels is not None:
        counts = np.bincount(samples.source.labels, minlength=classes).astype(np.float64)
    else:
        return None
    return chart.numbers(counts / counts.sum()) if len(counts) == classes else None


def _names(record: RunRecord, count: int) -> list[str]:
    names = record.source.class_names
    return names if len(names) == count else [str(index) for index in range(count)]


def _bars(name: str, shares: list[Any], colour: str, pattern: str) -> dict[str, Any]:
    marker: dict[str, Any] = {"color": colour}
    if pattern:
        marker["pattern"] = {"shape": pattern, "size": 5, "solidity": 0.35}
    return {
        "type": "bar",
        "name": name,
        "x": list(range(len(shares))),
        "y": chart.numbers(shares),
        "marker": marker,
        "hovertemplate": "%{fullData.name}: %{y:.1%}<extra></extra>",
    }
