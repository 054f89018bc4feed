"""Labels of the source, as the classifiers of this folder take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from acclimate.core.errors import InputError


def encoded(
    estimator: BaseEstimator, labels: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """(S,) labels of any type → the (K,) classes, sorted, and (S,) which one each label is.

    Raises ``InputError`` where there are no labels or one class only.
    """
    name = type(estimator).__name__
    if labels is None:
        raise InputError(f"{name} requires y to be passed, but the target y is None")
    labels = column_or_1d(labels, warn=True)
    check_classification_targets(labels)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError(
            f"{name} needs two classes or more, and the source has one class only: {classes[0]!r}"
        )
    return classes, codes
