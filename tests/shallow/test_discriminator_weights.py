"""Weights by a classifier of domains, against the closed form of discriminant analysis."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from acclimate.core.errors import InputError
from acclimate.shallow.discriminator_weights import DiscriminatorWeights


@pytest.fixture
def rows():
    draws = np.random.default_rng(0)
    return draws.normal(size=(120, 2)), draws.normal([0.8, 0], size=(300, 2))


def test_the_odds_of_discriminant_analysis_have_a_closed_form(rows):
    """Two Gaussians of one covariance: log ratio (x − (m_S + m_T) / 2)ᵀ Σ⁻¹ (m_T − m_S), however many rows."""
    X, X_target = rows
    fitted = DiscriminatorWeights(LinearDiscriminantAnalysis(solver="lsqr"))
    found = fitted.fit(X, X_target=X_target).score_samples(X)
    means = X.mean(0), X_target.mean(0)
    centred = np.concatenate([X - means[0], X_target - means[1]])
    slope = np.linalg.solve(centred.T @ centred / len(centred), means[1] - means[0])
    expected = np.exp((X - (means[0] + means[1]) / 2) @ slope)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_every_row_is_weighed_by_classifiers_that_have_not_seen_it(rows):
    X, X_target = rows
    classifier = LinearDiscriminantAnalysis()
    joint, domain = np.concatenate(rows), np.repeat([0, 1], [120, 300])
    expected = np.empty(len(joint))
    for train, held in StratifiedKFold(3, shuffle=True, random_state=5).split(joint, domain):
        of_target = classifier.fit(joint[train], domain[train]).predict_proba(joint[held])[:, 1]
        expected[held] = of_target / (1 - of_target)
    fitted = DiscriminatorWeights(classifier, cv=3, random_state=5).fit(X, X_target=X_target)
    # twice and a half as many rows of the target are no sign of it
    assert fitted.mean_ratio_ == pytest.approx(expected[:120].mean() * 120 / 300)
    expected = expected[:120] / expected[:120].mean()
    np.testing.assert_allclose(fitted.weights_, expected)


def test_a_classifier_that_knows_its_rows_by_heart_weighs_all_the_same(rows):
    """In its own rows' places a tree sees no target at all, and all weights would be alike."""
    X, X_target = rows
    fitted = DiscriminatorWeights(DecisionTreeClassifier(random_state=0)).fit(X, X_target=X_target)
    assert np.ptp(fitted.score_samples(X)) == 0
    heavy = fitted.weights_ > 1
    assert X[heavy, 0].mean() > X[~heavy, 0].mean() + 0.3


def test_certain_classifiers_leave_finite_weights(rows):
    X, X_target = rows
    fitted = DiscriminatorWeights(KNeighborsClassifier(1)).fit(X, X_target=X_target + 50)
    assert fitted.score_samples(X + 50).max() == pytest.approx((422 - 1) * 120 / 300)
    np.testing.assert_allclose(fitted.weights_, 1)


def test_what_cannot_tell_probabilities_is_refused(rows):
    with pytest.raises(InputError, match="LinearSVC has no predict_proba"):
        DiscriminatorWeights(LinearSVC()).fit(rows[0], X_target=rows[1])
    with pytest.raises(InputError, match="cv is 1; give 2"):
        DiscriminatorWeights(cv=1).fit(rows[0], X_target=rows[1])
