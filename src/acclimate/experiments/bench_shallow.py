"""Shallow adapters beside other implementations of the same methods: seconds, memory, accuracy.

Every measurement has a process of its own, so that its peak of memory is its own; the two sides of
a comparison take turns. A method may be compared with several others.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from acclimate.core.errors import UnknownNameError, near_miss
from acclimate.experiments.amazon.representations import Part, Representations, Task
from acclimate.experiments.own_process import in_own_process

SOURCE, TARGET = "books", "dvd"
COMPONENTS = 100


class Adapted(NamedTuple):
    """``source`` (S, W) and ``test`` (N, W) rows as adapted; ``weights`` (S,) or ``None``."""

    source: Any
    test: Any
    weights: Any = None


Side = Callable[[Task], Adapted]


@dataclass(frozen=True)
class Comparison:
    """``features``: counts, words or ``dense words``; ``other``: whose implementation ours is held against.

    A name and another are together its own.
    """

    name: str
    features: str
    ours: Side
    other: str
    theirs: Side
    strength: float = 0.01


@dataclass(frozen=True)
class Measured:
    """Medians over the rounds; ``ratio`` of seconds, theirs over ours, round by round."""

    name: str
    other: str
    ours: Figures
    theirs: Figures
    ratio: float
    lowest: float
    highest: float


class Figures(NamedTuple):
    """``accuracy``: of logistic regression on what was adapted, on the target's test rows (oracle)."""

    seconds: float
    peak_mib: float
    accuracy: float


def _our_msda(task: Task) -> Adapted:
    from acclimate.shallow.msda import MSDA

    model = MSDA()
    source = model.fit_transform(task.source.rows, X_target=task.target.rows)
    return Adapted(source, model.transform(task.test.rows))


def _plain_msda(name: str) -> Side:
    def adapt(task: Task) -> Adapted:
        from scipy import sparse

        from acclimate.experiments import plain_msda

        fitted = sparse.vstack([task.source.rows, task.target.rows])
        train, test = getattr(plain_msda, name)(fitted, task.test.rows)
        return Adapted(train[: task.source.rows.shape[0]], test)

    return adapt


def _ours(make: Callable[[], Any]) -> Side:
    def adapt(task: Task) -> Adapted:
        adapter = make()
        source = adapter.fit_transform(*task.source, X_target=task.target.rows)
        return Adapted(source, adapter.transform(task.test.rows))

    return adapt


def _our_weights(task: Task) -> Adapted:
    from acclimate.shallow.kernel_mean_matching import KernelMeanMatching

    weights = KernelMeanMatching().fit(task.source.rows, X_target=task.target.rows).weights_
    return Adapted(task.source.rows, task.test.rows, weights)


def _skadas(make: Callable[[], Any]) -> Side:
    def adapt(task: Task) -> Adapted:
        adapter = make()
        rows = np.concatenate([task.source.rows, task.target.rows])
        count = len(task.source.rows)
        domains = np.repeat([1, -2], [count, len(rows) - count])
        labels = np.concatenate([task.source.labels, np.zeros(len(rows) - count, int)])
        found = adapter.fit_transform(rows, labels, sample_domain=domains)
        if isinstance(found, tuple):  # the rows, and last what else is to be passed on
            weights = found[-1]["sample_weight"][:count]
            return Adapted(task.source.rows, task.test.rows, weights)
        test = adapter.transform(task.test.rows, sample_domain=np.full(len(task.test.rows), -2))
        return Adapted(found[:count], test)

    return adapt


def _adapts(name: str, **options: Any) -> Side:
    """A linear method of the library adapt, of what it has without TensorFlow."""

    def adapt(task: Task) -> Adapted:
        from acclimate.experiments.peer_adapt import linear_method

        method = linear_method(name, verbose=0, **options)()
        source = method.fit_transform(task.source.rows, task.target.rows)
        return Adapted(source, method.transform(task.test.rows, domain="tgt"))

    return adapt


def _make(module: str, name: str, **options: Any) -> Callable[[], Any]:
    def made() -> Any:
        from importlib import import_module

        return getattr(import_module(module), name)(**options)

    return made


_ALIGNMENT = _ours(
    _make("acclimate.shallow.subspace_alignment", "SubspaceAlignment", n_components=COMPONENTS)
)
_CORAL = _ours(_make("acclimate.shallow.coral", "CORAL", regularisation=0.1))
_TRANSFER = _ours(
    _make("acclimate.shallow.transfer_components", "TransferComponents", n_components=COMPONENTS)
)
_LINEAR: dict[str, Any] = {"n_components": COMPONENTS, "kernel": "linear"}

COMPARISONS = (
    Comparison(
        *("msda", "counts", _our_msda),
        *("the equations in float64", _plain_msda("plain_msda")),
        strength=0.001,
    ),
    Comparison(
        *("msda", "counts", _our_msda),
        *("the same by elimination, as published", _plain_msda("plain_msda_by_elimination")),
        strength=0.001,
    ),
    Comparison(
        *("subspace-alignment", "dense words", _ALIGNMENT),
        *("skada", _skadas(_make("skada", "SubspaceAlignmentAdapter", n_components=COMPONENTS))),
    ),
    Comparison(
        *("subspace-alignment", "dense words", _ALIGNMENT),
        *("adapt", _adapts("SA", n_components=COMPONENTS)),
    ),
    Comparison(
        *("coral", "dense words", _CORAL),
        *("skada", _skadas(_make("skada", "CORALAdapter", reg=0.1))),
    ),
    Comparison(*("coral", "dense words", _CORAL), *("adapt", _adapts("CORAL", lambda_=0.1))),
    Comparison(
        *("transfer-components", "dense words", _TRANSFER),
        *("skada", _skadas(_make("skada", "TransferComponentAnalysisAdapter", **_LINEAR))),
    ),
    Comparison(
        *("transfer-components", "dense words", _TRANSFER), *("adapt", _adapts("TCA", **_LINEAR))
    ),
    Comparison(
        *("kernel-mean-matching", "dense words", _our_weights),
        *("skada", _skadas(_make("skada", "KMMReweightAdapter"))),
    ),
)


def find(names: Sequence[str]) -> list[Comparison]:
    """The comparisons called ``names``, all without any; raises ``UnknownNameError``."""
    known = list(dict.fromkeys(each.name for each in COMPARISONS))
    for name in names:
        if name not in known:
            raise UnknownNameError(f"no comparison {name!r}.{near_miss(name, known)}")
    return [each for name in names or known for each in COMPARISONS if each.name == name]


def bench(
    comparison: Comparison, rounds: int, threads: int | None, task: Task | None = None
) -> Measured:
    """Both sides in turn. Raises ``RunError`` where one of them failed, with its last line."""
    pairs = [
        tuple(_apart(comparison, side, threads, task) for side in ("ours", "theirs"))
        for _ in range(rounds)
    ]
    ours, theirs = (_median(side) for side in zip(*pairs, strict=True))
    ratios = [second.seconds / first.seconds for first, second in pairs]
    return Measured(
        comparison.name,
        comparison.other,
        ours,
        theirs,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
    )


def _median(rounds: Sequence[Figures]) -> Figures:
    return Figures(*map(statistics.median, zip(*rounds, strict=True)))


def _apart(comparison: Comparison, side: str, threads: int | None, task: Task | None) -> Figures:
    whose = "ours" if side == "ours" else comparison.other
    # the comparison's place: its functions are not to be pickled
    place = COMPARISONS.index(comparison)
    arguments = (place, side, threads, task)
    return Figures(*in_own_process(f"{comparison.name}, {whose}", _measure, *arguments))


def _measure(
    place: int, side: str, threads: int | None, task: Task | None
) -> tuple[float, float, float]:
    from threadpoolctl import threadpool_limits

    from acclimate.training.devices import peak_memory_mib

    warnings.simplefilter("ignore")
    comparison = COMPARISONS[place]
    task = _task(comparison.features) if task is None else task
    with threadpool_limits(threads):
        adapt = comparison.ours if side == "ours" else comparison.theirs
        start = time.perf_counter()
        found = adapt(task)
        seconds = time.perf_counter() - start
        peak = peak_memory_mib()
    machine = LogisticRegression(C=comparison.strength, solver="liblinear")
    machine.fit(found.source, task.source.labels, sample_weight=found.weights)
    return seconds, peak, machine.score(found.test, task.test.labels)


def _task(features: str) -> Task:
    made = Representations(Path())
    if features == "counts":
        return made.counts(SOURCE, TARGET)
    words = made.weighted(SOURCE, TARGET)
    return Task(*(Part(part.rows.toarray(), part.labels) for part in words))
