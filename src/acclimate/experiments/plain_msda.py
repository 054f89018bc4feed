"""mSDA as the paper's equations read: what ours is measured against.

Float64, the normal equations of every layer as they are printed, solved by Cholesky. Nothing of it is
ours. ``plain_msda_by_elimination`` solves them as the authors' program and what is public in numpy do,
which do not use that the matrix is symmetric.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Floats = NDArray[np.float64]
Solve = Callable[[Floats, Floats], Floats]


def by_cholesky(matrix: Floats, right: Floats) -> Floats:
    found: Floats = cho_solve(cho_factor(matrix), right)
    return found


def by_elimination(matrix: Floats, right: Floats) -> Floats:
    found: Floats = np.linalg.solve(matrix, right)  # type: ignore[assignment]
    return found


def plain_msda_by_elimination(fitted: Any, mapped: Any) -> tuple[Floats, Floats]:
    return plain_msda(fitted, mapped, solve=by_elimination)


def plain_msda(
    fitted: Any,
    mapped: Any,
    layers: int = 5,
    corruption: float = 0.5,
    ridge: float = 1e-5,
    solve: Solve = by_cholesky,
) -> tuple[Floats, Floats]:
    """Rows and hidden layers of ``fitted`` (N, D) and ``mapped`` (M, D) CSR: (N, D (L + 1)), (M, …)."""
    below, beside = (rows.toarray().astype(np.float64).T for rows in (fitted, mapped))
    outputs, others = [below], [beside]
    width = len(below)
    stay = np.append(np.full(width, 1 - corruption), 1.0)
    regularised = np.append(np.full(width, ridge), 0.0)
    for _ in range(layers):
        inputs = np.vstack([below, np.ones(below.shape[1])])
        scatter = inputs @ inputs.T
        expected = scatter * np.outer(stay, stay)
        np.fill_diagonal(expected, np.diag(scatter) * stay)
        # features that never occur leave rows of zeros
        expected[np.diag_indices(width + 1)] += regularised
        weights = solve(expected, (scatter[:-1] * stay).T).T
        below = np.tanh(weights @ inputs)
        beside = np.tanh(weights @ np.vstack([beside, np.ones(beside.shape[1])]))
        outputs.append(below)
        others.append(beside)
    return np.vstack(outputs).T, np.vstack(others).T
