"""Adapters for feature tables and bags of words, by numpy and scipy, as scikit-learn estimators."""

from acclimate.shallow import joint_pca, subspace_alignment
from acclimate.shallow.base import adapters

__all__ = ["adapters", "joint_pca", "subspace_alignment"]
