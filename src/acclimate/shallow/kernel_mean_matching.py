"""Kernel mean matching: weights under which the source's mean embedding is the target's."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.sparse.linalg import eigsh
from sklearn.exceptions import ConvergenceWarning

from acclimate.core.errors import InputError
from acclimate.shallow.base import Floats, adapters
from acclimate.shallow.gaussian import gaussian, median_distance, squared_distances
from acclimate.shallow.weighted_sums import Bounds, least_sum, nearest_within
from acclimate.shallow.weighting import DomainWeighting


@adapters.register("kernel-mean-matching")
class KernelMeanMatching(DomainWeighting):
    """Weights that bring the mean of the source's kernel embedding to the target's.

    Huang et al., "Correcting Sample Selection Bias by Unlabeled Data", NIPS 2006, the quadratic
    programme of section 2 with its settings: least ½ βᵀKβ − κᵀβ over 0 ≤ β ≤ B and
    |mean(β) − 1| ≤ ε, where K is the source's kernel and κ_s the S-fold mean of k(x_s, ·) over the
    target. Deviations: β is scaled to mean 1 once it is found; the width is not set by hand.
    Memory grows with S².

    Args:
        width: of the Gaussian kernel; ``None`` takes the median distance of rows of the two domains.
        largest_weight: B.
        mean_tolerance: ε; ``None`` takes (√S − 1) / √S.
        tol: half the squared distance of the means may be so much above its minimum. Between two
            samples of one distribution it is of the order of 1 / S, and going on for much less
            fits that noise: ever fewer rows get ever more weight.
        max_iter: gradient steps, with a ``ConvergenceWarning`` where they do not get there.

    Attributes:
        weights_: (S,) float64 ≥ 0 of mean 1.
        width_: of the kernel.
        n_iter_: steps taken.

    >>> import numpy as np
    >>> X, X_target = np.array([[0.0], [1.0], [2.0]]), np.array([[2.0], [2.0], [1.0]])
    >>> KernelMeanMatching(width=0.5).fit(X, X_target=X_target).weights_.round(2)
    array([0., 1., 2.])
    """

    def __init__(
        self,
        width: float | None = None,
        *,
        largest_weight: float = 1000.0,
        mean_tolerance: float | None = None,
        tol: float = 1e-3,
        max_iter: int = 5000,
    ) -> None:
        self.width = width
        self.largest_weight = largest_weight
        self.mean_tolerance = mean_tolerance
        self.tol = tol
        self.max_iter = max_iter

    def _weigh(self, source: Floats, target: Floats) -> Floats:
        self.width_ = median_distance(source, target) if self.width is None else self.width
        if self.width_ <= 0:
            raise InputError(f"kernel-mean-matching: width is {self.width}; give more than 0")
        kernel = gaussian(squared_distances(source, source), self.width_)
        means = gaussian(squared_distances(source, target), self.width_).mean(1)
        bounds = self._bounds(len(source))
        weights, gap, self.n_iter_ = matched(
            kernel, len(source) * means, bounds, tol=self.tol, max_iter=self.max_iter
        )
        if gap > self.tol:
            warnings.warn(
                f"kernel-mean-matching stopped after {self.max_iter} steps, up to {gap:.1e} above "
                f"the minimum where tol is {self.tol:.1e}; give more of max_iter or of tol",
                ConvergenceWarning,
                stacklevel=3,
            )
        return weights

    def _bounds(self, count: int) -> Bounds:
        tolerance = self.mean_tolerance
        if tolerance is None:
            tolerance = 1 - count**-0.5
        if tolerance < 0 or not self.largest_weight > max(0, 1 - tolerance):
            raise InputError(
                f"kernel-mean-matching: no weights of at most {self.largest_weight} have a mean "
                f"within {tolerance} of 1; give more of largest_weight or of mean_tolerance"
            )
        return Bounds(self.largest_weight, count * (1 - tolerance), count * (1 + tolerance))


def matched(
    kernel: Floats, means: Floats, bounds: Bounds, *, tol: float, max_iter: int
) -> tuple[Floats, float, int]:
    """The least ½ βᵀKβ − κᵀβ within ``bounds``: (S,) weights, how far they may be off, and steps.

    Accelerated projected gradient (Beck and Teboulle, "A Fast Iterative Shrinkage-Thresholding
    Algorithm", 2009), begun anew when the momentum points uphill (O'Donoghue and Candès, 2015). By
    convexity no β within the bounds is lower by more than max_v gradientᵀ(β − v), so that stopping at
    S² ``tol`` of it is a promise, unlike stopping at a small step.
    """
    count = len(means)
    # eigsh's value is from below; a step a little shorter than 1 / the largest one is safe
    step = 0.98 / eigsh(kernel, 1, v0=np.ones(count), tol=1e-3, return_eigenvectors=False)[0]
    weights = ahead = nearest_within(np.ones(count), bounds)
    momentum, gap = 1.0, np.inf
    for taken in range(max_iter):
        if taken % 10 == 0:
            gradient = kernel @ weights - means
            gap = float(gradient @ weights - least_sum(gradient, bounds)) / count**2
            if gap <= tol:
                return weights, gap, taken
        gradient = kernel @ ahead - means
        following = nearest_within(ahead - step * gradient, bounds)
        if gradient @ (following - weights) > 0:
            momentum = 1.0
        faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = following + (momentum - 1) / faster * (following - weights)
        weights, momentum = following, faster
    return weights, gap, max_iter
