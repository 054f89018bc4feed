"""How much likelier an item is in the target than in the source, by a domain classifier."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FOLDS = 5
#: of the logarithm: an item e³⁰ times as likely outweighs all others as surely as one beyond it
LARGEST = 30.0


def log_density_ratio(source: Floats, target: Floats, *, seed: int = 0) -> tuple[Floats, Floats]:
    """log p(x in target) / p(x in source) of every item, (N,) and (M,), in [-30, 30].

    By logistic regression on standardised features, Bickel et al., "Discriminative learning for
    differing training and test distributions", 2007: the odds of the target, times N/M, which
    takes out that one domain has more items. Each item's ratio is from a classifier fitted to the
    other four fifths; where a domain has a single item all are 0.

    Args:
        source: (N, D) features, ``target``: (M, D). The folds depend on the order of the items.
    """
    key = _digest(source, target, seed)
    if _last.get("key") != key:
        _last.update(key=key, ratios=_log_density_ratio(source, target, seed))
    found: tuple[Floats, Floats] = _last["ratios"]
    return found[0].copy(), found[1].copy()


# four validators and an estimator ask for the ratios of the same features in turn
_last: dict[str, Any] = {}


def _digest(source: Floats, target: Floats, seed: int) -> bytes:
    digest = hashlib.blake2b(f"{seed} {source.shape} {target.shape} {source.dtype}".encode())
    for part in (source, target):
        digest.update(np.ascontiguousarray(part).data)
    return digest.digest()


def _log_density_ratio(source: Floats, target: Floats, seed: int) -> tuple[Floats, Floats]:
    ratios = np.zeros(len(source)), np.zeros(len(target))
    folds = min(FOLDS, len(source), len(target))
    if folds < 2:
        return ratios
    random = np.random.default_rng(seed)
    folds_of = [random.permutation(len(part)) % folds for part in (source, target)]
    for fold in range(folds):
        kept = [part[of != fold] for part, of in zip((source, target), folds_of, strict=True)]
        held = [part[of == fold] for part, of in zip((source, target), folds_of, strict=True)]
        for ratio, of, found in zip(ratios, folds_of, _fitted(kept, held), strict=True):
            ratio[of == fold] = found.clip(-LARGEST, LARGEST)
    return ratios


def _fitted(kept: list[Floats], held: list[Floats]) -> list[Floats]:
    """The logarithms of ``held`` items of each domain by a classifier of the ``kept`` ones."""
    # it takes a second to import, and most runs never ask for it
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    counts = [len(part) for part in kept]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(np.concatenate(kept), np.repeat([0, 1], counts))
    prior = np.log(counts[0] / counts[1])
    return [classifier.decision_function(part) + prior for part in held]
