"""How much of a domain is kept for later: the same bound, and the same items, everywhere."""

from __future__ import annotations

import torch
from torch import Tensor

STORED = 1000
"""Items of each domain that are kept with a checkpoint and for the report."""


def spread(count: int, wanted: int = STORED) -> Tensor:
    """At most ``wanted`` indices all over the range, since a data set may be sorted by class.

    >>> spread(5, 3)
    tensor([0, 2, 4])
    """
    return torch.linspace(0, count - 1, min(count, wanted)).round().long()
