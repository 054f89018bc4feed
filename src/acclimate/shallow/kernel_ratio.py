"""What KLIEP and uLSIF share: a density ratio that is a sum of Gaussians at rows of the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from acclimate.core.errors import InputError
from acclimate.shallow.base import Floats
from acclimate.shallow.gaussian import gaussian, median_distance, squared_distances
from acclimate.shallow.weighting import RatioWeighting

#: candidate widths, in median distances between rows of the two domains
WIDTHS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)


class KernelRatio(RatioWeighting):
    """ratio(x) = Σ_l coefficient_l exp(−‖x − centre_l‖² / 2 width²), all coefficients ≥ 0.

    A subclass writes ``_choose``, and has parameters ``n_centres``, ``widths`` and ``random_state``.
    """

    n_centres: int
    widths: Sequence[float] | None
    random_state: Any

    def _weigh(self, source: Floats, target: Floats) -> Floats:
        if self.n_centres < 1:
            raise InputError(
                f"{type(self).__name__}: n_centres is {self.n_centres}; give 1 or more"
            )
        random = check_random_state(self.random_state)
        # folds and left-out pairs go by position, and files are often sorted
        shuffled = [rows[random.permutation(len(rows))] for rows in (source, target)]
        self.centres_ = shuffled[1][: self.n_centres].astype(np.float64)
        distances = [squared_distances(rows, self.centres_) for rows in shuffled]
        self.width_, self.coefficients_ = self._choose(
            distances[0], distances[1], self._candidates(source, target)
        )
        return self._ratio(source)

    def _candidates(self, source: Floats, target: Floats) -> list[float]:
        """Widths, the widest first: it is taken where several score alike."""
        widths = self.widths
        if widths is None:
            median = median_distance(source, target)
            widths = [factor * median for factor in WIDTHS]
        if len(widths) == 0 or min(widths) <= 0:
            raise InputError(
                f"{type(self).__name__}: widths are {list(widths)}; give one or more above 0"
            )
        return sorted((float(width) for width in widths), reverse=True)

    def _choose(self, source: Floats, target: Floats, widths: list[float]) -> tuple[float, Floats]:
        """Squared distances (S, L) and (T, L) to the centres → the width and the (L,) coefficients."""
        raise NotImplementedError

    def _ratio(self, rows: Floats) -> Floats:
        return gaussian(squared_distances(rows, self.centres_), self.width_) @ self.coefficients_
