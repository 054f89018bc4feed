"""Algorithms by name. Adding one: its file, and one line here."""

from acclimate.algorithms import (  # noqa: F401
    adabn,
    adda,
    afn,
    atdoc,
    bnm,
    bsp,
    cdan,
    cmd,
    dan,
    dann,
    dann_self_training,
    deep_coral,
    deep_jdot,
    dirt_t,
    domain_confusion,
    fda,
    information_maximisation,
    jan,
    linear_svm,
    m3sda,
    mcc,
    mcd,
    mdd,
    mean_teacher,
    mi,
    mixup,
    mme,
    multi_source_dann,
    self_training,
    shallow,
    shot,
    source_only,
    subspace_alignment,
    swd,
    vada,
    vat,
    wdgrl,
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
