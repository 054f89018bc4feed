"""Transfer joint matching (TJM): transfer components with a price on source rows."""

from __future__ import annotations

import numpy as np

from acclimate.core.errors import InputError
from acclimate.shallow.base import Floats, adapters
from acclimate.shallow.transfer_components import KernelComponents, leading


@adapters.register("transfer-joint-matching")
class TransferJointMatching(KernelComponents):
    """Components with close means of both domains, to which few source rows contribute.

    Long, Wang, Ding, Sun and Yu, "Transfer Joint Matching for Unsupervised Domain Adaptation", CVPR
    2014. A minimises

        tr(Aᵀ K M K A) + λ (Σ_source ‖a_i‖ + Σ_target ‖a_i‖²)   subject to   Aᵀ K H K A = I,

    a_i the row of A that weighs row i, by its Algorithm 1: A is made of the leading solutions of
    K H K a = θ (K M K + λ G) a, then G_ii = 1 / (2 ‖a_i‖) for source rows, and so on; G = I at
    first, so that the first A is of transfer components with μ = λ.

    Deviations: M is as the equation has it, while the authors' program divides it by its Frobenius
    norm, 1 / S + 1 / T; ‖a_i‖ of source rows is √(‖a_i‖² + ε²), ε a millionth of the longest row of
    the first A. Where the paper gives G_ii = 0 to rows without weight, their weight would come back;
    with ε the objective falls in every iteration.

    The constraint makes rows of A short, so that the price ‖a‖ of a source row is far above the
    ‖a‖² of a target row: within few iterations nearly all weight is the target's. Source rows that
    had little lose it first, with a narrow Gaussian those far from the target.

    Args:
        n_components: kept; ``None`` keeps 30, or as many as the kernel has of these rows.
        kernel: "linear", xᵀz, or "rbf", exp(−gamma ‖x − z‖²).
        gamma: of "rbf"; ``None`` takes 1 / (2 m), m the median of ‖x − z‖² over all pairs of rows.
        regularisation: λ.
        iterations: how often A is solved for.

    Attributes:
        rows_: (N, D) of both domains, source first.
        weights_: A, (N, n_components).
        gamma_: what was used; ``None`` with a linear kernel.
        objective_: (iterations,), what A minimises, after each.

    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [-2.0, 0.0]])
    >>> matched = TransferJointMatching(1).fit(X, X_target=X + [0, 9])
    >>> abs(matched.transform(X + [0, 9])).round(2).T  # of all 8 rows, the squares sum to 1
    array([[0.22, 0.22, 0.45, 0.45]])
    """

    called = "transfer-joint-matching"

    def __init__(
        self,
        n_components: int | None = None,
        *,
        kernel: str = "linear",
        gamma: float | None = None,
        regularisation: float = 1.0,
        iterations: int = 10,
    ) -> None:
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.regularisation = regularisation
        self.iterations = iterations

    def _weigh(self, scatter: Floats, discrepancy: Floats, sources: int, wanted: int) -> Floats:
        self._check_positive("regularisation")
        if self.iterations < 1:
            raise InputError(f"{self.called}: iterations is {self.iterations}; give 1 or more")
        diagonal = np.diag_indices_from(scatter)
        prices = np.ones(len(scatter))
        smallest, history = 0.0, []
        for _ in range(self.iterations):
            penalty = np.outer(discrepancy, discrepancy)
            penalty[diagonal] += self.regularisation * prices
            shares, weights = leading(scatter, penalty, wanted)
            weights /= np.sqrt(shares)
            squares = (weights**2).sum(axis=1)
            smallest = smallest or 1e-12 * squares.max()
            lengths = np.sqrt(squares[:sources] + smallest)
            size = lengths.sum() + squares[sources:].sum()
            history.append(((discrepancy @ weights) ** 2).sum() + self.regularisation * size)
            prices[:sources] = 0.5 / lengths
        self.objective_ = np.array(history)
        return weights
