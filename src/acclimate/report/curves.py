"""How training went: losses, monitors, and what each evaluation measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from acclimate.core.records import Evaluation, RunRecord
from acclimate.report import chart
from acclimate.report.chart import Chart, LegendEntry
from acclimate.report.run import Metrics

_NOT_PLOTTED = {"step", "progress", "seconds", "epoch"}
_SPELLED_OUT = {
    "reversal_weight": "reversal weight λ",
    "learning_rate": "learning rate",
    "source_batch_rank1": "source batch rank 1",
    "loss": "total",
}
_PLACE_LINES = ("#117733", "#D55E00", "#AA4499", "#8A6D00", "#4A5560")
_SHARE_WORDS = ("accuracy", "share", "probability", "reversal_weight", "confidence", "rank1")
# what is drawn by domain, and where an evaluation keeps it of each of several sources
_OF_PLACES = {"Accuracy": "accuracy", "Rank 1": "accuracy", "AUROC": "auroc"}
_CAPTIONS = {
    "AUROC": "Macro average of the one-vs-rest areas; 0.5 is chance, 1 a perfect ranking.",
    "mAP": "Mean average precision: it counts all matches of a probe, rank 1 only the nearest item.",
}


def learning_curves(record: RunRecord, metrics: Metrics) -> list[Chart]:
    """The charts for which there is something to draw."""
    names = [name for name in metrics if name not in _NOT_PLOTTED and _any_finite(metrics[name])]
    losses = [name for name in names if name == "loss" or name.startswith("loss/")]
    shares = [name for name in names if name not in losses and _is_share(name, metrics[name])]
    others = [name for name in names if name not in losses and name not in shares]
    charts = [_losses(metrics, losses), _shares(metrics, shares)]
    charts += [_accuracies(record), _areas(record), _precisions(record), _scores(record)]
    charts += [_other(metrics, name) for name in others]
    return [one for one in charts if one is not None]


def _any_finite(values: Sequence[float]) -> bool:
    return any(map(math.isfinite, values))


def _is_share(name: str, values: Sequence[float]) -> bool:
    inside = all(0 <= value <= 1 for value in values if math.isfinite(value))
    return inside and any(word in name for word in _SHARE_WORDS)


def _spell(name: str) -> str:
    name = name.removeprefix("loss/")
    return _SPELLED_OUT.get(name, name.replace("_", " ").replace("/", " / "))


def _lines(
    metrics: Metrics, names: Sequence[str], hover: str
) -> tuple[list[dict[str, Any]], list[LegendEntry]]:
    traces, legend = [], []
    for index, name in enumerate(names):
        colour, dash = _line_style(index)
        steps, values = chart.thin_out(metrics["step"], metrics[name])
        label = _spell(name)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines" if len(steps) > 1 else "markers",
                "name": chart.plotly_text(label),
                "x": steps,
                "y": values,
                "line": {"color": colour, "width": 1.8, "dash": dash},
                "hovertemplate": f"%{{fullData.name}}: %{{y:{hover}}}<extra></extra>",
            }
        )
        legend.append(LegendEntry(label, colour, "line" if dash == "solid" else "dash", (index,)))
    return traces, legend


def _line_style(index: int) -> tuple[str, str]:
    """Colour and dash of a chart's line: a colour that comes again is dashed, then dotted."""
    dash = ("solid", "dash", "dot")[index // len(chart.LINES) % 3]
    return chart.LINES[index % len(chart.LINES)], dash


def _ranges_in_words(metrics: Metrics, names: Sequence[str]) -> str:
    parts = []
    for name in names:
        known = [value for value in metrics[name] if math.isfinite(value)]
        parts.append(f"{_spell(name)} from {known[0]:.3g} to {known[-1]:.3g}")
    return "; ".join(parts)


def _losses(metrics: Metrics, names: list[str]) -> Chart | None:
    if not names:
        return None
    traces, legend = _lines(metrics, names, ".4g")
    return Chart(
        "Losses",
        f"Line chart of the losses over training steps: {_ranges_in_words(metrics, names)}.",
        {"data": traces, "layout": chart.frame("step", hovermode="x unified")},
        legend,
    )


def _shares(metrics: Metrics, names: list[str]) -> Chart | None:
    if not names:
        return None
    traces, legend = _lines(metrics, names, ".1%")
    layout = chart.frame("step", yaxis=chart.share_axis(), hovermode="x unified")
    caption = ""
    if "domain_accuracy" in names:
        layout["shapes"] = [_level(0.5)]
        caption = (
            "Domain accuracy near 50% (dotted) means that the domain classifier cannot tell source "
            "from target; near 100%, that it tells them apart with ease; far below 50%, that the "
            "features change faster than it learns."
        )
    return Chart(
        "Domain accuracy, λ and other shares",
        f"Line chart over training steps: {_ranges_in_words(metrics, names)}.",
        {"data": traces, "layout": layout},
        legend,
        caption,
    )


def _level(y: float) -> dict[str, Any]:
    line = {"color": "#7B8794", "width": 1, "dash": "dot"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line}


def _other(metrics: Metrics, name: str) -> Chart:
    traces, _ = _lines(metrics, [name], ".4g")
    title = _spell(name).capitalize()
    words = f"Line chart over training steps: {_ranges_in_words(metrics, [name])}."
    figure = {"data": traces, "layout": chart.frame("step", hovermode="x unified")}
    return Chart(title, words, figure, height=220)


def _accuracies(record: RunRecord) -> Chart | None:
    evaluations = record.evaluations
    if not evaluations:
        return None
    return _by_domain(
        record,
        "Rank 1" if record.objective == "retrieval" else "Accuracy",
        [e.source_accuracy for e in evaluations],
        [_known(e.oracle_target_accuracy) for e in evaluations],
        ".1%",
        chart.share_axis(),
    )


def _areas(record: RunRecord) -> Chart | None:
    evaluations = record.evaluations
    source = [_known(e.source_auroc) for e in evaluations]
    oracle = [_known(e.oracle_target_auroc) for e in evaluations]
    if not (_any_finite(source) or _any_finite(oracle)):
        return None
    lowest = min(value for value in (*source, *oracle) if math.isfinite(value))
    axis = {"range": [min(0.5, lowest) - 0.015, 1.015]}
    return _by_domain(record, "AUROC", source, oracle, ".3f", axis)


def _precisions(record: RunRecord) -> Chart | None:
    evaluations = record.evaluations
    source = [_known(e.source_mean_average_precision) for e in evaluations]
    oracle = [_known(e.oracle_target_mean_average_precision) for e in evaluations]
    if not (_any_finite(source) or _any_finite(oracle)):
        return None
    return _by_domain(record, "mAP", source, oracle, ".1%", chart.share_axis())


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _by_domain(
    record: RunRecord,
    what: str,
    source: Sequence[float],
    oracle: Sequence[float],
    hover: str,
    axis: dict[str, Any],
) -> Chart:
    """One measure at each evaluation: of the source, of each of several sources, of the target."""
    evaluations, name = record.evaluations, "source validation"
    if record.objective == "retrieval":
        name = "source, held-out identities"
    traces = [_points(evaluations, source, name, chart.SOURCE, "circle", hover)]
    legend = [LegendEntry(name, chart.SOURCE, "line", (0,))]
    words = f"source {what} from {source[0]:{hover}} to {source[-1]:{hover}}"
    for index, (place, values) in enumerate(_places(evaluations, what)):
        colour = _PLACE_LINES[index % len(_PLACE_LINES)]
        legend.append(LegendEntry(place, colour, "dot", (len(traces),)))
        traces.append(_points(evaluations, values, place, colour, "circle-open", hover))
        traces[-1]["line"] |= {"dash": "dot", "width": 1.4}
    if _any_finite(oracle):
        name = "target (oracle)"
        legend.append(LegendEntry(name, chart.ORACLE, "dash", (len(traces),)))
        traces.append(_points(evaluations, oracle, name, chart.ORACLE, "diamond-open", hover))
        traces[-1]["line"]["dash"] = "dash"
        words += f"; oracle target {what} from {oracle[0]:{hover}} to {oracle[-1]:{hover}}"
    layout = chart.frame("step", yaxis=axis, hovermode="x unified")
    _mark_chosen(layout, record)
    caption = _CAPTIONS.get(what) or _chosen_in_words(record)
    if _any_finite(oracle):
        caption += " The dashed oracle curve used target labels and had no part in the choice."
    description = f"Line chart of {what} at each evaluation: {words}. {caption}"
    figure = {"data": traces, "layout": layout}
    return Chart(f"{what} at each evaluation", description, figure, legend, caption)


def _places(evaluations: Sequence[Evaluation], what: str) -> list[tuple[str, list[float]]]:
    """Name and values of each of several sources; nothing for a single one."""
    names = list(dict.fromkeys(place.name for e in evaluations for place in e.place_metrics))
    field = _OF_PLACES.get(what)
    if len(names) < 2 or field is None:
        return []
    rows = [{place.name: place for place in e.place_metrics} for e in evaluations]
    return [(name, [_known(getattr(row.get(name), field, None)) for row in rows]) for name in names]


def _scores(record: RunRecord) -> Chart | None:
    names = list(dict.fromkeys(name for e in record.evaluations for name in e.scores))
    if not names:
        return None
    traces, legend, words = [], [], []
    chosen_by = record.chosen.validator if record.chosen else None
    for index, name in enumerate(names):
        colour, dash = _line_style(index)
        values = [e.scores.get(name, math.nan) for e in record.evaluations]
        label = name.replace("_", " ") + (" (chose)" if name == chosen_by else "")
        traces.append(_points(record.evaluations, values, label, colour, "circle", ".4g"))
        traces[-1]["line"]["dash"] = dash
        legend.append(LegendEntry(label, colour, "line" if dash == "solid" else "dash", (index,)))
        words.append(f"{label} from {values[0]:.3g} to {values[-1]:.3g}")
    layout = chart.frame("step", hovermode="x unified")
    _mark_chosen(layout, record)
    return Chart(
        "Label-free scores at each evaluation",
        f"Line chart of label-free scores: {'; '.join(words)}. {_chosen_in_words(record)}",
        {"data": traces, "layout": layout},
        legend,
        "Higher is better. These scores see source labels and unlabelled target data only.",
    )


def _points(
    evaluations: Sequence[Evaluation],
    values: Sequence[float],
    name: str,
    colour: str,
    symbol: str,
    hover: str,
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": chart.plotly_text(name),
        "x": [e.step for e in evaluations],
        "y": chart.numbers(values),
        "line": {"color": colour, "width": 1.8},
        "marker": {"symbol": symbol, "size": 6, "color": colour},
        "hovertemplate": f"%{{fullData.name}}: %{{y:{hover}}}<extra></extra>",
    }


def _mark_chosen(layout: dict[str, Any], record: RunRecord) -> None:
    if record.chosen is None:
        return
    step = record.chosen.step
    last = max((e.step for e in record.evaluations), default=step)
    layout["shapes"] = [
        {
            "type": "line",
            "yref": "paper",
            "x0": step,
            "x1": step,
            "y0": 0,
            "y1": 1,
            "line": {"color": chart.INK, "width": 1.2, "dash": "dot"},
        }
    ]
    on_the_left = step > last / 2
    layout["annotations"] = [
        {
            "x": step,
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "xanchor": "right" if on_the_left else "left",
            "text": f"chosen: step {step:,}",
            "showarrow": False,
            "font": {"size": 11, "color": chart.INK},
        }
    ]
    layout["margin"] = {**layout["margin"], "t": 22}


def _chosen_in_words(record: RunRecord) -> str:
    if record.chosen is None:
        return "No checkpoint has been chosen."
    validator = record.chosen.validator.replace("_", " ")
    return f"Step {record.chosen.step:,} was chosen by the {validator} score ({record.chosen.score:.4g})."
