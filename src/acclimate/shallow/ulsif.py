"""uLSIF and RuLSIF: the density ratio by least squares, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from acclimate.core.errors import InputError
from acclimate.shallow.base import Floats, adapters
from acclimate.shallow.gaussian import gaussian
from acclimate.shallow.kernel_ratio import KernelRatio

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


@adapters.register("ulsif")
class ULSIF(KernelRatio):
    """Unconstrained least-squares importance fitting, and its relative version.

    Kanamori, Hido and Sugiyama, "A Least-squares Approach to Direct Importance Estimation", JMLR
    2009: coefficients max(0, (Ĥ + λI)⁻¹ ĥ) with Ĥ the second moments of the source's kernels and ĥ
    the means of the target's (equations 8 and 12); width and λ are those of the least
    leave-one-out loss (section 3.3). ``alpha`` above 0 is RuLSIF of Yamada et al., "Relative
    density-ratio estimation for robust distribution comparison", NIPS 2011: then
    p_target / (α p_target + (1 − α) p_source) is estimated, which is never above 1 / α.
    λ lowers the ratios and setting coefficients to 0 raises them, so that ``score_samples`` can be off
    by a factor of 2 in all; ``weights_`` are scaled.
    Deviation: RuLSIF too is chosen by leaving out pairs of rows, where its paper has folds.

    Args:
        n_centres: b, target rows drawn for the kernels' centres; all where there are fewer.
        widths: of the Gaussian kernels, candidates; ``None`` takes 0.1 to 4 times the median
            distance between the domains' rows.
        penalties: λ > 0, candidates.
        alpha: in [0, 1), the share of the target in the denominator.
        random_state: of centres and of who is left out with whom.

    Attributes:
        weights_: (S,) float64 ≥ 0 of mean 1.
        width_, penalty_: that were chosen.
        centres_, coefficients_: (L, D) and (L,).

    >>> import numpy as np
    >>> X, X_target = np.array([[0.0], [1.0], [2.0]]), np.array([[2.0], [2.0], [1.0]])
    >>> ULSIF(widths=[0.5], penalties=[0.01]).fit(X, X_target=X_target).weights_.round(2)
    array([0.1 , 0.96, 1.95])
    """

    def __init__(
        self,
        n_centres: int = 100,
        *,
        widths: Sequence[float] | None = None,
        penalties: Sequence[float] = PENALTIES,
        alpha: float = 0.0,
        random_state: Any = 0,
    ) -> None:
        self.n_centres = n_centres
        self.widths = widths
        self.penalties = penalties
        self.alpha = alpha
        self.random_state = random_state

    def _choose(self, source: Floats, target: Floats, widths: list[float]) -> tuple[float, Floats]:
        if not 0 <= self.alpha < 1:
            raise InputError(f"ulsif: alpha is {self.alpha}; give 0 or more, and less than 1")
        penalties = sorted(self.penalties, reverse=True)
        if not penalties or penalties[-1] <= 0:
            raise InputError(f"ulsif: penalties are {penalties}; give one or more above 0")
        losses = [
            leave_one_out_losses(
                gaussian(source, width), gaussian(target, width), penalties, self.alpha
            )
            for width in widths
        ]
        best, chosen = np.unravel_index(np.argmin(losses), (len(widths), len(penalties)))
        self.penalty_ = float(penalties[chosen])
        kernels = gaussian(source, widths[best]), gaussian(target, widths[best])
        return widths[best], least_squares(*kernels, self.penalty_, self.alpha)


def least_squares(source: Floats, target: Floats, penalty: float, alpha: float = 0.0) -> Floats:
    """(S, L) and (T, L) kernels → the (L,) coefficients."""
    moments = alpha * target.T @ target / len(target) + (1 - alpha) * source.T @ source / len(
        source
    )
    solved = np.linalg.solve(moments + penalty * np.eye(len(moments)), target.mean(0))
    coefficients: Floats = solved.clip(0)
    return coefficients


def leave_one_out_losses(
    source: Floats, target: Floats, penalties: Sequence[float], alpha: float = 0.0
) -> Floats:
    """The mean loss of pairs left out, one of each domain at a time: (P,), one for each penalty.

    The loss of a pair is ½ (α r(x_T)² + (1 − α) r(x_S)²) − r(x_T), with r of all other rows; the
    first min(S, T) rows of each are paired. Leaving a pair out takes two squares from the second
    moments, so that one inverse (Woodbury's identity) serves all pairs.

    Args:
        source: (S, L) kernels, ``target``: (T, L); at least two rows each.
    """
    count, others = min(len(source), len(target)), (len(source) - 1, len(target) - 1)
    moments = (1 - alpha) * source.T @ source / others[0] + alpha * target.T @ target / others[1]
    means = (target.sum(0) - target[:count]) / others[1]
    source, target = source[:count], target[:count]
    scales = np.sqrt((1 - alpha) / others[0]), np.sqrt(alpha / others[1])
    left = np.stack([scales[0] * source, scales[1] * target], 1)  # (count, 2, L)
    losses = []
    for penalty in penalties:
        inverse = np.linalg.inv(moments + penalty * np.eye(len(moments)))
        solved, turned = means @ inverse, left @ inverse
        kept = np.eye(2) - turned @ left.transpose(0, 2, 1)
        shares = np.linalg.solve(kept, left @ solved[:, :, None])
        coefficients = (solved + (shares * turned).sum(1)).clip(0)
        ratios = [(coefficients * kernel).sum(1) for kernel in (source, target)]
        squares = (1 - alpha) * ratios[0] ** 2 + alpha * ratios[1] ** 2
        losses.append((squares / 2 - ratios[1]).mean())
    return np.array(losses)
