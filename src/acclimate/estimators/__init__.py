"""The scikit-learn door: the engine's algorithms as one classifier."""

from acclimate.estimators.adapted_classifier import AdaptedClassifier

__all__ = ["AdaptedClassifier"]
