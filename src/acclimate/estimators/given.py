"""What a caller of ``fit`` gave, validated and taken apart by domain."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_array, column_or_1d, validate_data

from acclimate.core.errors import InputError
from acclimate.estimators.arrays import Rows, dimensions, pictures
from acclimate.shallow.base import check_columns, check_one_spelling, rows_of_both

_CHECKS: dict[str, Any] = {
    "accept_sparse": "csr",
    "dtype": [np.float64, np.float32],
    "ensure_min_samples": 2,
}


class Given(NamedTuple):
    """``source`` with ``labels`` (S,) int64 as ``encoder`` counts them; ``target`` or ``None``.

    ``target_labels`` (T,) int64 with −1 where there is none; ``places`` (S,) where there are several
    sources.
    """

    source: Rows
    labels: NDArray[np.int64]
    encoder: LabelEncoder
    weights: NDArray[np.float64] | None
    places: NDArray[np.int64] | None
    target: Rows | None
    target_labels: NDArray[np.int64] | None


def take_given(
    estimator: BaseEstimator,
    X: Any,
    y: ArrayLike,
    X_target: Any,
    y_target: ArrayLike | None,
    sample_weight: ArrayLike | None,
    sample_domain: ArrayLike | None,
) -> Given:
    """Check everything against everything; raises ``InputError`` or scikit-learn's ``ValueError``."""
    check_one_spelling(X_target, sample_domain)
    if y_target is not None and X_target is None:
        raise InputError("y_target is given without X_target, whose labels it should hold")
    if sample_domain is not None:
        y = _without_those_of_target_rows(y, sample_domain)
    rows, labels = _rows_and_labels(estimator, X, y, X_target)
    weights = None if sample_weight is None else _weights(sample_weight, rows)
    target, places = None, None
    if sample_domain is not None:
        is_source = rows_of_both(sample_domain, rows.shape[0])
        rows, target, labels = rows[is_source], rows[~is_source], labels[is_source]
        weights = None if weights is None else weights[is_source]
        _, places = np.unique(np.asarray(sample_domain)[is_source], return_inverse=True)
        places = places.astype(np.int64) if places.max() else None
    elif X_target is not None:
        target = _target_rows(estimator, X_target, rows)
    check_classification_targets(labels)
    # a class whose rows all weigh nothing is none
    counted = labels if weights is None else labels[weights > 0]
    encoder = LabelEncoder().fit(counted)
    if weights is not None:
        kept = weights > 0
        rows, labels, weights = rows[kept], labels[kept], weights[kept]
        places = None if places is None else places[kept]
    known = None if y_target is None else _target_labels(y_target, target, encoder)
    encoded = encoder.transform(labels).astype(np.int64)
    return Given(rows, encoded, encoder, weights, places, target, known)


def _without_those_of_target_rows(y: ArrayLike, sample_domain: ArrayLike) -> ArrayLike:
    """``y`` with a label of the source in their place: whatever they hold is not read, NaN neither."""
    domains = np.asarray(sample_domain)
    given = np.array(y)
    if given.ndim != 1 or domains.shape != given.shape or domains.dtype.kind not in "iuf":
        return y  # whoever looks at lengths and kinds says what is wrong
    is_source = domains >= 0
    if is_source.all() or not is_source.any():
        return y
    given[~is_source] = given[is_source][0]
    # numbers are among objects only because of what stood for the target's labels
    texts = given.dtype.kind != "O" or any(isinstance(each, str) for each in given)
    return given if texts else np.array(given.tolist())


def _is_missing(label: Any) -> bool:
    """Whether it is ``None``, NaN, or pandas' NA, which equals nothing and says not even that."""
    if label is None:
        return True
    try:
        return not bool(label == label)
    except (TypeError, ValueError):
        return True


def _rows_and_labels(
    estimator: BaseEstimator, X: Any, y: ArrayLike, X_target: Any
) -> tuple[Rows, NDArray[Any]]:
    if len(dimensions(X)) == 4:
        rows, labels = pictures(X, "X"), column_or_1d(y)
        if len(rows) != len(labels):
            raise InputError(
                f"X has {len(rows)} pictures and y {len(labels)} labels: give one each"
            )
        return rows, labels
    if X_target is not None:
        widths = [dimensions(each)[1:] for each in (X, X_target)]
        if len(widths[0]) == 1 and len(widths[1]) != 0 and widths[0] != widths[1]:
            raise InputError(
                f"the source has {widths[0][0]} features and X_target {'×'.join(map(str, widths[1]))}: "
                "give both the same columns"
            )
    rows, labels = validate_data(estimator, X, y, **_CHECKS)
    return rows, labels


def _target_rows(estimator: BaseEstimator, X_target: Any, source: Rows) -> Rows:
    if source.ndim == 4:
        if len(dimensions(X_target)) != 4:
            raise InputError(
                f"the source holds pictures and X_target has shape {dimensions(X_target)}: give two of a kind"
            )
        target = pictures(X_target, "X_target")
        if target.shape[1:] != source.shape[1:]:
            raise InputError(
                f"the source has pictures of {source.shape[1:]} and X_target of {target.shape[1:]}: "
                "they must have the same size and channels"
            )
        return target
    check_columns(estimator, X_target)
    return check_array(X_target, input_name="X_target", estimator=estimator, **_CHECKS)


def _weights(sample_weight: ArrayLike, rows: Rows) -> NDArray[np.float64]:
    counted = np.empty((len(rows), 1)) if rows.ndim == 4 else rows
    weights: NDArray[np.float64] = _check_sample_weight(sample_weight, counted, dtype=np.float64)
    if (weights < 0).any():
        raise InputError("sample_weight holds negative numbers: give 0 and above")
    return weights


def _target_labels(
    y_target: ArrayLike, target: Rows | None, encoder: LabelEncoder
) -> NDArray[np.int64]:
    """Class numbers, −1 where ``y_target`` has ``None``, NaN or NA."""
    assert target is not None
    given = np.asarray(y_target, dtype=object)
    if given.shape != (target.shape[0],):
        raise InputError(
            f"X_target has {target.shape[0]} rows and y_target {given.shape[0]}: give one each, None "
            "for those without a label"
        )
    labels = np.full(len(given), -1, dtype=np.int64)
    known = [index for index, each in enumerate(given) if not _is_missing(each)]
    if not known:
        raise InputError("y_target holds no label; leave it out")
    classes = {each: number for number, each in enumerate(encoder.classes_.tolist())}
    for index in known:
        value = getattr(given[index], "item", lambda value=given[index]: value)()
        if value not in classes:
            raise InputError(
                f"y_target has the label {value!r}, which the source lacks; its classes are "
                f"{', '.join(map(str, encoder.classes_[:10]))}"
            )
        labels[index] = classes[value]
    return labels
