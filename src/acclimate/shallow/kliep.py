"""KLIEP: the density ratio under which the target is likeliest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize

from acclimate.core.errors import InputError
from acclimate.shallow.base import Floats, adapters
from acclimate.shallow.gaussian import gaussian
from acclimate.shallow.kernel_ratio import KernelRatio

#: a row of the target that no kernel reaches has the logarithm of this, in place of −∞
UNREACHED = 1e-100
#: a centre whose mean kernel over the source is less has no source row near; quotients stay finite
OUT_OF_REACH = 1e-150


@adapters.register("kliep")
class KLIEP(KernelRatio):
    """The Kullback-Leibler importance estimation procedure.

    Sugiyama et al., "Direct importance estimation for covariate shift adaptation", Annals of the
    Institute of Statistical Mathematics, 2008, equations 9 and 10: coefficients α ≥ 0 of the largest
    mean log-ratio of the target's rows while the mean ratio of the source's is 1. The width is
    that of the largest log-ratio of rows held out (their section 2.3), so no label is needed.
    Deviations: rows of the source are held out as well, and the logarithm of their mean ratio
    subtracted, as by target rows alone the narrowest kernel wins where it has a gap between source
    rows to fall into; and the optimum is found by L-BFGS-B in place of projected gradient steps.

    Args:
        n_centres: b, target rows drawn for the kernels' centres; all where there are fewer.
        widths: of the Gaussian kernels, candidates; ``None`` takes 0.1 to 4 times the median
            distance between the domains' rows.
        cv: folds of either domain.
        random_state: of centres and folds.

    Attributes:
        weights_: (S,) float64 ≥ 0 of mean 1.
        width_: that was chosen.
        centres_, coefficients_: (L, D) and (L,).

    >>> import numpy as np
    >>> X, X_target = np.array([[0.0], [1.0], [2.0]]), np.array([[2.0], [2.0], [1.0]])
    >>> KLIEP(widths=[0.5]).fit(X, X_target=X_target).weights_.round(2)
    array([0.08, 0.88, 2.04])
    """

    def __init__(
        self,
        n_centres: int = 100,
        *,
        widths: Sequence[float] | None = None,
        cv: int = 5,
        random_state: Any = 0,
    ) -> None:
        self.n_centres = n_centres
        self.widths = widths
        self.cv = cv
        self.random_state = random_state

    def _choose(self, source: Floats, target: Floats, widths: list[float]) -> tuple[float, Floats]:
        if self.cv < 2:
            raise InputError(f"kliep: cv is {self.cv}; give 2 folds or more")
        folds = min(self.cv, len(source), len(target))
        scores = [
            _held_out(gaussian(source, width), gaussian(target, width), folds)
            for width in (widths if len(widths) > 1 else [])
        ]
        width = widths[int(np.argmax(scores))] if scores else widths[0]
        return width, likeliest(gaussian(target, width), gaussian(source, width).mean(0))


def _held_out(source: Floats, target: Floats, cv: int) -> float:
    """mean(log ratio) of the target − log(mean ratio) of the source, by models of the other folds.

    Kernels (S, L) and (T, L); −∞ where a model has a ratio of 0. The first L rows of the target are the
    centres, and those of a fold are held out with it.
    """
    folds = [np.arange(len(rows)) % cv for rows in (source, target)]
    ratios = [np.empty(len(source)), np.empty(len(target))]
    for each in range(cv):
        held = [fold == each for fold in folds]
        centres = ~held[1][: source.shape[1]]
        fitted = likeliest(target[~held[1]][:, centres], source[~held[0]][:, centres].mean(0))
        for ratio, kernel, rows in zip(ratios, (source, target), held, strict=True):
            ratio[rows] = kernel[rows][:, centres] @ fitted
    if not ratios[0].any() or not ratios[1].all():
        return -np.inf
    return float(np.log(ratios[1]).mean() - np.log(ratios[0].mean()))


def likeliest(target: Floats, source_mean: Floats) -> Floats:
    """The α ≥ 0 of the largest mean(log(target @ α)) with source_mean @ α = 1.

    Args:
        target: (T, L) kernels of the target's rows, ``source_mean``: (L,) of the source's.

    In shares γ_l = α_l source_mean_l the constraint is Σγ = 1, and its multiplier is known: the
    largest mean(log) − Σγ over γ ≥ 0 alone has a sum of 1, as scaling γ cannot better it. A centre
    that no row of the source is near gets 0, as any coefficient would do for it.
    """
    near = source_mean > OUT_OF_REACH
    ratios = target[:, near] / source_mean[near]
    count = ratios.shape[1]

    def descent(shares: Floats) -> tuple[float, Floats]:
        mixed = ratios @ shares + UNREACHED
        return shares.sum() - np.log(mixed).mean(), 1 - (1 / mixed) @ ratios / len(ratios)

    coefficients = np.zeros(len(source_mean))
    if count:
        found = minimize(
            descent,
            np.full(count, 1 / count),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * count,
            options={"maxiter": 5000, "maxfun": 10000, "ftol": 1e-12, "gtol": 1e-6},
        )
        coefficients[near] = found.x / found.x.sum() / source_mean[near]
    return coefficients
