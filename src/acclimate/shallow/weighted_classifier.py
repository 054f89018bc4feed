"""A classifier of the target's rows, trained on weighted rows of the source."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from acclimate.core.errors import InputError
from acclimate.shallow.base import DomainEstimator, Domains, Floats, Matrix, adapters, take_apart
from acclimate.shallow.discriminator_weights import DiscriminatorWeights
from acclimate.shallow.labels import encoded
from acclimate.shallow.weighting import DomainWeighting

CHECKS: dict[str, Any] = {"dtype": [np.float64, np.float32], "accept_sparse": "csr"}


def _has(method: str) -> Callable[[ImportanceWeightedClassifier], bool]:
    """For ``available_if``: an ``AttributeError`` of the classifier itself where it has no such."""

    def check(self: ImportanceWeightedClassifier) -> bool:
        getattr(vars(self).get("estimator_", self._parts()[0]), method)
        return True

    return check


@adapters.register("importance-weighted")
class ImportanceWeightedClassifier(ClassifierMixin, MetaEstimatorMixin, DomainEstimator):
    """Any classifier that takes ``sample_weight``, fitted to the source weighted towards the target.

    Shimodaira, "Improving predictive inference under covariate shift by weighting the
    log-likelihood function", 2000. Right where p(y | x) is the same in both domains and the source
    has rows wherever the target has.

    Args:
        estimator: the classifier, or a ``Pipeline`` that ends in one; ``None`` is
            ``LogisticRegression``.
        weighting: a ``DomainWeighting``, or another that sets ``weights_``; ``None`` is
            ``DiscriminatorWeights``.

    Attributes:
        weights_: (S,) of the source's rows, before ``sample_weight`` comes in.
        classes_: (K,).
        estimator_, weighting_: fitted.

    >>> import numpy as np
    >>> X, y = np.array([[0.0], [1.0], [5.0], [6.0]] * 5), ["a", "b", "b", "a"] * 5
    >>> X_target = np.array([[0.0], [1.0]] * 10)
    >>> fitted = ImportanceWeightedClassifier().fit(X, y, X_target=X_target)
    >>> fitted.weights_[:4].round(1)
    array([2.2, 1.5, 0.1, 0.1])
    >>> fitted.predict(X_target[:2]), LogisticRegression().fit(X, y).predict(X_target[:2])
    (array(['a', 'b'], dtype='<U1'), array(['a', 'a'], dtype='<U1'))
    """

    def __init__(
        self, estimator: BaseEstimator | None = None, weighting: DomainWeighting | None = None
    ) -> None:
        self.estimator = estimator
        self.weighting = weighting

    def fit(
        self,
        X: Matrix,
        y: ArrayLike,
        X_target: Matrix | None = None,
        sample_domain: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Weigh source ``X`` (S, D) by ``X_target`` (T, D), or both in ``X``, and fit the classifier.

        ``y`` and ``sample_weight`` have one value for each row of ``X``; those of target rows are not
        read. The classifier gets the product of both weights; the weighting does not see
        ``sample_weight``.
        """
        domains = take_apart(self, X, y, X_target, sample_domain, **CHECKS)
        classes, codes = encoded(self, domains.labels)
        labels = classes[codes]
        given = _of_source(sample_weight, domains)
        estimator, weighting = (clone(part) for part in self._parts())
        keyword = _weight_keyword(estimator)
        alone = domains.target is domains.source
        self.weighting_ = weighting.fit(
            domains.source, labels, X_target=None if alone else domains.target
        )
        self.weights_ = self.weighting_.weights_
        weights = self.weights_ if given is None else self.weights_ * given
        self.estimator_ = estimator.fit(domains.source, labels, **{keyword: weights})
        self.classes_ = self.estimator_.classes_
        return self

    def predict(self, X: Matrix) -> NDArray[Any]:
        """(N, D) → (N,) labels."""
        return self._ask("predict", X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Matrix) -> Floats:
        """(N, D) → (N, K), in the order of ``classes_``."""
        return self._ask("predict_proba", X)

    @available_if(_has("decision_function"))
    def decision_function(self, X: Matrix) -> Floats:
        """(N, D) → (N,) or (N, K), as the classifier has it."""
        return self._ask("decision_function", X)

    def _ask(self, method: str, X: Matrix) -> NDArray[Any]:
        check_is_fitted(self)
        rows = validate_data(self, X, **CHECKS, reset=False)
        answer: NDArray[Any] = getattr(self.estimator_, method)(rows)
        return answer

    def _parts(self) -> tuple[BaseEstimator, BaseEstimator]:
        estimator = LogisticRegression() if self.estimator is None else self.estimator
        return estimator, DiscriminatorWeights() if self.weighting is None else self.weighting

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = all(get_tags(each).input_tags.sparse for each in self._parts())
        return tags


def _of_source(sample_weight: ArrayLike | None, domains: Domains) -> Floats | None:
    if sample_weight is None:
        return None
    given = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    kept = domains.is_source
    count = domains.source.shape[0] if kept is None else len(kept)
    if given.shape != (count,):
        raise InputError(f"X has {count} rows and sample_weight is {given.shape}: give one each")
    found: Floats = given if kept is None else given[kept]
    return found


def _weight_keyword(estimator: BaseEstimator) -> str:
    """What ``fit`` calls the weights; a pipeline wants to know whose, unless routing tells it."""
    if isinstance(estimator, Pipeline) and not get_config()["enable_metadata_routing"]:
        name, last = estimator.steps[-1]
        return f"{name}__{_weight_keyword(last)}"
    parameters = inspect.signature(estimator.fit).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    if "sample_weight" not in parameters and not takes_any:
        raise InputError(
            f"importance-weighted: fit of {type(estimator).__name__} takes no sample_weight, so rows "
            "cannot be weighted; give an estimator that does"
        )
    return "sample_weight"
