"""Who looks at checkpoints, by what labels mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch

from acclimate.algorithms import Algorithm
from acclimate.core.records import Evaluation, RunRecord
from acclimate.core.registry import Registry
from acclimate.models.network import Network
from acclimate.objectives import Retrieval
from acclimate.training.evaluate import Evaluator
from acclimate.training.parts import objective_of
from acclimate.training.retrieval_evaluator import RetrievalEvaluator
from acclimate.training.settings import FitSettings
from acclimate.training.task import Task
from acclimate.validators import validators
from acclimate.validators.retrieval import retrieval_validators


class LooksAtCheckpoints(Protocol):
    """What a run asks about its networks."""

    def evaluate(
        self, network: Network, step: int, seconds: float, validator: str = "default"
    ) -> tuple[Evaluation, Any]:
        """The point of the curves, and what label-free scores were computed from."""
        ...

    def store(self, path: Path, evidence: Any) -> None:
        """Keep what scores can be computed from again."""
        ...

    def finish(self, network: Network, record: RunRecord, folder: Path, seed: int) -> None:
        """Measure the chosen network into ``record`` and write what the report looks at."""
        ...


def make_evaluator(
    task: Task, settings: FitSettings, device: torch.device, algorithm: Algorithm
) -> LooksAtCheckpoints:
    """The one for the task's objective."""
    objective = objective_of(settings)
    if isinstance(objective, Retrieval):
        centred = any(part.centres_cameras for part in algorithm.members)
        return RetrievalEvaluator(task, device, algorithm.oracle, objective.mirrored, centred)
    return Evaluator(task, device, algorithm.oracle)


def score_names(objective: str) -> Registry[Any]:
    """The label-free scores of an objective."""
    return retrieval_validators if objective == "retrieval" else validators


def chance_of(task: Task) -> int:
    """One in how many is right by chance: classes, or the held-out identities."""
    held_out = task.source.validation.labels
    if task.spec.objective == "retrieval" and held_out is not None:
        return max(1, len(held_out.unique()))
    return task.spec.class_count


def all_finite(evidence: Any) -> bool:
    """Whether what a network said of the held-out items is numbers throughout: else it is no model."""
    said = [each for each in vars(evidence).values() if isinstance(each, torch.Tensor)]
    return all(bool(torch.isfinite(each).all()) for each in said)
