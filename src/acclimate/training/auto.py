"""``--algorithm auto``: a few candidates by successive halving, chosen without target labels.

Jamieson & Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization",
2016: all candidates train for a little, the better half for twice as long, and the best one gets
what is left of the budget. What is better is said by ``steadiness``, without target labels.
Source-only is among them to the end: where it is trusted most, nothing is adapted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from lightning_fabric import Fabric
from pydantic import BaseModel, ConfigDict, ValidationError

from acclimate.core.errors import ConfigurationError, DivergedError, RecordError, RunError
from acclimate.core.files import write_text_atomically
from acclimate.core.records import RunRecord, read_record
from acclimate.data.splits import SourceSplits
from acclimate.training.devices import make_fabric
from acclimate.training.fit import SOURCE_ONLY, fit
from acclimate.training.loop import train
from acclimate.training.observer import Observer
from acclimate.training.optimisers import make_optimiser, set_learning_rate
from acclimate.training.parts import make_algorithm, make_loader, make_step
from acclimate.training.run_folder import check_folder
from acclimate.training.select import STEADINESS, select
from acclimate.training.settings import FitSettings
from acclimate.training.task import Task, choose_network, open_task, replace_settings

AUTO = "auto"
#: of each family one that gained over the tasks of docs/results.md, section Every algorithm
CANDIDATES = ("dann-self-training", "self-training", "mcc", "atdoc", "cdan", "jan")
#: the share of the budget that goes to the candidates; the rest trains the chosen one
TRIALS = 0.5
LEAST_STEPS = 20
_WARM, _TIMED = 2, 6
PLAN_NAME = "plan.json"
BUDGET = 30.0  # minutes


class Plan(BaseModel):
    """How long everything trains; written down first, so that a killed search goes on as it began."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidates: tuple[str, ...]
    budget: float | None = None
    seconds_per_step: float
    rung_steps: tuple[int, ...]
    final_steps: int


def fit_auto(
    settings: FitSettings,
    output: Path,
    budget: float | None = None,
    *,
    resume: bool = False,
    candidates: Sequence[str] = CANDIDATES,
    observer: Observer | None = None,
    command: str = "",
) -> RunRecord:
    """Choose an algorithm and train it, in about ``budget`` minutes of training; returns its record.

    Without a ``budget`` that of the search that is continued, or 30.

    The candidates' runs lie in ``OUTPUT-candidates/rung-N/ALGORITHM``, the chosen one's in
    ``output`` with a source-only baseline; its record's ``choice`` says why it was chosen.
    ``settings`` are those of all runs, but for the algorithm and the steps.

    Raises ``ConfigurationError`` for a budget too small for the candidates, ``RunError`` for another
    one than a search was begun with, and what ``fit`` does.
    """
    if settings.objective == "retrieval":
        raise ConfigurationError(
            "--algorithm auto chooses among algorithms for classes; for --objective retrieval train "
            "several, for example dann and deep-coral, and compare them with 'acclimate select'"
        )
    # "." and ".." have no name that could be added to
    named = output if output.name not in ("", "..") else output.resolve()
    folder = named.with_name(f"{named.name}-candidates")
    if not resume:
        # said before anything is trained
        check_folder(output, settings, resume)
        if folder.exists():
            raise RunError(
                f"{folder} already holds candidates; go on with --resume, or choose another --output"
            )
    plan = _plan(settings, folder, budget, candidates)
    left = list(dict.fromkeys([SOURCE_ONLY, *plan.candidates]))
    ranked = left
    diverged: list[str] = []
    for number, steps in enumerate(plan.rung_steps):
        runs = {name: folder / f"rung-{number}" / name for name in left}
        for name, run in list(runs.items()):
            trial = _trial(settings, name, steps)
            try:
                fit(trial, run, baseline=False, resume=True, observer=observer, command=command)
            except DivergedError:
                # the others can still be compared, but not without what they are held against
                if name == SOURCE_ONLY:
                    raise
                del runs[name]
                diverged.append(name)
        ranked = _ranked(list(runs.values()))
        left = _better_half(ranked)
    chosen = ranked[0]
    final = _trial(settings, chosen, plan.final_steps)
    record = fit(
        final,
        output,
        baseline=chosen != SOURCE_ONLY,
        resume=resume,
        observer=observer,
        command=command,
    )
    if record.choice is None:
        record = read_record(output)
        record.choice = _reason(ranked, plan, diverged)
        record.write(output)
    return record


def _trial(settings: FitSettings, algorithm: str, steps: int) -> FitSettings:
    return replace_settings(
        settings, algorithm=algorithm, algorithm_options={}, steps=steps, epochs=None
    )


def _ranked(runs: Sequence[Path]) -> list[str]:
    """Algorithms, the one with the steadiest model first."""
    return [each.algorithm for each in select(runs, [STEADINESS])]


def _better_half(ranked: Sequence[str]) -> list[str]:
    """The upper half of what adapts, and source-only."""
    adapting = [name for name in ranked if name != SOURCE_ONLY]
    return [SOURCE_ONLY, *adapting[: max(1, (len(adapting) + 1) // 2)]]


def _reason(ranked: Sequence[str], plan: Plan, diverged: Sequence[str]) -> str:
    tried = ", ".join(plan.candidates)
    lost = f"; {', '.join(diverged)} diverged" if diverged else ""
    return (
        f"auto: {ranked[0]} ranks first of {', '.join(ranked)} after {plan.rung_steps[-1]} steps by how "
        f"steady predictions on the target are; tried were {SOURCE_ONLY}, {tried}{lost}"
    )


def _plan(
    settings: FitSettings, folder: Path, budget: float | None, candidates: Sequence[str]
) -> Plan:
    path = folder / PLAN_NAME
    if path.exists():
        try:
            plan = Plan.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise RecordError(f"{path} is no plan of a search; delete {folder}") from error
        if budget is not None and plan.budget is not None and budget != plan.budget:
            raise RunError(
                f"{folder} was begun with a budget of {plan.budget:g} minutes and has planned its steps: leave "
                "--budget out, or choose another --output"
            )
        return plan
    budget = BUDGET if budget is None else budget
    seconds = _seconds_per_step(settings)
    plan = make_plan(candidates, seconds, 60 * budget).model_copy(update={"budget": budget})
    folder.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, plan.model_dump_json(indent=1) + "\n")
    return plan


def make_plan(candidates: Sequence[str], seconds_per_step: float, budget: float) -> Plan:
    """Steps of every rung and of the final training for a ``budget`` in seconds.

    Every rung costs about the same: half as many candidates train for twice as long. Raises
    ``ConfigurationError`` where a candidate would train for fewer than 20 steps.

    >>> make_plan(["a", "b", "c", "d"], 0.1, 120.0).rung_steps
    (63, 126)
    """
    sizes = [len(candidates)]
    while sizes[-1] > 2:
        sizes.append((sizes[-1] + 1) // 2)
    # source-only takes about half as long as the others
    cost = sum(2**number * (size + 0.5) for number, size in enumerate(sizes))
    steps = budget / seconds_per_step
    first = int(TRIALS * steps / cost)
    if first < LEAST_STEPS:
        needed = LEAST_STEPS * cost * seconds_per_step / TRIALS / 60
        raise ConfigurationError(
            f"--budget {budget / 60:g} minutes leaves {first} steps for each of {len(candidates)} candidates "
            f"here; give {needed:.1f} or more, or choose an --algorithm yourself"
        )
    return Plan(
        candidates=tuple(candidates),
        seconds_per_step=seconds_per_step,
        rung_steps=tuple(first * 2**number for number in range(len(sizes))),
        final_steps=int((1 - TRIALS) * steps / 1.5),
    )


def _seconds_per_step(settings: FitSettings) -> float:
    """Of the first candidate, measured over a few steps whose weights are thrown away."""
    settings = _trial(settings, CANDIDATES[0], _WARM + _TIMED)
    fabric = make_fabric(settings)
    task = open_task(settings)
    settings = choose_network(settings, task.spec)
    return _timed(settings, task, task.source, fabric)


def _timed(settings: FitSettings, task: Task, source: SourceSplits, fabric: Fabric) -> float:
    step = make_step(settings, task).to(fabric.device)
    loader = make_loader(settings, source.train, task, make_algorithm(settings), fabric)
    optimiser = make_optimiser(step, settings)
    total = _WARM + _TIMED
    pauses = train(
        step,
        optimiser,
        loader.between(0, total),
        steps=total,
        pause_at=lambda done: done >= _WARM,
        set_rate=lambda progress: set_learning_rate(optimiser, settings, progress),
    )
    first = next(pauses).floats()  # reading waits for the device
    begun = time.perf_counter()
    for last in islice(pauses, _TIMED):
        first = last.floats()
    assert first
    return (time.perf_counter() - begun) / _TIMED
