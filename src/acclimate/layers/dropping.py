"""Which modules of a network drop something at random in training."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.dropout import _DropoutNd


def drops(module: nn.Module) -> bool:
    """Whether ``module`` drops units or, as timm's and torchvision's networks do, whole paths.

    >>> drops(nn.Dropout(0.5)), drops(nn.Dropout(0.0)), drops(nn.ReLU())
    (True, False, False)
    """
    # timm and torchvision are not imported for it: most networks are of neither
    if isinstance(module, _DropoutNd) or type(module).__name__ == "StochasticDepth":
        return bool(module.p)
    return type(module).__name__ in ("DropPath", "DropBlock2d") and bool(module.drop_prob)
