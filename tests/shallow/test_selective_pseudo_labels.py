"""The projection against its plain definition, and what the clusters are for."""

import numpy as np
import pytest
from scipy.linalg import eigh
from sklearn.neighbors import NearestCentroid

from acclimate.core.errors import InputError
from acclimate.shallow.selective_pseudo_labels import (
    SelectivePseudoLabels,
    _locality_preserving,
    _surest,
)


def test_the_projection_solves_the_paper_s_eigenproblem():
    draws = np.random.default_rng(0)
    rows, labels = draws.normal(size=(40, 6)), np.repeat([0, 1, 2], [10, 12, 18])
    similar = (labels[:, None] == labels).astype(float)
    degree = np.diag(similar.sum(0))
    left = rows.T @ degree @ rows
    right = rows.T @ (degree - similar) @ rows + np.eye(6)
    values, vectors = eigh(left, right)
    found = _locality_preserving(rows, labels, 4)
    reference = vectors[:, ::-1][:, :4]
    assert np.allclose(np.abs((found * (right @ reference)).sum(0)), 1)
    assert np.allclose((found * (left @ found)).sum(0), values[::-1][:4])


def test_the_surest_share_of_every_class_rounded_up():
    sureness = np.array([0.9, 0.8, 0.7, 0.2, 0.1])
    guessed = np.array([0, 0, 0, 1, 1])
    assert _surest(sureness, guessed, 0.5).tolist() == [True, True, False, True, False]
    assert _surest(sureness, guessed, 1.0).all()
    assert _surest(sureness, guessed, 0.01).tolist() == [True, False, False, True, False]


def shifted_clusters(seed=0):
    """Three tight clusters far apart, which a shift takes beyond the middle between two of them."""
    draws = np.random.default_rng(seed)
    y = np.repeat([0, 1, 2], 60)
    centres = np.array([[0.0, 0, 2, 0], [4, 0, 0, 0], [0, 4, 0, 2]])
    X = centres[y] + 0.3 * draws.normal(size=(180, 4))
    X_target = centres[y] + [2.6, 0.4, 0, 0] + 0.3 * draws.normal(size=(180, 4))
    return X, y, X_target


def test_clusters_of_the_target_keep_classes_together():
    X, y, X_target = shifted_clusters()
    centres_alone = NearestCentroid().fit(X, y).score(X_target, y)
    model = SelectivePseudoLabels().fit(X, y, X_target=X_target)
    assert centres_alone < 0.85
    assert model.score(X_target, y) == 1
    assert model.selected_ == 180
    assert np.allclose(model.predict_proba(X_target).sum(1), 1)


def test_fewer_target_rows_than_classes_have_no_clusters():
    X, y, _ = shifted_clusters()
    model = SelectivePseudoLabels().fit(X, y, X_target=X[[0, 70]])
    assert model.clusters_ is None
    assert model.predict(X[[0, 70, 170]]).tolist() == [0, 1, 2]


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"reduced": 0}, {"dimensions": -1}])
def test_options_out_of_range_are_one_line(wrong):
    X, y, X_target = shifted_clusters()
    with pytest.raises(InputError, match="each must be 1 or more") as caught:
        SelectivePseudoLabels(**wrong).fit(X, y, X_target=X_target)
    assert "\n" not in str(caught.value)
