"""What every shallow adapter shares: how ``fit`` is told of two domains, and which row is of which.

Two spellings, never both: ``fit(X_source, y, X_target=X_target)``, or all rows in one ``X`` with
``sample_domain`` (source at 0 and above, target below 0), as skada's pipelines pass it. With
neither, source and target are the same rows, and adapting changes nothing but noise.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from acclimate.core.errors import InputError
from acclimate.core.registry import Registry

adapters: Registry[type[BaseEstimator]] = Registry("shallow adapter")
"""Every transformer, weighting and classifier of this folder by name."""

Floats = NDArray[np.floating[Any]]
Matrix = Any
"""(N, D) float32 or float64: a numpy array, or a CSR matrix where the estimator takes those."""


class Domains(NamedTuple):
    """What ``fit`` was given, taken apart.

    ``source`` (S, D) and ``target`` (T, D), ``labels`` (S,) of the source or ``None``. ``is_source``
    (N,) bool says which rows of the joint ``X`` are the source's; ``None`` where there was none.
    """

    source: Matrix
    labels: NDArray[Any] | None
    target: Matrix
    is_source: NDArray[np.bool_] | None


def take_apart(
    estimator: BaseEstimator,
    X: Matrix,
    y: ArrayLike | None,
    X_target: Matrix | None,
    sample_domain: ArrayLike | None,
    **checks: Any,
) -> Domains:
    """Validate as scikit-learn does and split by domain; nothing given is changed.

    ``checks``: for ``sklearn.utils.validation.validate_data``, such as ``accept_sparse``. Labels of
    target rows are dropped unread. Raises ``InputError``, a ``ValueError``, naming both sides where
    they do not fit together.
    """
    check_one_spelling(X_target, sample_domain)
    checks = {"dtype": [np.float64, np.float32], "ensure_min_samples": 2, **checks}
    if sample_domain is not None:
        return _by_sample_domain(estimator, X, y, sample_domain, checks)
    if X_target is not None:
        # before validate_data: a source that fits nothing should leave no trace on the estimator
        _check_widths(X, X_target)
    if y is None:
        source, labels = validate_data(estimator, X, **checks), None
    else:
        source, labels = validate_data(estimator, X, y, **checks)
    if X_target is None:
        return Domains(source, labels, source, None)
    check_columns(estimator, X_target)
    target = check_array(X_target, input_name="X_target", estimator=estimator, **checks)
    return Domains(source, labels, target, None)


def _by_sample_domain(
    estimator: BaseEstimator,
    X: Matrix,
    y: ArrayLike | None,
    sample_domain: ArrayLike,
    checks: dict[str, Any],
) -> Domains:
    joint = validate_data(estimator, X, **checks)
    is_source = rows_of_both(sample_domain, joint.shape[0])
    labels = None
    if y is not None:
        labels = np.asarray(y)
        if labels.shape[:1] != (joint.shape[0],):
            raise InputError(f"X has {joint.shape[0]} rows and y {labels.shape[0]}: give one each")
        labels = labels[is_source]
    return Domains(joint[is_source], labels, joint[~is_source], is_source)


def check_one_spelling(X_target: Matrix | None, sample_domain: ArrayLike | None) -> None:
    """Raise ``InputError`` where the target is given in both ways."""
    if X_target is not None and sample_domain is not None:
        raise InputError(
            "give X_target or sample_domain, not both: X_target is for a source alone in X"
        )


def check_columns(estimator: BaseEstimator, X_target: Any) -> None:
    """Raise ``InputError`` where both domains name their columns, and not the same in one order.

    ``estimator`` has seen the source. Without names columns are told by their place.
    """
    ours = getattr(estimator, "feature_names_in_", None)
    theirs = getattr(X_target, "columns", None)
    if ours is None or theirs is None or list(ours) == list(theirs):
        return
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False), 1):
        if one != other:
            raise InputError(
                f"column {number} is {one!r} in X and {other!r} in X_target: give both the same columns "
                "in one order"
            )


def rows_of_both(sample_domain: ArrayLike, count: int) -> NDArray[np.bool_]:
    """As ``source_rows``; raises ``InputError`` where a domain has no row."""
    is_source = source_rows(sample_domain, count)
    if is_source.all() or not is_source.any():
        lacking = "target (below 0)" if is_source.all() else "source (0 and above)"
        raise InputError(
            f"sample_domain has no row of the {lacking}, and fit needs both; "
            "leave it out where there is one domain only"
        )
    return is_source


def source_rows(sample_domain: ArrayLike, count: int) -> NDArray[np.bool_]:
    """(count,) bool: which rows are of the source; raises ``InputError`` for another length or kind."""
    domains = np.asarray(sample_domain)
    numbers = domains.shape == (count,) and domains.dtype.kind in "iuf"
    if not numbers or np.isnan(domains).any():
        raise InputError(
            f"sample_domain is {domains.dtype} {domains.shape}{' with NaN' if numbers else ''} for {count} "
            "rows: give a number for "
            "each, 0 and above for the source, below 0 for the target"
        )
    found: NDArray[np.bool_] = domains >= 0
    return found


def _check_widths(X: Matrix, X_target: Matrix) -> None:
    shapes = [getattr(each, "shape", np.shape(each)) for each in (X, X_target)]
    widths = [shape[1] for shape in shapes if len(shape) == 2]
    if len(widths) == 2 and widths[0] != widths[1]:
        raise InputError(
            f"the source has {widths[0]} features and X_target {widths[1]}: give both the same columns"
        )


class DomainEstimator(BaseEstimator):
    """What is said alike of every adapter: ``_checks`` are its own for validation."""

    #: skada and scikit-learn's routing pass them where they are at hand
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"sample_domain": True, "X_target": True}
    _checks: ClassVar[dict[str, Any]] = {}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = "accept_sparse" in self._checks
        return tags


class DomainTransformer(TransformerMixin, DomainEstimator):
    """A transformer that ``fit`` shows both domains, and whose ``transform`` takes rows as the target's.

    So a pipeline trains on the adapted source and predicts on the target::

        model = make_pipeline(CORAL(), LogisticRegression())
        model.fit(X_source, y_source, coral__X_target=X_target).predict(X_target)

    A subclass writes ``_learn`` and ``_map``. ``fit_transform`` returns the rows of ``X`` each as
    its own domain's: all as the source's, unless ``sample_domain`` says otherwise.
    """

    __metadata_request__transform: ClassVar[dict[str, bool]] = {"sample_domain": True}

    def fit(
        self,
        X: Matrix,
        y: ArrayLike | None = None,
        X_target: Matrix | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Learn from source ``X`` (S, D) and ``X_target`` (T, D), or from both in ``X``; returns itself.

        ``y`` (S,) is used by the supervised adapters only, and never a target row's.
        """
        domains = take_apart(self, X, y, X_target, sample_domain, **self._checks)
        self._learn(domains.source, domains.target, domains.labels)
        return self

    def fit_transform(
        self,
        X: Matrix,
        y: ArrayLike | None = None,
        X_target: Matrix | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Matrix:
        """``fit``, then every row of ``X`` as its own domain's: (N, outputs)."""
        domains = take_apart(self, X, y, X_target, sample_domain, **self._checks)
        source, target = self._learn_and_map(domains)
        if domains.is_source is None:
            return source
        return _interleaved(source, target, domains.is_source)

    def transform(self, X: Matrix, sample_domain: ArrayLike | None = None) -> Matrix:
        """(N, D) → (N, outputs); rows are the target's unless ``sample_domain`` (N,) says otherwise."""
        check_is_fitted(self)
        checks = {"dtype": [np.float64, np.float32], **self._checks, "reset": False}
        rows = validate_data(self, X, **checks)
        if sample_domain is None:
            return self._map(rows, False)
        is_source = source_rows(sample_domain, rows.shape[0])
        if is_source.all() or not is_source.any():
            return self._map(rows, bool(is_source.all()))
        return _interleaved(
            self._map(rows[is_source], True), self._map(rows[~is_source], False), is_source
        )

    def _learn_and_map(self, domains: Domains) -> tuple[Matrix, Matrix]:
        """``_learn``, and the rows of both domains mapped; another way where that is cheaper."""
        self._learn(domains.source, domains.target, domains.labels)
        source = self._map(domains.source, True)
        return source, None if domains.is_source is None else self._map(domains.target, False)

    def _learn(self, source: Matrix, target: Matrix, labels: NDArray[Any] | None) -> None:
        """Set the fitted attributes (their names end in ``_``)."""
        raise NotImplementedError

    def _map(self, rows: Matrix, is_source: bool) -> Matrix:
        """(N, D) validated rows of one domain → (N, outputs)."""
        raise NotImplementedError


def stacked(source: Matrix, target: Matrix) -> Matrix:
    """Rows of the source, then of the target: CSR where either is."""
    if sparse.issparse(source) or sparse.issparse(target):
        return sparse.vstack([source, target]).tocsr()
    return np.concatenate([source, target])


def _interleaved(source: Matrix, target: Matrix, is_source: NDArray[np.bool_]) -> Matrix:
    """Rows of both domains in the order of ``is_source``."""
    if sparse.issparse(source):
        order = np.empty(len(is_source), dtype=np.int64)
        order[is_source] = np.arange(source.shape[0])
        order[~is_source] = source.shape[0] + np.arange(target.shape[0])
        return sparse.vstack([source, target]).tocsr()[order]
    joint = np.empty((len(is_source), source.shape[1]), dtype=np.result_type(source, target))
    joint[is_source], joint[~is_source] = source, target
    return joint


def check_components(name: str, wanted: int, source: Matrix, target: Matrix) -> None:
    """Raise ``InputError`` where ``wanted`` components are more than rows or features allow."""
    for side, count in (("source", source.shape[0]), ("target", target.shape[0])):
        if wanted > count:
            raise InputError(
                f"{name}: {wanted} components are more than the {count} rows of the {side}; "
                f"give n_components={count} or fewer"
            )
    if wanted > source.shape[1]:
        raise InputError(
            f"{name}: {wanted} components are more than the {source.shape[1]} features; "
            f"give n_components={source.shape[1]} or fewer"
        )
