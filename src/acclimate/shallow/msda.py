"""Marginalised stacked denoising autoencoders, in closed form."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cholesky, solve_triangular
from sklearn.utils.validation import _check_feature_names_in

from acclimate.core.errors import InputError
from acclimate.shallow.base import Domains, DomainTransformer, Floats, Matrix, adapters, stacked

_BLOCK = 2048  # rows that are mapped at a time


@adapters.register("msda")
class MSDA(DomainTransformer):
    """Linear denoising autoencoders, stacked, fitted on the rows of both domains together.

    Chen, Xu, Weinberger, Sha, "Marginalized Denoising Autoencoders for Domain Adaptation", ICML
    2012, equations 3 to 8: each layer is the linear map that reconstructs rows of which every
    entry was set to 0 with probability ``corruption``, in expectation over all corruptions, with a
    bias that is neither corrupted nor regularised; then tanh. Rows become (x, h_1, …, h_L).

    The paper's normal equations, W = P Q⁻¹ with matrices of D + 1 columns, are solved in another
    form: the bias is eliminated by centring, features are scaled so that Q = I + RᵀR with R (N, D),
    and where there are fewer rows than features the N × N side of that is factorised. It is
    conditioned well enough for float32, which everything is computed in. For 4,000 rows of 5,000
    features that is about a third of the arithmetic.

    Args:
        n_layers: L.
        corruption: probability that an entry is set to 0, in (0, 1).
        ridge: regularisation of the weights (the authors' code: 1e-5).

    Attributes:
        layers_: for each layer ``weights`` (D, D), to be multiplied from the right, and ``offset`` (D,).

    Input may be CSR; the output, (N, D · (L + 1)) float32, is dense.

    >>> import numpy as np
    >>> X = np.array([[1, 1, 0], [2, 2, 0], [0, 0, 1], [0, 0, 3]], dtype=np.float32)
    >>> hidden = MSDA(n_layers=1).fit(X).transform([[1, 0, 0]])[0, 3:]
    >>> bool(hidden[1] > 0.2)  # the second feature goes with the first
    True
    """

    _checks: ClassVar[dict[str, Any]] = {"accept_sparse": "csr", "dtype": np.float32}

    def __init__(self, n_layers: int = 5, *, corruption: float = 0.5, ridge: float = 1e-5) -> None:
        self.n_layers = n_layers
        self.corruption = corruption
        self.ridge = ridge

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _learn(self, source: Matrix, target: Matrix, labels: NDArray[Any] | None) -> None:
        self._stack(source, target, keep=False)

    def _learn_and_map(self, domains: Domains) -> tuple[Matrix, Matrix]:
        # the rows' own hidden layers come for less than mapping them anew
        everything = self._stack(domains.source, domains.target, keep=True)
        assert everything is not None
        count = domains.source.shape[0]
        return everything[:count], everything[count:]

    def _stack(self, source: Matrix, target: Matrix, keep: bool) -> Floats | None:
        """Fit every layer; returns the rows and their hidden layers where they are to be kept."""
        self._check_options()
        # the same rows twice would change the ridge's weight and nothing else
        rows = _dense(source if target is source else stacked(source, target))
        count, width = rows.shape
        kept = None
        if keep:
            kept = np.empty((count, width * (self.n_layers + 1)), dtype=rows.dtype)
            kept[:, :width] = rows
        self.layers_: list[Layer] = []
        for number in range(1, self.n_layers + 1):
            wanted = keep or number < self.n_layers
            layer, hidden = _denoise(rows, self.corruption, self.ridge, wanted)
            self.layers_.append(layer)
            if hidden is not None:
                rows = hidden
                if kept is not None:
                    kept[:, number * width : (number + 1) * width] = rows
        return kept

    def _map(self, rows: Matrix, is_source: bool) -> Matrix:
        count, width = rows.shape
        mapped = np.empty((count, width * (len(self.layers_) + 1)), dtype=np.float32)
        for start in range(0, count, _BLOCK):
            block = mapped[start : start + _BLOCK]
            block[:, :width] = _dense(rows[start : start + _BLOCK])
            for number, layer in enumerate(self.layers_):
                below = block[:, number * width : (number + 1) * width]
                hidden = block[:, (number + 1) * width : (number + 2) * width]
                np.matmul(below, layer.weights, out=hidden)
                np.tanh(np.add(hidden, layer.offset, out=hidden), out=hidden)
        return mapped

    def _check_options(self) -> None:
        if not 0 < self.corruption < 1:
            raise InputError(
                f"msda: corruption is {self.corruption}; give more than 0 and less than 1"
            )
        if self.n_layers < 1:
            raise InputError(f"msda: n_layers is {self.n_layers}; give 1 or more")
        if self.ridge <= 0:
            raise InputError(f"msda: ridge is {self.ridge}; give more than 0, such as 1e-5")

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """``x0``, ``x1`` … or the columns' own names, then ``hidden1_x0`` … for each layer."""
        names = _check_feature_names_in(self, input_features)
        layers = (f"hidden{number}_" for number in range(1, len(self.layers_) + 1))
        return np.concatenate([names, *(layer + names for layer in layers)])


class Layer(NamedTuple):
    """h = tanh(x @ weights + offset)."""

    weights: Floats
    offset: Floats


def _denoise(
    rows: Floats, corruption: float, ridge: float, wanted: bool
) -> tuple[Layer, Floats | None]:
    """The layer that denoises ``rows`` (N, D), and their hidden layer (N, D) where it is ``wanted``.

    With q the probability to stay, C the centred rows and Λ = diag(q (1 − q) Σ x² + ridge):
    W = q CᵀC (q² CᵀC + Λ)⁻¹ and, with R = q C Λ^{-1/2}, W = Λ^{1/2} RᵀR (RᵀR + I)⁻¹ Λ^{-1/2} / q.
    """
    q = 1 - corruption
    mean = rows.mean(0)
    # sums of 0/1 counts are exact in float64 and cheap beside the products
    spread = np.sqrt(q * (1 - q) * np.einsum("nd,nd->d", rows, rows, dtype=np.float64) + ridge)
    spread = spread.astype(rows.dtype)
    scaled = (rows - mean) * (q / spread)
    filtered, solved = _filter(scaled, wanted)
    weights = filtered
    weights *= (1 / (q * spread))[:, None]
    weights *= spread
    shifted = mean @ weights
    layer = Layer(weights, mean - q * shifted)
    if solved is None:
        return layer, None
    # (x − mean) @ weights of the fitted rows is (R − solved) Λ^{1/2} / q², without a product
    hidden = scaled
    hidden -= solved
    hidden *= spread / q**2
    hidden += mean + (1 - q) * shifted
    return layer, np.tanh(hidden, out=hidden)


def _filter(scaled: Floats, wanted: bool) -> tuple[Floats, Floats | None]:
    """RᵀR (RᵀR + I)⁻¹ (D, D) and, where ``wanted``, (I + RRᵀ)⁻¹ R (N, D), for ``scaled`` R (N, D)."""
    count, width = scaled.shape
    if count < width:
        factor = _factor(scaled @ scaled.T)
        half = solve_triangular(factor, scaled, lower=True, check_finite=False)
        solved = None
        if wanted:
            solved = solve_triangular(factor, half, lower=True, trans=1, check_finite=False)
        return half.T @ half, solved
    factor = _factor(scaled.T @ scaled)
    inverse = solve_triangular(
        factor, np.eye(width, dtype=scaled.dtype), lower=True, check_finite=False, overwrite_b=True
    )
    inverse = inverse.T @ inverse
    solved = scaled @ inverse if wanted else None
    filtered = -inverse
    filtered[np.diag_indices(width)] += 1
    return filtered, solved


def _factor(gram: Floats) -> Floats:
    """Lower Cholesky factor of I + ``gram``, in its place."""
    gram[np.diag_indices(len(gram))] += 1
    factor: Floats = cholesky(gram, lower=True, overwrite_a=True, check_finite=False)
    return factor


def _dense(rows: Matrix) -> Floats:
    dense: Floats = rows.toarray() if sparse.issparse(rows) else rows
    return dense
