"""Algorithms by name. Adding one: its file, and one line here."""

from acclimate.algorithms import dann, dann_self_training, mi, source_only  # noqa: F401
from acclimate.algorithms.base import (
    Algorithm,
    LastLayer,
    LastLayerMaterial,
    Phase,
    Terms,
    algorithms,
)

DEFAULT = "dann-self-training"

__all__ = ["DEFAULT", "Algorithm", "LastLayer", "LastLayerMaterial", "Phase", "Terms", "algorithms"]
