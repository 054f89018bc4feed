"""``acclimate select``: which run, and which checkpoint, by any label-free validator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption

if TYPE_CHECKING:
    from acclimate.training.select import Candidate

EXAMPLE = "Example: acclimate select acclimate-runs/* --validator consistency"


def register(app: typer.Typer) -> None:
    app.command("select", epilog=EXAMPLE)(select)


def select(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs of one task.")],
    validator: Annotated[
        list[str] | None,
        typer.Option(
            help="See 'acclimate list validators'; several, or ensemble: by the mean of their ranks.",
            show_default="default",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Choose among finished runs and their checkpoints without target labels, and without training."""
    from acclimate.training.select import select as ranked

    found = ranked(runs, validator or ["default"])
    best = _best_of_each(found)
    if json:
        console.print_json({"choice": _plain(found[0]), "runs": [_plain(each) for each in best]})
        return
    headings, rows = _table(best)
    console.print_table(headings, rows)
    first = found[0]
    console.print_line(f"choice: {first.run}, step {first.step}")
    if not first.kept:
        console.print_line(
            f"the model in {first.run} is of another step: train again with --validator to keep this one"
        )


def _best_of_each(found: list[Candidate]) -> list[Candidate]:
    """The best checkpoint of each run, in the order of all."""
    best: dict[Path, Candidate] = {}
    for each in found:
        best.setdefault(each.run, each)
    return list(best.values())


def _plain(candidate: Candidate) -> dict[str, Any]:
    return {**vars(candidate), "run": str(candidate.run)}


def _table(best: list[Candidate]) -> tuple[list[str], list[list[str]]]:
    names = list(best[0].scores)
    headings = ["run", "algorithm", "seed", "step", *names]
    if len(names) > 1:
        headings.append("mean rank")
    headings += ["model kept", "target accuracy (oracle)"]
    rows = []
    for each in best:
        cells = [str(each.run), each.algorithm, str(each.seed), str(each.step)]
        cells += [f"{each.scores[name]:.3f}" for name in names]
        if len(names) > 1:
            cells.append(f"{each.score:.3f}")
        known = each.oracle_target_accuracy
        cells += ["yes" if each.kept else "no", "–" if known is None else f"{known:.1%}"]
        rows.append(cells)
    if all(each.oracle_target_accuracy is None for each in best):
        return headings[:-1], [row[:-1] for row in rows]
    return headings, rows
