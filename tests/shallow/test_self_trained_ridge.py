"""Without rounds it is scikit-learn's ridge; with them, what the dual says is what the primal says."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import RidgeCV

from acclimate.core.errors import InputError
from acclimate.shallow.self_trained_ridge import ALPHAS, SelfTrainedRidge


def unit(*parts):
    """Mean squared length of a centred row of all parts together."""
    rows = np.concatenate(parts)
    return ((rows - rows.mean(0)) ** 2).sum(1).mean()


def test_without_rounds_it_is_ridge_regression(source, target):
    model = SelfTrainedRidge(0.3, rounds=0).fit(*source, X_target=target[0])
    wanted = np.where(source[1] == "yes", 1.0, -1.0)
    both = np.concatenate([source[0], target[0]]).mean(0)
    expected = _dual_reference(source[0] - both, wanted, 0.3 * unit(source[0], target[0]))
    np.testing.assert_allclose(model.decision_function(target[0]), expected(target[0] - both))


def _dual_reference(X, y, alpha):
    """Least squares with the label's mean as offset, weights penalised."""
    offset = y.mean()
    weights = np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T @ (y - offset))
    return lambda rows: rows @ weights + offset


def test_alpha_has_the_lowest_error_left_out(source):
    model = SelfTrainedRidge(rounds=0).fit(*source)
    wanted = np.where(source[1] == "yes", 1.0, -1.0)
    reference = RidgeCV([alpha * unit(source[0]) for alpha in ALPHAS]).fit(source[0], wanted)
    assert model.alpha_ * unit(source[0]) == pytest.approx(reference.alpha_)


@pytest.mark.parametrize("rounds", [1, 3])
def test_rounds_by_the_primal(rounds, source, target):
    """The same rounds with D × D normal equations."""
    X = np.concatenate([source[0], target[0]])
    mean, alpha = X.mean(0), 0.1 * unit(X)
    X = X - mean
    y = np.where(source[1] == "yes", 1.0, -1.0)
    score = _dual_reference(X[: len(y)], y, alpha)(X[len(y) :])
    share = np.mean(y > 0)
    for _ in range(rounds):
        shifted = score - np.quantile(score, 1 - share)
        labels = np.concatenate([y, np.clip(shifted / shifted.std(), -1, 1)])
        predict = _dual_reference(X, labels, alpha)
        score = predict(X[len(y) :])
    model = SelfTrainedRidge(0.1, rounds=rounds).fit(*source, X_target=target[0])
    if model.rounds_ == rounds:
        np.testing.assert_allclose(
            model.decision_function(target[0]), score - np.quantile(score, 1 - share), atol=1e-9
        )
    else:
        assert model.rounds_ < rounds


def test_shares_are_kept_or_not(source, target):
    few = np.concatenate([target[0][target[1] == "yes"], target[0][target[1] == "no"][:3]])
    kept = SelfTrainedRidge().fit(*source, X_target=few).predict(few)
    free = SelfTrainedRidge(keep_shares=False).fit(*source, X_target=few).predict(few)
    share = np.mean(source[1] == "yes")
    assert abs(np.mean(kept == "yes") - share) < 0.1
    assert np.mean(free == "yes") > np.mean(kept == "yes")


def test_it_learns_from_the_target():
    """The source says nothing of the feature that tells the target's classes apart most clearly."""
    draws = np.random.default_rng(0)
    y = np.repeat([0, 1], 200)
    X = np.c_[y + 0.7 * draws.normal(size=400), 0.01 * draws.normal(size=400)]
    X_target = np.c_[y + 0.7 * draws.normal(size=400), 3 * y + 0.3 * draws.normal(size=400)]
    accuracies = [
        SelfTrainedRidge(0.01, rounds=rounds).fit(X, y, X_target=X_target).score(X_target, y)
        for rounds in (0, 10)
    ]
    assert accuracies[1] > accuracies[0] + 0.05


def test_sparse_rows_say_the_same(source, target):
    dense = SelfTrainedRidge().fit(*source, X_target=target[0])
    thin = SelfTrainedRidge().fit(
        sparse.csr_matrix(source[0]), source[1], X_target=sparse.csr_matrix(target[0])
    )
    np.testing.assert_allclose(
        thin.decision_function(target[0]), dense.decision_function(target[0]), atol=1e-8
    )


def test_impossible_options(source):
    with pytest.raises(InputError, match="alpha is -1"):
        SelfTrainedRidge(-1.0).fit(*source)
