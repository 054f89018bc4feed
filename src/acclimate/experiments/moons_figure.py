"""Figure 2 of Ganin et al. (JMLR 2016, section 5.1.1) over several seeds: moons, and moons turned by 35°.

Of each seed a plain network (NN, λ = 0) and a domain-adversarial one (DANN, λ = 6) are trained, 15 hidden
units each, by the authors' order of steps and settings. Nothing is chosen: the figure is that of the
first seed asked for, and accuracies are those after the last epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sklearn
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from sklearn.linear_model import LogisticRegression

from acclimate import __version__
from acclimate.core.files import write_text_atomically
from acclimate.data.sets.moons import DEGREES, two_moons
from acclimate.experiments.spread import Spread, spread_of
from acclimate.shallow.shallow_dann import ShallowDANN
from acclimate.training.devices import processor_name

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

NETWORKS = {"NN": 0.0, "DANN": 6.0}
"""Each row of the figure, with its λ."""
HIDDEN, LEARNING_RATE, EPOCHS = 15, 0.05, 500
COUNT, FRESH, SCALE = 300, 1000, 2.0
FIGURE, ACCURACIES = "moons.png", "moons.json"


@dataclass(frozen=True)
class Moons:
    """Points (N, 2) and labels (N,) of both domains; the target's labels only measure."""

    source: Floats
    labels: Labels
    target: Floats
    target_labels: Labels


@dataclass(frozen=True)
class Trained:
    """A network, the points it saw, and what tells domains apart by its hidden layer."""

    name: str
    network: ShallowDANN
    domains: LogisticRegression
    points: Moons


class Accuracy(BaseModel):
    """Of one network and seed, all in [0, 1]; ``oracle`` ones were measured with target labels.

    ``oracle_target``: on the points that were adapted to. ``oracle_fresh_target``: on 1,000 others.
    ``domain``: how often a logistic regression on the hidden layer, fitted to the points of
    training, tells the domain of fresh points; 0.5 is chance.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    seed: int = Field(ge=0)
    source: float = Field(ge=0, le=1)
    oracle_target: float = Field(ge=0, le=1)
    oracle_fresh_target: float = Field(ge=0, le=1)
    domain: float = Field(ge=0, le=1)


COLUMNS = ("source", "oracle_target", "oracle_fresh_target", "domain")


class Line(BaseModel):
    """A network over all seeds."""

    network: str
    domain_weight: float
    seeds: list[int]
    spreads: dict[str, Spread | None]


class MoonsResult(BaseModel):
    """The file of accuracies: what was trained, with what, and what came out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: dict[str, float]
    lines: list[Line]
    accuracies: list[Accuracy]
    acclimate: str
    numpy: str
    scikit_learn: str
    processor: str
    command: str


def draw_moons(seed: int, count: int = COUNT, *, fresh: bool = False) -> Moons:
    """``count`` points of each domain, about the common centre and twice as large as scikit-learn's."""
    first = 4 * seed + 2 * fresh
    source, target = two_moons(count, 0.0, first), two_moons(count, DEGREES, first + 1)
    return Moons(
        np.float32(SCALE) * source.inputs,
        source.labels,
        np.float32(SCALE) * target.inputs,
        target.labels,
    )


def train(points: Moons, name: str, seed: int, epochs: int = EPOCHS) -> Trained:
    """One network by single rows, as the authors train it, and the judge of its hidden layer."""
    network = ShallowDANN(
        HIDDEN,
        NETWORKS[name],
        learning_rate=LEARNING_RATE,
        max_epochs=epochs,
        batch_size=1,
        validation_fraction=0,
        random_state=seed,
    ).fit(points.source, points.labels, X_target=points.target)
    rows, domains = _both(points)
    # hardly regularised, for the adversary is not either
    judge = LogisticRegression(C=1e4, max_iter=20_000).fit(network.hidden_layer(rows), domains)
    return Trained(name, network, judge, points)


def _both(points: Moons) -> tuple[Floats, Labels]:
    """Source rows, then target rows; and 0 for source, 1 for target."""
    rows = np.concatenate([points.source, points.target])
    return rows, np.repeat([0, 1], [len(points.source), len(points.target)])


def measure(trained: Trained, seed: int) -> Accuracy:
    """Accuracies on the points of training and on fresh ones of the same seed."""
    points, fresh = trained.points, draw_moons(seed, FRESH, fresh=True)
    rows, domains = _both(fresh)
    return Accuracy(
        network=trained.name,
        seed=seed,
        source=trained.network.score(points.source, points.labels),
        oracle_target=trained.network.score(points.target, points.target_labels),
        oracle_fresh_target=trained.network.score(fresh.target, fresh.target_labels),
        domain=trained.domains.score(trained.network.hidden_layer(rows), domains),
    )


def reproduce_moons(
    folder: Path,
    seeds: Sequence[int],
    *,
    epochs: int = EPOCHS,
    command: str = "",
    done: Callable[[Accuracy], None] = lambda _: None,
) -> MoonsResult:
    """Train both networks for every seed; write the figure of the first and all accuracies to ``folder``."""
    from acclimate.experiments.figures import write_figure
    from acclimate.experiments.moons_drawing import draw

    measured: list[Accuracy] = []
    shown: list[tuple[Trained, Accuracy]] = []
    for seed in seeds:
        points = draw_moons(seed)
        for name in NETWORKS:
            trained = train(points, name, seed, epochs)
            measured.append(measure(trained, seed))
            done(measured[-1])
            if seed == seeds[0]:
                shown.append((trained, measured[-1]))
    result = MoonsResult(
        settings={
            "hidden": HIDDEN,
            "learning_rate": LEARNING_RATE,
            "epochs": epochs,
            "points": COUNT,
            "fresh_points": FRESH,
            "degrees": DEGREES,
        },
        lines=[summarise(name, measured) for name in NETWORKS],
        accuracies=measured,
        acclimate=__version__,
        numpy=np.__version__,
        scikit_learn=sklearn.__version__,
        processor=processor_name(),
        command=command,
    )
    write_figure(folder / FIGURE, draw(shown))
    write_text_atomically(folder / ACCURACIES, result.model_dump_json(indent=1) + "\n")
    return result


def summarise(name: str, measured: Sequence[Accuracy]) -> Line:
    """The spread of a network's accuracies over its seeds."""
    own = [each for each in measured if each.network == name]
    return Line(
        network=name,
        domain_weight=NETWORKS[name],
        seeds=[each.seed for each in own],
        spreads={column: spread_of([getattr(each, column) for each in own]) for column in COLUMNS},
    )
