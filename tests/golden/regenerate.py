"""Write ``trajectories.json`` anew: ``python tests/golden/regenerate.py``.

To be done, and looked at in the diff, only when a change is meant to alter what an algorithm
computes. ``test_trajectories.py`` compares with a tolerance that allows for another processor.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from acclimate.algorithms import algorithms
from acclimate.core.types import Batch, Spec
from acclimate.models.network import build_network
from acclimate.objectives import make_objective
from acclimate.training.loop import train
from acclimate.training.optimisers import make_optimiser, set_learning_rate
from acclimate.training.settings import make_settings
from acclimate.training.step import Step

PATH = Path(__file__).with_name("trajectories.json")
STEPS, ITEMS, FEATURES, CLASSES = 20, 12, 5, 3


def draw(*shape: int, seed: int) -> torch.Tensor:
    """Normal numbers from NumPy's generator, whose stream is fixed across versions."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape)).float()


def batch(number: int, target: bool, teacher: bool, clusters: bool = False) -> Batch:
    """Three classes along the first three features; the target is shifted and stretched.

    Clusters of the target are its classes, with every fourth item left out.
    """
    labels = torch.arange(ITEMS) % CLASSES
    means = 2 * torch.eye(CLASSES, FEATURES)[labels]
    source = means + draw(ITEMS, FEATURES, seed=3 * number)
    adapted = 1.5 * means + 0.8 + draw(ITEMS, FEATURES, seed=3 * number + 1)
    weak = adapted + 0.3 * draw(ITEMS, FEATURES, seed=3 * number + 2)
    found = torch.where(torch.arange(ITEMS) % 4 == 3, -1, labels)
    return Batch(
        source,
        labels,
        adapted if target else None,
        weak if teacher else None,
        target_clusters=found if clusters else None,
    )


def make_step(name: str) -> Step:
    """All weights drawn here, so that no change of an initialisation moves the trajectory."""
    kind = algorithms.get(name)
    normalisation = "domain" if kind.keeps_domains_apart else "none"
    options = {"widths": [16], "normalisation": normalisation}
    objective = kind.objectives[0]
    classes = ("a", "b", "c") if objective == "classification" else ()
    network = build_network("mlp", options, Spec((FEATURES,), classes, objective=objective))
    # so that what waits for a sure teacher, or for its time, does something in these few steps, and
    # a second stage, which would leave the source alone, learns it
    wanted = {"threshold": 0.5, "start": 0.0, "critic": (8,), "source": 1.0}
    options = {key: value for key, value in wanted.items() if key in kind.model_fields}
    step = Step(network, kind(**options), averaging=0.9, objective=make_objective(objective, {}))
    with torch.no_grad():
        for number, parameter in enumerate(p for p in step.parameters() if p.requires_grad):
            scale = 0.5 if parameter.ndim == 1 else parameter.shape[1] ** -0.5
            parameter.copy_(scale * draw(*parameter.shape, seed=1000 + number))
        step.average.load_state_dict(step.network.state_dict())
    return step


def trajectory(name: str) -> dict[str, list[float]]:
    """Every logged value of every step."""
    step = make_step(name)
    settings = make_settings(
        source="-", target="-", optimiser="sgd", learning_rate=0.05, schedule="paper"
    )
    optimiser = make_optimiser(step, settings)
    kind = algorithms.get(name)
    pauses = train(
        step,
        optimiser,
        (batch(n, kind.uses_target, kind.uses_teacher, kind.forms_clusters) for n in range(STEPS)),
        steps=STEPS,
        pause_at=lambda done: True,
        set_rate=lambda progress: set_learning_rate(optimiser, settings, progress),
    )
    rows = [logged.floats() for logged in pauses]
    values = {key: [float(f"{row[key]:.8g}") for row in rows] for key in rows[0]}
    final = torch.cat([value.flatten() for value in step.deployed.state_dict().values()])
    return {**values, "deployed weights, norm": [float(f"{final.norm().item():.8g}")]}


def main() -> None:
    stored = {name: trajectory(name) for name in algorithms.names()}
    text = json.dumps(stored, indent=1).replace("\n   ", " ").replace("\n  ]", "]")
    PATH.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
