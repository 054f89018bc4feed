"""Hyper-parameters without labels of the target: the paper's reverse validation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from acclimate.core.errors import InputError
from acclimate.experiments.amazon.representations import Task

Options = Mapping[str, Any]


class Choice(NamedTuple):
    """``options`` with the lowest ``risk``: share of held-out source rows, in [0, 1]."""

    options: dict[str, Any]
    risk: float


def choose(
    make: Callable[..., Any], grid: Iterable[Options], task: Task, seed: int, adapts: bool
) -> Choice:
    """The first of the options with the lowest reverse risk; ``make(**options)`` is a classifier.

    Ganin et al., JMLR 2016, section 5.1.2. ``adapts``: its ``fit`` takes ``X_target``.
    """
    risks = [(reverse_risk(make(**options), task, seed, adapts), options) for options in grid]
    risk, options = min(risks, key=lambda pair: pair[0])
    return Choice(dict(options), risk)


def reverse_risk(model: Any, task: Task, seed: int, adapts: bool) -> float:
    """Error on held-out source rows of a model that learnt from the target as ``model`` labelled it.

    A tenth of each domain is set aside. The reverse model begins with the forward one's weights,
    where it has any to begin with.
    """
    draws = np.random.default_rng(seed)
    shown, held = _ninety_ten(task.source.rows.shape[0], draws)
    others, _ = _ninety_ten(task.target.rows.shape[0], draws)
    source, target = task.source.rows[shown], task.target.rows[others]
    forward = clone(model).fit(source, task.source.labels[shown], **_side(adapts, target))
    guessed = forward.predict(target)
    backward = copy.deepcopy(forward)
    if "warm_start" in model.get_params():
        backward.set_params(warm_start=True)
    try:
        backward.fit(target, guessed, **_side(adapts, source))
    except (InputError, ValueError):
        if len(np.unique(guessed)) > 1:
            raise
        return 1.0  # all of one class: nothing can be learnt from that
    wrong = backward.predict(task.source.rows[held]) != task.source.labels[held]
    return float(np.mean(wrong))


def _side(adapts: bool, rows: Any) -> dict[str, Any]:
    return {"X_target": rows} if adapts else {}


def _ninety_ten(count: int, draws: np.random.Generator) -> tuple[Any, Any]:
    order = draws.permutation(count)
    return order[count // 10 :], order[: count // 10]
