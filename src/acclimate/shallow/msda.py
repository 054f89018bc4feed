"""Marginalised stacked denoising autoencoders, in closed form."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cholesky, get_blas_funcs, get_lapack_funcs
from sklearn.utils.validation import _check_feature_names_in

from acclimate.core.errors import InputError
from acclimate.shallow.base import Domains, DomainTransformer, Floats, Matrix, adapters, stacked
from acclimate.shallow.threads import for_blocks

_TILE = 512  # rows and columns of a symmetric matrix that are mirrored at a time


@adapters.register("msda")
class MSDA(DomainTransformer):
    """Linear denoising autoencoders, stacked, fitted on the rows of both domains together.

    Chen, Xu, Weinberger, Sha, "Marginalized Denoising Autoencoders for Domain Adaptation", ICML
    2012, equations 3 to 8: each layer is the linear map that reconstructs rows of which every
    entry was set to 0 with probability ``corruption``, in expectation over all corruptions, with a
    bias that is neither corrupted nor regularised; then tanh. Rows become (x, h_1, …, h_L).

    The paper's normal equations, W = P Q⁻¹ with matrices of D + 1 columns, are solved in another
    form: the bias is eliminated by centring, features are scaled so that Q = I + RᵀR with R (N, D),
    and that or its N × N side is factorised, whichever takes less arithmetic. It is conditioned well
    enough for float32, which everything is computed in. For 4,000 rows of 5,000 features that is
    about a third of the arithmetic.

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
        self._stack(source, target, keep=0)

    def _learn_and_map(self, domains: Domains) -> tuple[Matrix, Matrix]:
        # the rows' own hidden layers come for less than mapping them anew
        count = domains.source.shape[0]
        wanted = 0 if domains.is_source is None else domains.target.shape[0]
        kept = self._stack(domains.source, domains.target, keep=count + wanted)
        return kept[:count], kept[count:]

    def _stack(self, source: Matrix, target: Matrix, keep: int) -> Floats:
        """Fit every layer; returns the first ``keep`` rows and their hidden layers."""
        self._check_options()
        # the same rows twice would change the ridge's weight and nothing else
        rows = _dense(source if target is source else stacked(source, target))
        width = rows.shape[1]
        kept = np.empty((keep, width * (self.n_layers + 1)), dtype=rows.dtype)
        kept[:, :width] = rows[:keep]
        self.layers_: list[Layer] = []
        for number in range(1, self.n_layers + 1):
            layer, hidden = _denoise(
                rows, self.corruption, self.ridge, wanted=keep > 0 or number < self.n_layers
            )
            self.layers_.append(layer)
            if hidden is not None:
                rows = hidden
                kept[:, number * width : (number + 1) * width] = rows[:keep]
        return kept

    def _map(self, rows: Matrix, is_source: bool) -> Matrix:
        count, width = rows.shape
        mapped = np.empty((count, width * (len(self.layers_) + 1)), dtype=np.float32)

        def map_block(some: slice) -> None:
            below = rows[some]
            block = mapped[some]
            block[:, :width] = _dense(below)
            for number, layer in enumerate(self.layers_, 1):
                hidden = block[:, number * width : (number + 1) * width]
                if sparse.issparse(below):
                    # the rows themselves are mostly zeros: a fiftieth of the arithmetic
                    hidden[:] = below @ layer.weights
                else:
                    np.matmul(below, layer.weights, out=hidden)
                np.tanh(np.add(hidden, layer.offset, out=hidden), out=hidden)
                below = hidden

        for_blocks(map_block, count)
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
    # multiplications beyond the N D² that both take: of (I + RRᵀ)⁻¹, and of (I + RᵀR)⁻¹
    by_rows = (2 + wanted) * count**2 * width + count**3 / 3
    by_features = width**3 + 2 * wanted * count * width**2
    return _by_rows(scaled, wanted) if by_rows < by_features else _by_features(scaled, wanted)


def _by_rows(scaled: Floats, wanted: bool) -> tuple[Floats, Floats | None]:
    """With (I + RRᵀ)⁻¹, of the rows: RᵀR (RᵀR + I)⁻¹ = Rᵀ (I + RRᵀ)⁻¹ R."""
    multiply, solve = get_blas_funcs(("syrk", "trsm"), (scaled,))
    # transposed: rows in C order are columns in Fortran's, and nothing is copied
    columns = scaled.T
    factor = _factor(multiply(1.0, columns, trans=1, lower=1))
    half = solve(1.0, factor, columns, side=1, lower=1, trans_a=1)
    filtered = _mirrored(multiply(1.0, half, lower=1))
    if not wanted:
        return filtered, None
    return filtered, solve(1.0, factor, half, side=1, lower=1, overwrite_b=1).T


def _by_features(scaled: Floats, wanted: bool) -> tuple[Floats, Floats | None]:
    """With (I + RᵀR)⁻¹, of the features: RᵀR (RᵀR + I)⁻¹ = I − (I + RᵀR)⁻¹."""
    (multiply,) = get_blas_funcs(("syrk",), (scaled,))
    factor = _factor(multiply(1.0, scaled.T, lower=1))
    (invert,) = get_lapack_funcs(("potri",), (factor,))
    inverse = _mirrored(invert(factor, lower=1, overwrite_c=1)[0])
    solved = scaled @ inverse if wanted else None
    np.negative(inverse, out=inverse)
    inverse[np.diag_indices(len(inverse))] += 1
    return inverse, solved


def _factor(lower: Floats) -> Floats:
    """Lower Cholesky factor of I + a symmetric matrix, whose ``lower`` triangle it takes the place of."""
    lower[np.diag_indices(len(lower))] += 1
    factor: Floats = cholesky(lower, lower=True, overwrite_a=True, check_finite=False)
    return factor


def _mirrored(lower: Floats) -> Floats:
    """The symmetric matrix of which the ``lower`` triangle is there, in its place."""
    count = len(lower)
    # tile by tile: a whole transpose runs through memory the wrong way
    for start in range(0, count, _TILE):
        stop = min(start + _TILE, count)
        for first in range(0, start, _TILE):
            last = first + _TILE
            lower[first:last, start:stop] = lower[start:stop, first:last].T
        corner = lower[start:stop, start:stop]
        above = np.triu_indices(stop - start, 1)
        corner[above] = corner.T[above]
    return lower.T


def _dense(rows: Matrix) -> Floats:
    dense: Floats = rows.toarray() if sparse.issparse(rows) else rows
    return dense
