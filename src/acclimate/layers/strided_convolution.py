"""A 1×1 convolution with a stride, without a fault of the CPU kernels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

_BLOCK = 8  # channels that the faulty kernel handles at once


class SubsampledConvolution(nn.Conv2d):
    """A 1×1 convolution that skips pixels first and then has stride 1: the same function.

    oneDNN's gradient of the weights writes past its memory for fewer than 8 incoming channels in the
    channels-last layout (uxlfoundation/oneDNN issue 6035): the process dies, hangs or learns
    something wrong. The stems of RepVGG, MobileOne and FastViT are such layers.
    """

    def forward(self, input: Tensor) -> Tensor:
        down, across = self.stride
        return F.conv2d(input[..., ::down, ::across], self.weight, self.bias, groups=self.groups)


def mend_strided_convolutions(network: nn.Module) -> int:
    """Make every convolution that the fault is in a ``SubsampledConvolution``, in place; how many.

    >>> network = nn.Sequential(nn.Conv2d(3, 4, 1, 2), nn.Conv2d(4, 4, 3, 2), nn.Conv2d(4, 4, 1))
    >>> mend_strided_convolutions(network)
    1
    """
    found = [
        module
        for module in network.modules()
        if type(module) is nn.Conv2d
        and module.kernel_size == (1, 1)
        and max(module.stride) > 1
        and module.padding == (0, 0)
        and module.in_channels < _BLOCK
    ]
    for module in found:
        module.__class__ = SubsampledConvolution
    return len(found)
