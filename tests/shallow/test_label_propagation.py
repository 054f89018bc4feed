"""Spread labels against the closed form of Zhou et al. and against scikit-learn's LabelSpreading."""

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import LabelSpreading

from acclimate.core.errors import InputError
from acclimate.shallow.label_propagation import LabelPropagationClassifier


def symmetric_graph(rows, neighbours):
    distances = cdist(rows, rows)
    np.fill_diagonal(distances, np.inf)
    graph = np.zeros(distances.shape)
    nearest = distances.argsort(1)[:, :neighbours]
    np.put_along_axis(graph, nearest, 1, 1)
    return np.maximum(graph, graph.T)


@pytest.mark.parametrize("alpha", [0.2, 0.9, 0.99])
def test_shares_are_those_of_the_closed_form(source, target, alpha):
    """F* = (1 − α) (I − α S)⁻¹ Y, each row then divided by its sum."""
    rows = np.concatenate([source[0], target[0]])
    graph = symmetric_graph(rows, 7)
    scale = graph.sum(1) ** -0.5
    given = np.zeros((110, 2))
    given[np.arange(60), (source[1] == "yes") * 1] = 1
    spread = np.linalg.solve(np.eye(110) - alpha * scale[:, None] * graph * scale, given)
    expected = spread / spread.sum(1, keepdims=True)
    fitted = LabelPropagationClassifier(alpha=alpha, tol=1e-9).fit(*source, X_target=target[0])
    np.testing.assert_allclose(fitted.label_distributions_, expected, atol=1e-5)
    labels = np.array(["no", "yes"])[expected[60:].argmax(1)]
    np.testing.assert_array_equal(fitted.transduction_, labels)


def test_it_is_label_spreading_of_scikit_learn(source, target):
    """With the graph computed beforehand, and labels that it does not take for unlabelled."""
    rows = np.concatenate([source[0], target[0]])
    theirs = LabelSpreading(lambda X, _: symmetric_graph(X, 5), alpha=0.8, max_iter=500)
    theirs.fit(rows, np.concatenate([(source[1] == "yes") * 1, np.full(50, -1)]))
    fitted = LabelPropagationClassifier(5, alpha=0.8, max_iter=500).fit(*source, X_target=target[0])
    np.testing.assert_allclose(fitted.label_distributions_, theirs.label_distributions_)


def test_labels_follow_moons_that_turn():
    """Two moons turned by 30°: a line drawn for the source is wrong for many, the graph for few."""
    X, y = make_moons(200, noise=0.05, random_state=0)
    turn = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
    X_target, y_target = make_moons(150, noise=0.05, random_state=1)
    X_target = X_target @ turn
    fitted = LabelPropagationClassifier().fit(X, y, X_target=X_target)
    plain = LogisticRegression().fit(X, y).score(X_target, y_target)
    assert (fitted.transduction_ == y_target).mean() > plain + 0.05
    again, y_again = make_moons(100, noise=0.05, random_state=2)
    assert fitted.score(again @ turn, y_again) > plain + 0.05


@pytest.mark.parametrize("names", [["no", "yes", "maybe"], [-1, 0, 1], [-1, 1]])
def test_no_label_is_taken_for_unlabelled(names):
    draws = np.random.default_rng(0)
    codes = draws.integers(0, len(names), 90)
    X = draws.normal(size=(90, 2)) + 9 * codes[:, None]
    y = np.array(names)[codes]
    fitted = LabelPropagationClassifier().fit(X[:50], y[:50], X_target=X[50:])
    np.testing.assert_array_equal(fitted.classes_, np.unique(y))
    np.testing.assert_array_equal(fitted.transduction_, y[50:])
    np.testing.assert_array_equal(fitted.predict(X), y)


def test_rows_that_no_label_reaches_take_those_of_the_nearest_that_has_some():
    """Two islands of target rows, each with its own neighbours only, on either side of the source."""
    draws = np.random.default_rng(0)
    X = np.concatenate([draws.normal(-10, 1, (20, 1)), draws.normal(10, 1, (20, 1))])
    far = draws.normal(size=(30, 1)) + np.repeat([-90.0, 90.0], 15)[:, None]
    fitted = LabelPropagationClassifier(4).fit(X, np.repeat([7, 3], 20), X_target=far)
    np.testing.assert_array_equal(fitted.transduction_, np.repeat([7, 3], 15))
    np.testing.assert_allclose(fitted.predict_proba([[-200.0], [200.0]]), [[0, 1], [1, 0]])


def test_both_spellings_and_one_domain(source, target):
    X, y = np.concatenate([target[0], source[0]]), np.concatenate([target[1], source[1]])
    together = LabelPropagationClassifier().fit(X, y, sample_domain=np.repeat([-1, 0], [50, 60]))
    apart = LabelPropagationClassifier().fit(*source, X_target=target[0])
    np.testing.assert_array_equal(together.transduction_, apart.transduction_)
    alone = LabelPropagationClassifier().fit(*source)
    assert alone.transduction_.shape == (60,)
    assert alone.score(*source) > 0.9


def test_sparse_rows_stay_sparse(source, target):
    slim = [sparse.csr_array(rows) for rows in (source[0], target[0])]
    found = LabelPropagationClassifier().fit(slim[0], source[1], X_target=slim[1])
    dense = LabelPropagationClassifier().fit(*source, X_target=target[0])
    np.testing.assert_allclose(found.label_distributions_, dense.label_distributions_)
    np.testing.assert_allclose(found.predict_proba(slim[1]), dense.predict_proba(target[0]))


def test_user_mistakes_are_said(source, target):
    with pytest.raises(InputError, match="the source has one class only"):
        LabelPropagationClassifier().fit(source[0], np.zeros(60), X_target=target[0])
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        LabelPropagationClassifier(max_iter=2).fit(*source, X_target=target[0])
