"""Correlation alignment: the distance of two covariance matrices."""

from __future__ import annotations

from torch import Tensor

from acclimate.layers.full_precision import full_precision


@full_precision
def correlation_alignment(source: Tensor, target: Tensor) -> Tensor:
    """‖C_S − C_T‖²_F / (4 d²) of the covariances of (S, d) and (T, d) features, a scalar ≥ 0.

    Sun & Saenko, "Deep CORAL", 2016, equations 1 to 3. The covariance of a single item is 0.

    >>> import torch
    >>> spread = torch.tensor([[-1.0], [1.0]])  # variance 2; the other's is 8
    >>> correlation_alignment(spread, 2 * spread).item()
    9.0
    """
    difference = _covariance(source) - _covariance(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


def _covariance(items: Tensor) -> Tensor:
    """(N, d) → (d, d), divided by N − 1."""
    centred = items - items.mean(0)
    return centred.T @ centred / max(1, len(items) - 1)
