"""The weighted classifier against the same classifier given the weights by hand."""

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from acclimate.core.errors import InputError
from acclimate.shallow.discriminator_weights import DiscriminatorWeights
from acclimate.shallow.kliep import KLIEP
from acclimate.shallow.nearest_neighbour_weights import NearestNeighbourWeights
from acclimate.shallow.weighted_classifier import ImportanceWeightedClassifier


@pytest.mark.parametrize(
    "estimator", [LogisticRegression(), GaussianNB(), SVC(), DecisionTreeClassifier(random_state=0)]
)
@pytest.mark.parametrize("weighting", [DiscriminatorWeights(), NearestNeighbourWeights()])
def test_it_is_the_classifier_given_the_weights(source, target, estimator, weighting):
    given = np.random.default_rng(0).random(60)
    fitted = ImportanceWeightedClassifier(estimator, weighting).fit(
        *source, X_target=target[0], sample_weight=given
    )
    weights = clone(weighting).fit(source[0], X_target=target[0]).weights_
    expected = clone(estimator).fit(*source, sample_weight=weights * given)
    np.testing.assert_array_equal(fitted.weights_, weights)
    np.testing.assert_array_equal(fitted.predict(target[0]), expected.predict(target[0]))
    assert fitted.score(*target) == expected.score(*target)
    for method in ("predict_proba", "decision_function"):
        assert hasattr(fitted, method) == hasattr(expected, method)
        if hasattr(expected, method):
            found = getattr(fitted, method)(target[0])
            np.testing.assert_array_equal(found, getattr(expected, method)(target[0]))


def test_weights_make_up_for_a_classifier_too_simple_for_both_domains():
    """Labels turn at x = 0 and back at 4; a single threshold is right for one of the two at most."""
    draws = np.random.default_rng(0)
    X, X_target = draws.uniform(-2, 8, (300, 1)), draws.normal(0, 0.7, (200, 1))
    y, y_target = ((rows[:, 0] > 0) & (rows[:, 0] < 4) for rows in (X, X_target))
    plain = LogisticRegression().fit(X, y).score(X_target, y_target)
    weighted = ImportanceWeightedClassifier(weighting=KLIEP(widths=[1.0])).fit(
        X, y, X_target=X_target
    )
    assert plain < 0.3
    assert weighted.score(X_target, y_target) > 0.85


@pytest.mark.parametrize(
    "names", [["no", "yes", "maybe"], [-1, 0, 1], [-1, 1], [True, False], [2.0, 5.0]]
)
def test_labels_are_of_any_type(names):
    draws = np.random.default_rng(0)
    codes = draws.integers(0, len(names), 90)
    X = draws.normal(size=(90, 2)) + 6 * codes[:, None]
    y = np.array(names)[codes]
    fitted = ImportanceWeightedClassifier().fit(X, y, X_target=X[:40] + 0.5)
    np.testing.assert_array_equal(fitted.classes_, np.unique(y))
    assert fitted.predict(X).dtype == y.dtype
    assert fitted.score(X, y) > 0.95


def test_both_spellings_of_two_domains(source, target):
    X, y = np.concatenate([target[0], source[0]]), np.concatenate([target[1], source[1]])
    domain, given = np.repeat([-1, 1], [50, 60]), np.arange(110.0)
    together = ImportanceWeightedClassifier().fit(X, y, sample_domain=domain, sample_weight=given)
    apart = ImportanceWeightedClassifier().fit(
        *source, X_target=target[0], sample_weight=given[50:]
    )
    np.testing.assert_array_equal(together.predict_proba(target[0]), apart.predict_proba(target[0]))


@pytest.mark.parametrize("routing", [False, True])
def test_the_end_of_a_pipeline_gets_the_weights(source, target, routing):
    last = LogisticRegression()
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            last.set_fit_request(sample_weight=True)
        scaler = (
            StandardScaler().set_fit_request(sample_weight=False) if routing else StandardScaler()
        )
        nested = make_pipeline(scaler, make_pipeline(last))
        fitted = ImportanceWeightedClassifier(nested).fit(*source, X_target=target[0])
    scaler = StandardScaler().fit(source[0])
    expected = LogisticRegression().fit(
        scaler.transform(source[0]), source[1], sample_weight=fitted.weights_
    )
    np.testing.assert_allclose(
        fitted.predict_proba(target[0]), expected.predict_proba(scaler.transform(target[0]))
    )


def test_sparse_rows_stay_sparse():
    draws = np.random.default_rng(0)
    X, X_target = (draws.random((count, 30)).clip(0.6) - 0.6 for count in (60, 40))
    y = (X[:, 0] > 0.1) * 1
    fitted = ImportanceWeightedClassifier(weighting=NearestNeighbourWeights())
    dense = clone(fitted).fit(X, y, X_target=X_target).predict_proba(X_target)
    fitted.fit(sparse.csr_array(X), y, X_target=sparse.csr_array(X_target))
    slim = fitted.predict_proba(sparse.csr_array(X_target))
    np.testing.assert_allclose(slim, dense, rtol=1e-3)


def test_user_mistakes_are_said(source, target):
    X, y = source
    one = InputError, "two classes or more, and the source has one class only: .*yes"
    with pytest.raises(one[0], match=one[1]):
        ImportanceWeightedClassifier().fit(X, np.full(60, "yes"), X_target=target[0])
    for estimator in (
        KNeighborsClassifier(),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
    ):
        with pytest.raises(InputError, match="KNeighborsClassifier takes no sample_weight"):
            ImportanceWeightedClassifier(estimator).fit(X, y, X_target=target[0])
    with pytest.raises(InputError, match=r"60 rows and sample_weight is \(50,\): give one each"):
        ImportanceWeightedClassifier().fit(X, y, X_target=target[0], sample_weight=np.ones(50))
    with pytest.raises(InputError, match="requires y to be passed"):
        ImportanceWeightedClassifier().fit(X, None, X_target=target[0])
    assert not hasattr(ImportanceWeightedClassifier(RidgeClassifier()), "predict_proba")
    assert not hasattr(ImportanceWeightedClassifier(LinearRegression()), "decision_function")
