"""Counts of nearest neighbours against all distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from acclimate.core.errors import InputError
from acclimate.shallow.nearest_neighbour_weights import NearestNeighbourWeights


@pytest.mark.parametrize("smoothing", [0.0, 1.0, 2.5])
def test_weights_count_the_rows_that_are_nearest(source, target, smoothing):
    X, X_target = source[0], target[0]
    nearest = cdist(X_target, X).argmin(1)
    counts = np.array([(nearest == row).sum() for row in range(len(X))]) + smoothing
    found = NearestNeighbourWeights(smoothing).fit(X, X_target=X_target).weights_
    np.testing.assert_allclose(found, counts / counts.mean())


def test_much_smoothing_makes_all_alike(source, target):
    found = NearestNeighbourWeights(1e9).fit(source[0], X_target=target[0]).weights_
    np.testing.assert_allclose(found, 1, atol=1e-6)


def test_counts_cannot_be_lowered(source, target):
    with pytest.raises(InputError, match="smoothing is -1; give 0 or more"):
        NearestNeighbourWeights(-1).fit(source[0], X_target=target[0])
