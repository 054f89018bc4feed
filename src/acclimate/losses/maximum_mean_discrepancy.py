"""Maximum mean discrepancy: distance of two samples' means in the space of a kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from acclimate.losses.distances import squared_distances


def gaussian_kernel(items: Tensor, kernels: int = 5, bandwidth: float | None = None) -> Tensor:
    """Mean of ``kernels`` Gaussian kernels between all pairs of (N, D) items: (N, N), in (0, 1].

    Each is exp(−‖x − y‖² / b). With ``kernels`` = 5 the b are the ``bandwidth`` times ¼, ½, 1, 2
    and 4; without a bandwidth, times the mean squared distance of two different items, through
    which no gradient flows.

    >>> kernel = gaussian_kernel(torch.tensor([[0.0], [2.0]]), kernels=1)
    >>> round(kernel[0, 1].item(), 4)  # two items are as far from each other as the mean: 1/e
    0.3679
    """
    distances = squared_distances(items, items)
    middle: float | Tensor = distances.detach().sum() / max(1, len(items) * (len(items) - 1))
    if bandwidth is not None:
        middle = bandwidth
    elif isinstance(middle, Tensor):
        # items that are all the same have no scale; their kernel is 1 with any
        middle = middle.clamp_min(torch.finfo(distances.dtype).tiny ** 0.5)
    scaled = distances / middle
    factors = [2.0 ** (number - kernels // 2) for number in range(kernels)]
    return torch.stack([(-scaled / factor).exp() for factor in factors]).mean(0)


def maximum_mean_discrepancy(kernel: Tensor, sources: int, *, unbiased: bool = True) -> Tensor:
    """Squared discrepancy of the first ``sources`` items from the others, a scalar.

    Gretton et al., "A kernel two-sample test", JMLR 13(25), 2012: equation 3 with ``unbiased``,
    which leaves the similarity of an item with itself out, is 0 on average for two samples of one
    distribution, and so may be negative; otherwise equation 5, which is never negative and
    exactly 0 for twice the same sample. A set of one item has no pairs: its own term is then 0.

    Args:
        kernel: (N, N) of the joint sample, source items first; a product of kernels compares
            joint distributions.
        sources: how many items are the source's, 0 < ``sources`` < N.

    >>> kernel = gaussian_kernel(torch.tensor([[0.0], [1.0], [0.0], [1.0]]))
    >>> maximum_mean_discrepancy(kernel, 2, unbiased=False).item()
    0.0
    """
    within = [
        _mean(kernel[:sources, :sources], unbiased),
        _mean(kernel[sources:, sources:], unbiased),
    ]
    return within[0] + within[1] - 2 * kernel[:sources, sources:].mean()


def _mean(kernel: Tensor, unbiased: bool) -> Tensor:
    """The mean over all pairs, or over those of two different items."""
    if not unbiased:
        return kernel.mean()
    count = len(kernel)
    return (kernel.sum() - kernel.trace()) / max(1, count * (count - 1))
