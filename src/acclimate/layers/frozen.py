"""Modules that are looked through and not trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from acclimate.layers.averaging import averaged_copy
from acclimate.layers.domain_norm import use_statistics_of


def call_frozen(module: nn.Module, inputs: Tensor) -> Tensor:
    """``module(inputs)`` whose gradient reaches the ``inputs`` and none of the module's weights.

    >>> linear = nn.Linear(2, 1)
    >>> x = torch.zeros(3, 2, requires_grad=True)
    >>> call_frozen(linear, x).sum().backward()
    >>> torch.equal(x.grad[0], linear.weight[0]), linear.weight.grad
    (True, None)
    """
    weights = {name: weight.detach() for name, weight in module.named_parameters()}
    result: Tensor = functional_call(module, weights, (inputs,))
    return result


class FrozenCopy(nn.Module):
    """A copy of ``original`` that takes no gradient: it changes only where ``take`` is called.

    It is always in evaluation: no dropout, running statistics, and of statistics that are
    kept apart the source's. All of it is in the state that a checkpoint holds.
    """

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.copy = averaged_copy(original)
        use_statistics_of(self.copy, 0)

    @torch.no_grad()
    def take(self, original: nn.Module) -> None:
        """Weights and statistics of ``original``, as they are now."""
        mine = [*self.copy.parameters(), *self.copy.buffers()]
        theirs = [*original.parameters(), *original.buffers()]
        for own, other in zip(mine, theirs, strict=True):
            own.copy_(other)

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Any:
        return self.copy(inputs)

    def train(self, mode: bool = True) -> FrozenCopy:
        super().train(mode)
        self.copy.eval()
        return self
