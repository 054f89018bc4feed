"""Train on the data you have labels for; run on the data you don't.

The names below are loaded on first use, so that ``import acclimate`` costs milliseconds and
imports neither torch nor scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "reverse_gradient": "acclimate.layers.gradient_reversal",
    "Algorithm": "acclimate.algorithms.base",
    "networks": "acclimate.models",
    "datasets": "acclimate.data",
    "Domain": "acclimate.data.domain",
    "Step": "acclimate.training.step",
    "train": "acclimate.training.loop",
    "fit": "acclimate.training.fit",
    "FitSettings": "acclimate.training.settings",
    "load_model": "acclimate.training.inference",
    "AdaptedClassifier": "acclimate.estimators",
}

__all__ = ["__version__", *_LAZY]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'acclimate' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
