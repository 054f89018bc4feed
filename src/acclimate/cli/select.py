"""``acclimate select``: which run, and which checkpoint, by any label-free validator."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acclimate.cli import console
from acclimate.cli.options import JsonOption
from acclimate.core.errors import ConfigurationError

if TYPE_CHECKING:
    from acclimate.training.agreement import Agreement
    from acclimate.training.select import Candidate

EXAMPLE = "Example: acclimate select acclimate-runs/* --validator consistency"


def register(app: typer.Typer) -> None:
    app.command("select", epilog=EXAMPLE)(select)


def select(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs of one task.")],
    validator: Annotated[
        list[str] | None,
        typer.Option(
            help="See 'acclimate list validators', of retrieval runs 'acclimate list "
            "retrieval-validators'; several, or ensemble: by the mean of their ranks; steadiness: the "
            "kept models of several runs.",
            show_default="steadiness, of one run default",
        ),
    ] = None,
    reverse: Annotated[
        bool,
        typer.Option(
            "--reverse",
            help="Score the kept models by reverse validation; trains each as long again, in RUN/reverse.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Choose among finished runs and their checkpoints without target labels, and without training."""
    from acclimate.training.agreement import agreements
    from acclimate.training.select import select as ranked

    if reverse and validator:
        raise ConfigurationError("--reverse is a score of its own; leave out --validator")
    found = _by_reverse(runs) if reverse else ranked(runs, validator or [])
    best = _best_of_each(found)
    agreed = agreements(runs)
    if json:
        said = {"choice": _plain(found[0]), "runs": [_plain(each) for each in best]}
        console.print_json({**said, "agreement": [_plain_agreement(each) for each in agreed]})
        return
    headings, rows = _table(best)
    console.print_table(headings, rows)
    for each in agreed:
        console.print_line(_agreement_line(each))
    first = found[0]
    console.print_line(f"choice: {first.run}, step {first.step}")
    if not first.kept:
        console.print_line(
            f"the model in {first.run} is of another step: train again with --validator to keep this one"
        )


def _by_reverse(runs: list[Path]) -> list[Candidate]:
    from acclimate.cli.watch import TerminalObserver
    from acclimate.core.records import read_record
    from acclimate.training.reverse import select_by_reverse

    for run in runs:
        if read_record(run).objective == "retrieval":
            raise ConfigurationError(
                f"--reverse trains on predicted classes, and {run} tells identities apart: choose with "
                "--validator, see 'acclimate list retrieval-validators'"
            )
    command = shlex.join(["acclimate", *sys.argv[1:]])
    console.set_way_on(command)
    with TerminalObserver() as observer:
        return select_by_reverse(runs, observer=observer, command=command)


def _best_of_each(found: list[Candidate]) -> list[Candidate]:
    """The best checkpoint of each run, in the order of all."""
    best: dict[Path, Candidate] = {}
    for each in found:
        best.setdefault(each.run, each)
    return list(best.values())


def _plain(candidate: Candidate) -> dict[str, Any]:
    return {**vars(candidate), "run": str(candidate.run)}


def _plain_agreement(agreement: Agreement) -> dict[str, Any]:
    estimate = agreement.estimate.model_dump()
    return {**vars(agreement), "runs": list(map(str, agreement.runs)), "estimate": estimate}


def _agreement_line(agreement: Agreement) -> str:
    estimate = agreement.estimate
    return (
        f"{agreement.algorithm}, seeds {', '.join(map(str, agreement.seeds))}: agree on "
        f"{estimate.value:.1%} of {agreement.items:,} target items "
        f"({100 * estimate.low:.1f}–{100 * estimate.high:.1f}), an estimate of their accuracy"
    )


def _table(best: list[Candidate]) -> tuple[list[str], list[list[str]]]:
    from acclimate.training.select import STEADINESS

    names = list(best[0].scores)
    headings = ["run", "algorithm", "seed", "step", *names]
    by_ranks = len(names) > 1 and STEADINESS not in names
    if by_ranks:
        headings.append("mean rank")
    measured = "rank 1" if best[0].objective == "retrieval" else "accuracy"
    headings += ["model kept", f"target {measured} (oracle)"]
    rows = []
    for each in best:
        cells = [str(each.run), each.algorithm, str(each.seed), str(each.step)]
        cells += [f"{each.scores[name]:.3f}" for name in names]
        if by_ranks:
            cells.append(f"{each.score:.3f}")
        known = each.oracle_target_accuracy
        cells += ["yes" if each.kept else "no", "–" if known is None else f"{known:.1%}"]
        rows.append(cells)
    if all(each.oracle_target_accuracy is None for each in best):
        return headings[:-1], [row[:-1] for row in rows]
    return headings, rows
