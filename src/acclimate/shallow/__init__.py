"""Adapters for feature tables and bags of words, by numpy and scipy, as scikit-learn estimators."""

from acclimate.shallow import (
    coral,
    discriminator_weights,
    joint_pca,
    kernel_mean_matching,
    kliep,
    label_propagation,
    linear_optimal_transport,
    msda,
    nearest_neighbour_weights,
    selective_pseudo_labels,
    self_trained_ridge,
    shallow_dann,
    subspace_alignment,
    transfer_components,
    transfer_joint_matching,
    ulsif,
    weighted_classifier,
)
from acclimate.shallow.base import adapters

__all__ = [
    "adapters",
    "coral",
    "discriminator_weights",
    "joint_pca",
    "kernel_mean_matching",
    "kliep",
    "label_propagation",
    "linear_optimal_transport",
    "msda",
    "nearest_neighbour_weights",
    "selective_pseudo_labels",
    "self_trained_ridge",
    "shallow_dann",
    "subspace_alignment",
    "transfer_components",
    "transfer_joint_matching",
    "ulsif",
    "weighted_classifier",
]
