"""A table as text: for the terminal, and as a Markdown page beside the result files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

from acclimate.core.files import write_text_atomically
from acclimate.experiments.markdown import table_line
from acclimate.experiments.office.benchmarks import Benchmark
from acclimate.experiments.office.results import OfficeResult
from acclimate.experiments.office.rows import FINE_TUNED, ROWS, Row

NOTHING = "–"
SHORT = ("row", "n", "pairs", "mean accuracy (oracle)", "mean AUROC (oracle)", "seconds a pair")


@dataclass(frozen=True)
class Line:
    """A row: by pair, accuracies and AUROC over seeds, in percent."""

    row: Row
    accuracies: dict[str, list[float]]
    areas: dict[str, list[float]]
    seconds: float

    def mean(self, pairs: Sequence[str]) -> tuple[float, float | None] | None:
        """Mean over ``pairs`` and its sample standard deviation over seeds; ``None`` where one lacks."""
        if not pairs or not all(pair in self.accuracies for pair in pairs):
            return None
        seeds = min(len(self.accuracies[pair]) for pair in pairs)
        means = [np.mean([self.accuracies[pair][k] for pair in pairs]) for k in range(seeds)]
        return float(np.mean(means)), float(np.std(means, ddof=1)) if seeds > 1 else None


def lines_of(results: Sequence[OfficeResult]) -> list[Line]:
    """One for each row that has results, in the table's order."""
    lines = []
    for row in ROWS:
        own = sorted((r for r in results if r.row == row.name), key=lambda r: (r.pair, r.seed))
        if not own:
            continue
        accuracies: dict[str, list[float]] = {}
        areas: dict[str, list[float]] = {}
        for result in own:
            accuracies.setdefault(result.pair, []).append(100 * result.oracle_target_accuracy)
            if result.oracle_target_auroc is not None:
                areas.setdefault(result.pair, []).append(100 * result.oracle_target_auroc)
        lines.append(Line(row, accuracies, areas, float(np.mean([r.seconds for r in own]))))
    return lines


def write_page(folder: Path, benchmark: Benchmark, results: Sequence[OfficeResult]) -> Path:
    """Write ``folder/BENCHMARK.md``; returns its path."""
    path = folder / f"{benchmark.name}.md"
    write_text_atomically(path, page(benchmark, results))
    return path


def page(benchmark: Benchmark, results: Sequence[OfficeResult]) -> str:
    """The Markdown page."""
    found = lines_of(results)
    lines = [line for line in found if not line.row.fine_tunes]
    pairs = [pair for pair in benchmark.pairs if not pair.startswith("others-")]
    pooled = [pair for pair in benchmark.pairs if pair.startswith("others-")]
    backbones = sorted({f"{r.backbone} ({r.weights})" for r in results})
    machine = ", ".join(
        sorted({f"{r.threads} thread{'s' * (r.threads > 1)} of {r.processor}" for r in results})
    )
    text = [
        f"# {benchmark.title}",
        "",
        f"Written by `acclimate reproduce office --set {benchmark.name}`; do not edit. Accuracy in percent "
        "(oracle), mean over n seeds ± sample standard deviation. Fully transductive, as this literature "
        "measures: all labelled source photos, all target photos without their labels, measured on those. "
        "Features once, of the centre of each photo, by a frozen backbone: "
        f"{'; '.join(backbones) or NOTHING}. Linear rows share centred features of one scale and "
        "logistic regression, its strength chosen by five folds of the source (one row standardises each "
        "feature instead, as is often done); network rows share a bottleneck of "
        "256, 600 steps of 64 + 64 items and their last step. n is 1 where the seed decides nothing "
        "but folds. No label of the target is used for any choice; train-on-target is an oracle, each "
        f"photo predicted by a classifier of the other folds. {machine}.",
        "",
        *_table(lines, pairs, "mean"),
        *_published(benchmark),
        "",
        *_comparison(lines, pairs),
        *_areas(lines, pairs),
    ]
    if any(pair in line.accuracies for line in lines for pair in pooled):
        text += [
            "## Without a look at the target",
            "",
            "Domain generalisation: the other domains pooled as one labelled source, none of the target's "
            "photos at training time.",
            "",
            *_table([line for line in lines if line.row.pools_sources], pooled, "mean"),
            "",
        ]
    text += _fine_tuned([line for line in found if line.row.fine_tunes], pairs, results)
    return "\n".join(text)


def _fine_tuned(
    lines: Sequence[Line], pairs: Sequence[str], results: Sequence[OfficeResult]
) -> list[str]:
    """Rows that trained the backbone, on the pairs that have one."""
    known = [pair for pair in pairs if any(pair in line.accuracies for line in lines)]
    if not known:
        return []
    names = {line.row.name for line in lines}
    own = [result for result in results if result.row in names]
    budgets = sorted({_budget(result) for result in own})
    return [
        "## Fine-tuned",
        "",
        "The whole backbone trained, a tenth of the learning rate for its own layers, BatchNorm as it was "
        f"pretrained; {'; '.join(budgets)}. The checkpoint is chosen without labels of the target. Fully "
        "transductive as above, but for train-on-target, which is measured on photos held out.",
        "",
        *_table(lines, known, "mean"),
        "",
        *_comparison(lines, known, "### Fine-tuned, against source-only"),
        *_areas(lines, known, "### Fine-tuned, AUROC"),
    ]


def _budget(result: OfficeResult) -> str:
    """What a fine-tuned row was given."""
    said = result.chosen
    return (
        f"photos of {said['resize']} pixels cut to {said['size']}, {said['steps']} steps of "
        f"{said['batch_size']} + {said['batch_size']}"
    )


def _table(lines: Sequence[Line], pairs: Sequence[str], last: str) -> list[str]:
    text = [table_line(["row", "n", *map(_short, pairs), last]), "|" + "---|" * (len(pairs) + 3)]
    for line in lines:
        known = [line.accuracies[pair] for pair in pairs if pair in line.accuracies]
        if known:
            cells = [_cell(line.accuracies.get(pair)) for pair in pairs]
            mean = line.mean(pairs)
            n = str(max(len(found) for found in known))
            text.append(
                table_line([line.row.title, n, *cells, NOTHING if mean is None else _pm(*mean)])
            )
    return text


def _published(benchmark: Benchmark) -> list[str]:
    if not benchmark.published:
        return []
    said = [
        f"{_short(pair)} " + ", ".join(f"{who} {value:g}" for who, value in numbers)
        for pair, numbers in benchmark.published.items()
    ]
    return ["", f"Published ({benchmark.note}): {'; '.join(said)}."]


def _comparison(
    lines: Sequence[Line], pairs: Sequence[str], heading: str = "## Against source-only"
) -> list[str]:
    """Each adapting row against the source-only row of its kind."""
    by_name = {line.row.name: line for line in lines}
    base = {"linear": "source-only", "subspace": "source-only", "network": "network-source-only"}
    base[FINE_TUNED] = f"{FINE_TUNED}-source-only"
    text = []
    for line in lines:
        against = by_name.get(base.get(line.row.kind, ""))
        if line.row.oracle or against is None or against is line:
            continue
        both = [p for p in pairs if p in line.accuracies and p in against.accuracies]
        gains = [float(np.mean(line.accuracies[p]) - np.mean(against.accuracies[p])) for p in both]
        if not gains:
            continue
        p = f"{wilcoxon(gains).pvalue:.4f}" if len(gains) > 5 and any(gains) else NOTHING
        won = f"{sum(gain > 0 for gain in gains)} of {len(gains)}"
        title = line.row.title.partition(":")[0]
        text.append(
            table_line(
                [title, against.row.title, won, f"{np.mean(gains):+.1f}", f"{min(gains):+.1f}", p]
            )
        )
    if not text:
        return []
    return [
        heading,
        "",
        "*p*: of Wilcoxon's signed-rank test over the pairs, two-sided.",
        "",
        table_line(["row", "against", "pairs won", "mean gain, points", "smallest", "p"]),
        "|" + "---|" * 6,
        *text,
        "",
    ]


def _areas(lines: Sequence[Line], pairs: Sequence[str], heading: str = "## AUROC") -> list[str]:
    text = []
    for line in lines:
        if line.areas:
            cells = [_cell(line.areas.get(pair)) for pair in pairs]
            text.append(table_line([line.row.title, *cells]))
    if not text:
        return []
    return [
        heading,
        "",
        "One class against the rest, mean over classes, in percent (oracle).",
        "",
        table_line(["row", *map(_short, pairs)]),
        "|" + "---|" * (len(pairs) + 1),
        *text,
        "",
    ]


def short_cells(line: Line, pairs: Sequence[str]) -> list[str]:
    """Cells of the terminal's table, see ``SHORT``."""
    known = [pair for pair in pairs if pair in line.accuracies]
    mean = line.mean(known)
    areas = [np.mean(line.areas[pair]) for pair in known if pair in line.areas]
    return [
        line.row.title,
        str(max((len(line.accuracies[pair]) for pair in known), default=0)),
        f"{len(known)} of {len(pairs)}",
        NOTHING if mean is None else _pm(*mean),
        f"{np.mean(areas):.1f}" if areas else NOTHING,
        f"{line.seconds:.1f}",
    ]


def _cell(values: Sequence[float] | None) -> str:
    if not values:
        return NOTHING
    return _pm(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


def _pm(mean: float, deviation: float | None) -> str:
    return f"{mean:.1f}" + (f" ± {deviation:.1f}" if deviation is not None else "")


def _short(pair: str) -> str:
    """``amazon-webcam`` → ``A→W``; ``others-webcam`` → ``→ webcam``."""
    source, _, target = pair.rpartition("-")
    return f"→ {target}" if source == "others" else f"{source[0].upper()}→{target[0].upper()}"
