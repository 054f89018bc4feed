"""The selection benchmark as plain values, and as a Markdown page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from acclimate.core.files import write_text_atomically
from acclimate.experiments.estimates import honesty
from acclimate.experiments.selection import Scored
from acclimate.experiments.trust import Cell, cells, changes, confusion, trust

NOTHING = "–"


def summary(found: Sequence[Scored], names: Sequence[str]) -> dict[str, Any]:
    """Everything the page says, as JSON can hold it."""
    guesses = [each.guessed for each in found if each.guessed is not None]
    return {
        "runs": len(found),
        "tasks": list(dict.fromkeys(each.job.task.name for each in found)),
        "recipes": list(dict.fromkeys(each.job.recipe for each in found)),
        "algorithms": list(dict.fromkeys(each.job.algorithm for each in found)),
        "seeds": sorted({each.job.seed for each in found}),
        "checkpoints": sum(len(each.accuracies) for each in found),
        "validators": [asdict(line) for line in trust(found, names)],
        "estimates": [asdict(line) for line in honesty(guesses)],
        "verdicts": confusion(found),
        "changes": [asdict(line) for line in changes(found)],
        "table": [asdict(cell) for cell in cells(found)],
    }


def validator_cells(line: Mapping[str, Any]) -> list[str]:
    """Name, regrets in points, correlation."""
    return [
        line["validator"],
        *(_points(line[key]) for key in ("within", "among", "worst")),
        NOTHING if line["correlation"] is None else f"{line['correlation']:.2f}",
    ]


VALIDATOR_COLUMNS = (
    "validator",
    "regret within a run",
    "regret among algorithms",
    "worst",
    "weighted Spearman",
)


def write_page(folder: Path, said: Mapping[str, Any]) -> Path:
    """Write ``selection.md`` into ``folder``, and ``selection.json`` beside it; returns the page's path."""
    lines = [
        "# Selection without target labels",
        "",
        "Written by `acclimate bench selection`; do not edit. Regrets in points of target accuracy "
        "(oracle): what is lost against the checkpoint that target labels would have chosen, within a "
        "run, or among the checkpoints of all algorithms on one task, recipe and seed.",
        "",
        f"{said['runs']} runs, {said['checkpoints']} checkpoints; tasks {', '.join(said['tasks'])}; recipes "
        f"{', '.join(said['recipes'])}; seeds {', '.join(map(str, said['seeds']))}.",
        "",
        "## Validators",
        "",
        "Unless told otherwise, a run keeps the checkpoint that *default* chooses, and *steadiness* compares "
        "what the runs kept; each other line chooses among all checkpoints of all runs.",
        "",
        *_table(VALIDATOR_COLUMNS, [validator_cells(line) for line in _sorted(said["validators"])]),
        "",
        "## Estimates of target accuracy",
        "",
        "At the label-free choice, in points. *The estimate* is what a run tells its user; each of the "
        "others has its own bootstrap interval of 90 %, which tells of the number of items alone.",
        "",
        *_table(ESTIMATOR_COLUMNS, [_estimator_cells(line) for line in said["estimates"]]),
        "",
        "## Verdict",
        "",
        "On the models that the runs kept. Rows: what happened to target accuracy against source-only, from "
        "2 points on.",
        "",
        *_table(
            ("truth", "helped", "cannot tell", "hurt"),
            [[truth, *map(str, row.values())] for truth, row in said["verdicts"].items()],
        ),
        "",
        "## Against source-only",
        "",
        "Change of target accuracy (oracle) in points, both at their label-free choice, mean ± sd over tasks, "
        "recipes and seeds; *helped* and *hurt*: runs that changed by more than 2 points.",
        "",
        *_table(CHANGE_COLUMNS, [_change_cells(line) for line in said["changes"]]),
        "",
        "## Target accuracy",
        "",
        "In percent at the label-free choice, mean ± sd over seeds; in brackets the best checkpoint, "
        "chosen by an oracle.",
        "",
        *_accuracies([Cell(**cell) for cell in said["table"]]),
        "",
    ]
    path = folder / "selection.md"
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, "\n".join(lines))
    write_text_atomically(folder / "selection.json", json.dumps(said, indent=1) + "\n")
    return path


def _sorted(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(lines, key=lambda line: (line["among"] is None, line["among"], line["within"]))


ESTIMATOR_COLUMNS = (
    "estimator",
    "runs",
    "mean absolute error",
    "bias",
    "interval holds the truth",
    "mean width",
)


def _estimator_cells(line: Mapping[str, Any]) -> list[str]:
    return [
        line["estimator"],
        str(line["runs"]),
        _points(line["error"]),
        f"{100 * line['bias']:+.1f}",
        f"{line['covered']:.0%}",
        _points(line["width"]),
    ]


CHANGE_COLUMNS = ("algorithm", "runs", "change", "worst run", "helped", "hurt")


def _change_cells(line: Mapping[str, Any]) -> list[str]:
    spread = "" if line["sd"] is None else f" ± {100 * line['sd']:.1f}"
    return [
        line["algorithm"] + (" (oracle)" if line["oracle"] else ""),
        str(line["runs"]),
        f"{100 * line['mean']:+.1f}{spread}",
        f"{100 * line['worst']:+.1f}",
        str(line["helped"]),
        str(line["hurt"]),
    ]


def _accuracies(table: Sequence[Cell]) -> list[str]:
    columns = list(dict.fromkeys((cell.task, cell.recipe) for cell in table))
    found = {(cell.algorithm, cell.task, cell.recipe): cell for cell in table}
    rows = []
    for algorithm in dict.fromkeys(cell.algorithm for cell in table):
        row = [algorithm]
        for task, recipe in columns:
            cell = found.get((algorithm, task, recipe))
            row.append(NOTHING if cell is None else _accuracy(cell))
        rows.append(row)
    return _table(["algorithm", *(f"{task}, {recipe}" for task, recipe in columns)], rows)


def _accuracy(cell: Cell) -> str:
    spread = "" if cell.sd is None else f" ± {100 * cell.sd:.1f}"
    return f"{100 * cell.oracle_target_accuracy:.1f}{spread} ({100 * cell.oracle_best:.1f})"


def _points(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
