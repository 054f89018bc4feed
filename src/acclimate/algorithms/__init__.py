"""Algorithms by name. Adding one: its file, and one line here."""

from acclimate.algorithms import (  # noqa: F401
    adabn,
    dann,
    dann_self_training,
    linear_svm,
    m3sda,
    mi,
    multi_source_dann,
    source_only,
    subspace_alignment,
)
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
