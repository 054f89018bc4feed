"""The table as text: for the terminal, and as a Markdown page beside the result files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import wilcoxon

from acclimate.core.files import write_text_atomically
from acclimate.experiments.amazon.published import TASKS, published
from acclimate.experiments.amazon.results import AmazonResult, better_on_most, better_on_one
from acclimate.experiments.amazon.rows import ROWS, Row
from acclimate.experiments.markdown import table_line

NOTHING = "–"
#: rows held against rows: the paper's own questions, then ours
PAIRS = (
    ("dann", "nn"),
    ("dann", "svm"),
    ("msda-dann", "msda-nn"),
    ("msda-dann", "msda-svm"),
    ("best", "source-only"),
    ("best", "best-source-only"),
    ("best", "msda-dann"),
)


@dataclass(frozen=True)
class Line:
    """A row: mean over seeds by task, in percent; ``mean`` and ``deviation`` of the mean over all tasks."""

    row: Row
    accuracies: dict[str, float]
    seeds: int
    mean: float | None
    deviation: float | None
    seconds: float


def lines_of(results: Sequence[AmazonResult]) -> list[Line]:
    """One for each row of the table that has results; ``mean`` where all twelve tasks have."""
    lines = []
    for row in ROWS:
        own = [result for result in results if result.row == row.name]
        if not own:
            continue
        by_task = {
            task: [100 * r.oracle_target_accuracy for r in own if r.task == task] for task in TASKS
        }
        by_task = {task: found for task, found in by_task.items() if found}
        seeds = sorted({result.seed for result in own})
        whole = [[100 * r.oracle_target_accuracy for r in own if r.seed == seed] for seed in seeds]
        means = [float(np.mean(found)) for found in whole if len(found) == len(TASKS)]
        lines.append(
            Line(
                row,
                {task: float(np.mean(found)) for task, found in by_task.items()},
                max(len(found) for found in by_task.values()),
                float(np.mean(means)) if means else None,
                float(np.std(means, ddof=1)) if len(means) > 1 else None,
                sum(result.seconds for result in own),
            )
        )
    return lines


def write_page(folder: Path, results: Sequence[AmazonResult]) -> Path:
    """Write ``folder/amazon.md``; returns its path."""
    path = folder / "amazon.md"
    write_text_atomically(path, page(results))
    return path


def page(results: Sequence[AmazonResult]) -> str:
    """The Markdown page."""
    lines = lines_of(results)
    short = [_short(task) for task in TASKS]
    header = ["row", "n", *short, "mean", "paper's mean", "seconds"]
    text = [
        "# Amazon reviews: twelve tasks of sentiment",
        "",
        "Written by `acclimate reproduce amazon`; do not edit. Accuracy in percent of the target's test "
        "reviews (oracle), mean over n seeds; the mean over tasks ± its sample standard deviation over "
        "seeds. Initials are those of books, dvd, electronics and kitchen, source first. Below each of "
        "the paper's rows stand its numbers (Ganin et al., JMLR 2016, table 1a). n is 1 where nothing "
        "but a split depends on the seed.",
        "",
        "2,000 labelled source and 2,000 unlabelled target reviews for training. Hyper-parameters of the "
        "paper's rows: by its reverse validation over its grids, on the first seed; those of the linear "
        "rows by five folds of the source; of the best rows, by the leave-one-out error on the source. "
        "No label of the target is used for any choice. Seconds are of one thread, representations apart"
        f"{_machine(results)}.",
        "",
        table_line(header),
        "|" + "---|" * len(header),
    ]
    for line in lines:
        text.append(table_line(_cells(line)))
        printed = published(line.row.name)
        if printed:
            cells = [f"{printed[task]:.1f}" for task in TASKS]
            mean = f"{np.mean(list(printed.values())):.1f}"
            text.append(table_line(["*the paper's*", "", *cells, "", mean, ""]))
    return "\n".join([*text, "", *_comparisons(results), *_distances(results)])


def short_cells(line: Line) -> list[str]:
    """Cells of the terminal's table: row, n, mean, the paper's mean, seconds."""
    name, n, *_, mean, paper, seconds = _cells(line)
    return [name, n, f"{len(line.accuracies)} of {len(TASKS)}", mean, paper, seconds]


SHORT = ("row", "n", "tasks", "mean accuracy (oracle)", "paper's mean", "seconds")


def _cells(line: Line) -> list[str]:
    printed = published(line.row.name)
    mean = NOTHING
    if line.mean is not None:
        mean = f"{line.mean:.1f}" + (
            f" ± {line.deviation:.1f}" if line.deviation is not None else ""
        )
    return [
        line.row.title,
        str(line.seeds),
        *(f"{line.accuracies[task]:.1f}" if task in line.accuracies else NOTHING for task in TASKS),
        mean,
        f"{np.mean(list(printed.values())):.1f}" if printed else NOTHING,
        f"{line.seconds:.0f}",
    ]


def _comparisons(results: Sequence[AmazonResult]) -> list[str]:
    """Poisson-binomial and Wilcoxon, first seed, where both rows have all tasks."""
    correct = {(r.row, r.task): r.correct for r in results if r.seed == 0}
    titles = {row.name: row.title.partition(":")[0] for row in ROWS}
    text = []
    for first, second in PAIRS:
        if not all((row, task) in correct for row in (first, second) for task in TASKS):
            continue
        pairs = [(correct[first, task], correct[second, task]) for task in TASKS]
        probability = better_on_most([better_on_one(*pair) for pair in pairs])
        differences = [100 * float(ours.mean() - theirs.mean()) for ours, theirs in pairs]
        won = sum(difference > 0 for difference in differences)
        p = float(wilcoxon(differences).pvalue) if any(differences) else 1.0
        text.append(
            f"| {titles[first]} | {titles[second]} | {probability:.2f} | {won} | "
            f"{np.mean(differences):+.1f} | {p:.4f} |"
        )
    if not text:
        return []
    return [
        "## Which is better",
        "",
        "First seed. *Probability*: that the first is better on most tasks (Poisson binomial, Lacoste et "
        "al., 2012; the paper reports .87 for DANN over NN and .83 over SVM on counts, .92 and .88 on "
        "mSDA). *p*: of Wilcoxon's signed-rank test over the twelve differences, two-sided.",
        "",
        "| first | second | probability | tasks won | mean difference, points | p |",
        "|---|---|---|---|---|---|",
        *text,
        "",
    ]


def _distances(results: Sequence[AmazonResult]) -> list[str]:
    known = {(r.row, r.task): r.proxy_a_distance for r in results if r.proxy_a_distance is not None}
    rows = {
        "svm": "counts",
        "nn": "NN's hidden layer",
        "dann": "DANN's hidden layer",
        "msda-svm": "mSDA",
        "msda-nn": "NN's hidden layer on mSDA",
        "msda-dann": "DANN's hidden layer on mSDA",
    }
    text = []
    for row, title in rows.items():
        cells = [known.get((row, task)) for task in TASKS]
        if any(cell is not None for cell in cells):
            shown = [NOTHING if cell is None else f"{cell:.2f}" for cell in cells]
            text.append(table_line([title, *shown]))
    if not text:
        return []
    return [
        "## How far the domains lie apart",
        "",
        "Proxy A-distance, 0 to 2, of what a row sees or of the hidden layer that it learns: a linear "
        "machine on one half, its error on the other, ten prices. First seed.",
        "",
        table_line(["features", *(_short(task) for task in TASKS)]),
        "|" + "---|" * (len(TASKS) + 1),
        *text,
        "",
    ]


def _machine(results: Sequence[AmazonResult]) -> str:
    names = sorted({result.processor for result in results})
    return f" ({', '.join(names)})" if names else ""


def _short(task: str) -> str:
    source, target = task.split("-")
    return f"{source[0].upper()}→{target[0].upper()}"
