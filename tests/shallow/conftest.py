"""Two small domains of which the target is turned and shifted."""

import numpy as np
import pytest


def draw(count, seed, angle=0.0, shift=0.0):
    draws = np.random.default_rng(seed)
    y = draws.integers(0, 2, count)
    X = draws.normal(size=(count, 5))
    X[:, 0] += 3 * y
    X[:, 2:] *= 0.3
    turn = np.eye(5)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return X @ turn + shift, np.array(["no", "yes"])[y]


@pytest.fixture
def source():
    return draw(60, 0)


@pytest.fixture
def target():
    return draw(50, 1, angle=0.5, shift=0.7)
