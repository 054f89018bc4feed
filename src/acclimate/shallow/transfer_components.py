"""Transfer component analysis (TCA), and what transfer joint matching has in common with it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.spatial.distance import squareform
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

from acclimate.core.errors import InputError, near_miss
from acclimate.shallow.base import DomainTransformer, Floats, Matrix, adapters


class KernelComponents(ClassNamePrefixFeaturesOutMixin, DomainTransformer):
    """Rows mapped to K(x, rows of both domains) W; ``_weigh`` of a subclass finds W.

    K is (N, N) for N rows of both domains: memory, and work that grows as N³, limit their number.
    """

    called: ClassVar[str]
    n_components: int | None
    kernel: str
    gamma: float | None

    def _weigh(self, scatter: Floats, discrepancy: Floats, sources: int, wanted: int) -> Floats:
        """W (N, at most ``wanted``), given K H K (N, N) and v = K l (N,), so that K L K = v vᵀ.

        H centres; l is 1 / S for the first S = ``sources`` rows, −1 / T for the others; L = l lᵀ.
        """
        raise NotImplementedError

    def _learn(self, source: Matrix, target: Matrix, labels: NDArray[Any] | None) -> None:
        sizes = len(source), len(target)
        rows = np.concatenate([source, target])
        wanted = self._wanted(rows, sizes)
        # in float64: K H K has the square of the kernel's condition
        kernel, self.gamma_ = self._kernel_matrix(rows.astype(np.float64))
        discrepancy = kernel[:, : sizes[0]].mean(axis=1) - kernel[:, sizes[0] :].mean(axis=1)
        kernel -= kernel.mean(axis=0)
        weights = self._weigh(kernel.T @ kernel, discrepancy, sizes[0], wanted)
        if self.n_components is not None:
            self._check_components(weights.shape[1], sizes)
        self.rows_, self.weights_ = rows, weights.astype(rows.dtype)
        self._n_features_out = weights.shape[1]

    def _map(self, rows: Matrix, is_source: bool) -> Matrix:
        if self.kernel == "linear":
            return rows @ (self.rows_.T @ self.weights_)
        return rbf_kernel(rows, self.rows_, gamma=self.gamma_) @ self.weights_

    def _wanted(self, rows: Floats, sizes: tuple[int, int]) -> int:
        """How many components; ``InputError`` for what is known to be impossible beforehand."""
        if self.kernel not in (kernels := ("linear", "rbf")):
            near = near_miss(str(self.kernel), kernels)
            raise InputError(f"{self.called}: there is no kernel {self.kernel!r}.{near}")
        if (rows == rows[0]).all():
            raise InputError(f"{self.called}: all rows of source and target are the same")
        allowed = len(rows) - 1
        if self.kernel == "linear":
            allowed = min(allowed, rows.shape[1])
        if self.n_components is None:
            return min(30, allowed)
        self._check_components(allowed, sizes)
        return self.n_components

    def _check_components(self, allowed: int, sizes: tuple[int, int]) -> None:
        if self.n_components is not None and not 1 <= self.n_components <= allowed:
            fault = (
                f"more than the {allowed}" if self.n_components > 0 else f"not among 1 to {allowed}"
            )
            raise InputError(
                f"{self.called}: {self.n_components} components are {fault} that {sizes[0]} rows of "
                f"the source and {sizes[1]} of the target, with {self.n_features_in_} features, have "
                f"under a kernel {self.kernel!r}; give n_components={allowed} or fewer"
            )

    def _check_positive(self, name: str) -> None:
        value = getattr(self, name)
        if not 0 < value < np.inf:
            raise InputError(f"{self.called}: {name} is {value}; give a number above 0")

    def _kernel_matrix(self, rows: Floats) -> tuple[Floats, float | None]:
        """K (N, N) of ``rows`` (N, D), and the Gaussian's gamma."""
        if self.kernel == "linear":
            return rows @ rows.T, None
        squares = euclidean_distances(rows, squared=True)
        if self.gamma is not None:
            self._check_positive("gamma")
            gamma = float(self.gamma)
        else:
            pairs = squareform(squares, checks=False)
            # the mean where more than half of the pairs are copies of each other
            gamma = float(0.5 / (np.median(pairs) or pairs.mean()))
        return np.exp(-gamma * squares), gamma


def leading(scatter: Floats, penalty: Floats, wanted: int) -> tuple[Floats, Floats]:
    """Solutions of scatter w = θ penalty w with the largest θ, normed so that Wᵀ penalty W = I.

    Both matrices (N, N) symmetric, ``penalty`` positive definite. Returns θ (d,), descending, and W
    (N, d), with d below ``wanted`` where fewer θ are more than rounding. The sign of a column is
    that of its largest entry made positive.
    """
    count = len(scatter)
    shares, weights = linalg.eigh(scatter, penalty, subset_by_index=[count - wanted, count - 1])
    kept = np.flatnonzero(shares > count * np.finfo(np.float64).eps * shares[-1])[::-1]
    shares, weights = shares[kept], weights[:, kept]
    largest = np.abs(weights).argmax(axis=0)
    return shares, weights * np.sign(weights[largest, np.arange(len(kept))])


@adapters.register("transfer-components")
class TransferComponents(KernelComponents):
    """Components along which rows vary while the means of both domains stay close (TCA).

    Pan, Tsang, Kwok and Yang, "Domain Adaptation via Transfer Component Analysis", IEEE Transactions
    on Neural Networks 22(2), 2011, the unsupervised form: minimise tr(Wᵀ K L K W) + μ tr(Wᵀ W)
    subject to Wᵀ K H K W = I. By its trace form, max tr((Wᵀ (K L K + μ I) W)⁻¹ Wᵀ K H K W), these are
    the leading solutions of K H K w = θ (K L K + μ I) w. One deviation: they are normed so that
    Wᵀ (K L K + μ I) W = I, which makes a component's sum of squares over all rows its θ, not 1.

    Args:
        n_components: kept; ``None`` keeps 30, or as many as the kernel has of these rows.
        kernel: "linear", xᵀz, or "rbf", exp(−gamma ‖x − z‖²).
        gamma: of "rbf"; ``None`` takes 1 / (2 m), m the median of ‖x − z‖² over all pairs of rows.
        mu: μ, the price of large weights.

    Attributes:
        rows_: (N, D) of both domains, source first.
        weights_: W, (N, n_components).
        gamma_: what was used; ``None`` with a linear kernel.

    >>> import numpy as np
    >>> X = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [-2.0, 0.0]])
    >>> shifted = TransferComponents(1).fit(X, X_target=X + [0, 9])
    >>> abs(shifted.transform(X + [0, 9])).round(2).T  # nothing of the second feature
    array([[4.47, 4.47, 8.94, 8.94]])
    """

    called = "transfer-components"

    def __init__(
        self,
        n_components: int | None = None,
        *,
        kernel: str = "linear",
        gamma: float | None = None,
        mu: float = 1.0,
    ) -> None:
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.mu = mu

    def _weigh(self, scatter: Floats, discrepancy: Floats, sources: int, wanted: int) -> Floats:
        self._check_positive("mu")
        penalty = np.outer(discrepancy, discrepancy)
        penalty[np.diag_indices_from(penalty)] += self.mu
        return leading(scatter, penalty, wanted)[1]
