"""Training in memory: the engine's step, loop and label-free choice, without a run folder."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from acclimate.core.errors import InputError
from acclimate.core.records import DomainSummary, Estimate, Evaluation
from acclimate.core.seeding import derive_seed, generator
from acclimate.core.types import Spec
from acclimate.data.domain import Domain
from acclimate.data.preprocessing import Preprocessing, fit_preprocessing
from acclimate.data.splits import SourceSplits, TargetSplits, split_source
from acclimate.models.files import parameter_count
from acclimate.models.network import Network
from acclimate.training.devices import make_fabric
from acclimate.training.evaluate import Evaluator
from acclimate.training.evaluators import all_finite
from acclimate.training.last_layer import replace_last_layer
from acclimate.training.loop import train
from acclimate.training.optimisers import make_optimiser, set_learning_rate
from acclimate.training.parts import make_algorithm, make_loader, make_step
from acclimate.training.settings import FitSettings
from acclimate.training.step import Step
from acclimate.training.stored import spread
from acclimate.training.task import Task
from acclimate.validators.estimate import estimate_accuracy

#: rows of a domain from which on some are set aside to choose the checkpoint by
ENOUGH = 100
#: multiplications in one pass of a batch through a network that one thread does as fast as two
SMALL = 5_000_000


@dataclass
class Trained:
    """What training leaves: the chosen network and how the choice came about."""

    network: Network
    preprocessing: Preprocessing
    step: int
    estimate: Estimate | None
    evaluations: list[Evaluation] = field(default_factory=list)


def make_task(
    settings: FitSettings,
    source: Domain,
    target: Domain,
    labelled: Domain | None,
    validation_fraction: float,
) -> tuple[Task, bool]:
    """The two domains split, and whether rows were set aside; with few rows none are.

    ``target`` may carry 1 as the label of rows that are among the ``labelled`` ones, which are trained
    on: none of these is set aside.
    """
    free = torch.arange(len(target))
    if target.labels is not None:
        free, target = free[target.labels == 0], target.unlabelled()
    held_out = validation_fraction > 0 and min(len(source), len(free)) >= ENOUGH
    if held_out:
        sources = split_source(source, fraction=validation_fraction, seed=settings.split_seed)
        order = free[
            torch.randperm(len(free), generator=generator(settings.split_seed, "split", "target"))
        ]
        count = max(1, round(len(free) * validation_fraction))
        others = torch.ones(len(target), dtype=torch.bool)
        others[order[:count]] = False
        aside, adapt = (
            target.subset(order[:count].sort().values),
            target.subset(others.nonzero()[:, 0]),
        )
        targets = TargetSplits(adapt, aside, aside, None, labelled)
    else:
        sources = SourceSplits(source, source)
        targets = TargetSplits(target, target, target, None, labelled)
    kind = settings.preprocessing
    if not source.is_image and kind == "per-image":
        kind = "standard"
    preprocessing = fit_preprocessing(kind, sources.train, targets.adapt)
    spec = Spec(source.input_shape, source.class_names, max(1, len(source.place_names)))
    summaries = _summary(source, sources.train), _summary(target, targets.adapt)
    return Task(sources, targets, spec, preprocessing, summaries), held_out


def _summary(domain: Domain, trained_on: Domain) -> DomainSummary:
    return DomainSummary(
        name=domain.name,
        shape=domain.input_shape,
        class_names=list(domain.class_names),
        items={"train": len(trained_on)},
        skipped=[],
    )


def train_in_memory(settings: FitSettings, task: Task, choose: bool) -> Trained:
    """Train; with ``choose`` keep the best of several checkpoints by ``settings.validator``, else the last.

    Raises ``InputError`` when the loss is no longer finite before there is a checkpoint.
    """
    step = make_step(settings, task)
    # the loop seeds torch's global generator for what a step draws, which is nobody else's business
    with _fitting_threads(step.network, settings.batch_size), torch.random.fork_rng():
        return _train(settings, task, choose, step)


@contextmanager
def _fitting_threads(network: Network, batch_size: int) -> Iterator[None]:
    """One thread where a step is too small to be shared: threads that wait for each other cost more."""
    before = torch.get_num_threads()
    small = len(network.spec.input_shape) == 1 and parameter_count(network) * batch_size < SMALL
    try:
        torch.set_num_threads(1 if small else before)
        yield
    finally:
        torch.set_num_threads(before)


def _train(settings: FitSettings, task: Task, choose: bool, step: Step) -> Trained:
    fabric = make_fabric(settings)
    algorithm = make_algorithm(settings)
    evaluator = Evaluator(task, fabric.device)
    step.to(fabric.device)
    optimiser = make_optimiser(step, settings)
    loader = make_loader(settings, task.source.train, task, algorithm, fabric)
    wrapped, fast = fabric.setup(step, optimiser)
    steps = settings.step_count(len(task.source.train))
    interval = max(1, math.ceil(steps / settings.evaluations)) if choose else steps
    chosen: tuple[float, int, Network] | None = None
    evaluations: list[Evaluation] = []
    for logged in train(
        step,
        fast,
        loader.between(0, steps),
        steps=steps,
        pause_at=lambda done: done % interval == 0,
        set_rate=lambda progress: set_learning_rate(optimiser, settings, progress),
        backward=fabric.backward,
        forward=wrapped,
        sharpness=settings.sharpness,
        seed=derive_seed(settings.seed, "rank", 0),
    ):
        if not math.isfinite(logged.floats()["loss"]):
            break
        score = 0.0
        if choose:
            evaluation, evidence = evaluator.evaluate(
                step.deployed, logged.step, 0.0, settings.validator
            )
            evaluations.append(evaluation)
            score = evaluation.scores[settings.validator]
            if not all_finite(evidence):
                continue
        # of equal ones the later; a score that is no number is worse than any other
        if chosen is None or score >= chosen[0] or math.isnan(chosen[0]):
            chosen = score, logged.step, copy.deepcopy(step.deployed)
    if chosen is None:
        raise InputError(
            f"training with learning_rate={settings.learning_rate:g} diverged before its first "
            "checkpoint: give a smaller one, or scale the features"
        )
    network = chosen[2].eval()
    replace_last_layer(network, algorithm, task.source.train, evaluator, settings)
    estimate = _estimate(evaluator, network, task, settings) if choose else None
    return Trained(network.cpu(), task.preprocessing, chosen[1], estimate, evaluations)


def _estimate(
    evaluator: Evaluator, network: Network, task: Task, settings: FitSettings
) -> Estimate:
    source, target = task.source.validation, task.target.evaluate
    assert source.labels is not None
    logits, _ = evaluator.outputs(network, target)
    # a row that was given several times counts as often
    ours, theirs = _times(source), _times(target)
    return estimate_accuracy(
        evaluator.source_outputs(network, source)[0].repeat_interleave(ours, 0),
        source.labels.repeat_interleave(ours),
        logits.repeat_interleave(theirs, 0),
        evaluator.survived(network, target, logits).repeat_interleave(theirs[spread(len(target))]),
        seed=settings.seed,
    )


def _times(domain: Domain) -> Tensor:
    """How often each row was given, (N,) int64; 1 for each where weights are no whole numbers."""
    weights = domain.weights
    if weights is None or not torch.equal(weights, weights.round()):
        return torch.ones(len(domain), dtype=torch.int64)
    return weights.long()
