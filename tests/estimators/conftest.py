"""Two clouds of two classes; the target's lie elsewhere, so that source-only fails there."""

import numpy as np
import pytest

SHIFT = np.array([1.5, 4.0, 0.0])


def clouds(count, seed, shift=0.0):
    draws = np.random.default_rng(seed)
    y = draws.integers(0, 2, count)
    X = draws.normal(size=(count, 3)) * 0.7
    X[:, 0] += 3 * y
    return X + shift, np.array(["cat", "dog"])[y]


@pytest.fixture
def source():
    return clouds(120, 0)


@pytest.fixture
def target():
    return clouds(110, 1, SHIFT)
