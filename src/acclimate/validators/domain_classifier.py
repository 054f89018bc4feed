"""How hard it is to tell the domains apart by their features."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from acclimate.validators.base import Evidence, validator
from acclimate.validators.density_ratio import log_density_ratio
from acclimate.validators.items import in_order, only_finite

Floats = NDArray[np.float64]
Rows = Any  # (N, D): Floats, or a CSR matrix
#: prices of an item within the margin
GRID = tuple(10.0**power for power in range(-5, 5))
#: Newton steps: beyond them a large price only refines the last digits
_STEPS = 100


@validator("domain-classifier-error", at_every_checkpoint=False)
@only_finite
def domain_classifier_error(evidence: Evidence) -> float:
    """Error of a domain classifier on held-out features, in [0, 1], chance ½ (Ganin et al., 2015).

    Logistic regression in five folds; mean of both domains' errors, so that neither's number of
    items matters. Deviation: the paper watches the classifier that the network trains against,
    which not every network has and which may be as far behind as it likes.
    """
    items = in_order(evidence)
    ratios = log_density_ratio(items.source_features.numpy(), items.target_features.numpy())
    wrong = [_share_above(ratio) for ratio in (ratios[0], -ratios[1])]
    return float(np.mean(wrong))


@validator("proxy-a-distance", at_every_checkpoint=False)
@only_finite
def proxy_a_distance(evidence: Evidence) -> float:
    """−proxy A-distance 2(1 − 2ε) of the features, in [-2, 0] (Ben-David et al., 2006).

    As Ganin et al., JMLR 17(59), 2016, section 5.1.5, compute it: ε is the error of a linear support
    vector machine fitted to a random half of both domains, on the other half, the lowest over ten C
    from 1e-5 to 1e4. Features are standardised; the mean of both domains' errors is taken. An ε
    above chance counts as chance: the other way round, the machine would be below it.
    """
    items = in_order(evidence)
    error = lowest_error(items.source_features.numpy(), items.target_features.numpy())
    return 2 * (2 * min(0.5, error) - 1)


def lowest_error(source: Rows, target: Rows, *, seed: int = 0) -> float:
    """Error of the best of ten linear machines on half of (N, D) and (M, D) items, ½ for chance.

    Items in CSR matrices stay sparse: they are divided by their deviation, and not centred.
    """
    if min(source.shape[0], target.shape[0]) < 2:
        return 0.5
    # it takes a second to import, and most runs never ask for it
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    random = np.random.default_rng(seed)
    thin = sparse.issparse(source)
    halves = [
        [part[half] for half in np.array_split(random.permutation(part.shape[0]), 2)]
        for part in (source, target)
    ]
    shown, held = zip(*halves, strict=True)
    fitted = sparse.vstack(shown).tocsr() if thin else np.concatenate(shown)
    domains = np.repeat([0, 1], [part.shape[0] for part in shown])
    primal = len(domains) > source.shape[1]
    errors = []
    for c in GRID:
        machine = LinearSVC(
            C=c, class_weight="balanced", dual=not primal, max_iter=_STEPS, random_state=seed
        )
        pipeline = make_pipeline(StandardScaler(with_mean=not thin), machine)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            pipeline.fit(fitted, domains)
        sides = [pipeline.decision_function(part) for part in held]
        errors.append(np.mean([_share_above(sides[0]), _share_above(-sides[1])]))
    return float(min(errors))


def _share_above(values: Floats) -> float:
    """Share above 0; of those exactly there, a half."""
    return float((values > 0).mean() + 0.5 * (values == 0).mean())
