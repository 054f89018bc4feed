"""BatchNorm layers of a network: finding and exchanging them, and putting statistics back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from acclimate.core.errors import DataError
from acclimate.layers.domain_norm import DomainBatchNorm


def batch_norms(network: nn.Module) -> Iterator[tuple[str, _BatchNorm | DomainBatchNorm]]:
    """Name and module of every BatchNorm with an affine transform and running statistics.

    >>> network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.BatchNorm1d(3, affine=False))
    >>> [name for name, _ in batch_norms(network)]
    ['1']
    """
    for name, module in network.named_modules():
        plain = isinstance(module, _BatchNorm) and module.affine and module.running_mean is not None
        if plain or isinstance(module, DomainBatchNorm):
            yield name, module


def exchange_batch_norms(
    network: nn.Module, make: Callable[[_BatchNorm], nn.Module], keep: Collection[str] = ()
) -> int:
    """Put ``make(norm)`` in the place of each BatchNorm but those named in ``keep``; how many.

    timm's BatchNorm with an activation of its own becomes a sequence of both.
    """
    found = [(name, norm) for name, norm in batch_norms(network) if name not in keep]
    for name, norm in found:
        assert isinstance(norm, _BatchNorm)
        new = make(norm)
        after = [part for part in (getattr(norm, "drop", None), getattr(norm, "act", None)) if part]
        place, _, last = name.rpartition(".")
        owner = network.get_submodule(place)
        setattr(owner, last, nn.Sequential(new, *after) if after else new)
    return len(found)


@torch.no_grad()
def is_folded(network: nn.Module) -> bool:
    """Whether the statistics of the network's BatchNorms were folded into other weights.

    Then all running means are 0 and all running variances of a layer one number: no batch of
    pictures has such statistics, and normalising by a batch's own would destroy the network. A
    network that has not seen any batch looks alike. False without BatchNorm.
    """
    found = False
    for _, norm in batch_norms(network):
        mean, variance = _running(norm)
        # one channel, like one picture, tells nothing about equal channels
        if bool(mean.any()) or bool((variance != variance[0]).any()):
            return False
        found = True
    return found


def re_estimate_batch_norm(network: nn.Module, batches: Iterable[Tensor]) -> str:
    """Give every BatchNorm the statistics of its inputs, and leave the network's function as it is.

    The network looks at the ``batches`` (N, ...) in eval mode. Then the running mean μ and variance
    v of each BatchNorm are those of what it was given (v unbiased, over all batches together),
    and with s and t the scale and shift that it had, weight = s √(v + ε) and
    bias = t + s μ: in eval mode nothing changes, and by a batch's own statistics almost nothing.
    Of statistics that are kept apart by domain, both become these.

    Returns one line that says what was done. Raises ``DataError`` without pictures, or where
    a network makes values of them that are not finite.
    """
    layers = [norm for _, norm in batch_norms(network)]
    moments = [_Moments() for _ in layers]
    hooks = [
        norm.register_forward_pre_hook(lambda _, inputs, kept=kept: kept.add(inputs[0]))
        for norm, kept in zip(layers, moments, strict=True)
    ]
    modes, items = [(module, module.training) for module in network.modules()], 0
    try:
        network.eval()
        with torch.no_grad():
            for batch in batches:
                network(batch)
                items += len(batch)
    finally:
        for hook in hooks:
            hook.remove()
        # not by ``train``, which a network may refuse that has no statistics yet
        for module, mode in modes:
            module.training = mode
    # a layer that the network did not use has nothing to be given
    used = [both for both in zip(layers, moments, strict=True) if both[1].count or not items]
    for norm, (mean, variance) in [(norm, kept.result()) for norm, kept in used]:
        _give(norm, mean, variance)
    return f"BatchNorm statistics of {len(layers)} layers estimated from {items} pictures"


class _Moments:
    """Count, mean and sum of squared deviations per channel, joined as by Chan et al. (1979)."""

    def __init__(self) -> None:
        self.count = 0
        self._mean: Tensor | None = None
        self._squares: Tensor | None = None

    def add(self, inputs: Tensor) -> None:
        axes = [axis for axis in range(inputs.ndim) if axis != 1]
        # half precision would not do for sums, and double would take twice the memory
        values = inputs.detach().to(torch.promote_types(inputs.dtype, torch.float32))
        count = values.numel() // values.shape[1]
        variance, mean = (m.double() for m in torch.var_mean(values, axes, correction=0))
        squares = variance * count
        if self._mean is None or self._squares is None:
            self.count, self._mean, self._squares = count, mean, squares
            return
        total = self.count + count
        difference = mean - self._mean
        self._squares += squares + difference.square() * (self.count * count / total)
        self._mean += difference * (count / total)
        self.count = total

    def result(self) -> tuple[Tensor, Tensor]:
        """Mean and unbiased variance, float64."""
        if self._mean is None or self._squares is None or self.count < 2:
            raise DataError("BatchNorm statistics need pictures to be estimated from; none came")
        if not bool(torch.isfinite(self._squares).all()):
            raise DataError(
                "BatchNorm statistics cannot be estimated: the network makes values of the pictures "
                "that are not finite; look at the weights and at --preprocessing"
            )
        return self._mean, self._squares / (self.count - 1)


def _running(norm: _BatchNorm | DomainBatchNorm) -> tuple[Tensor, Tensor]:
    """The running statistics that evaluation uses."""
    held = norm.statistics[norm.domain] if isinstance(norm, DomainBatchNorm) else norm
    mean, variance = held.running_mean, held.running_var
    assert isinstance(mean, Tensor)
    assert isinstance(variance, Tensor)
    return mean, variance


@torch.no_grad()
def _give(norm: _BatchNorm | DomainBatchNorm, mean: Tensor, variance: Tensor) -> None:
    held = list(norm.statistics) if isinstance(norm, DomainBatchNorm) else [norm]
    assert isinstance(held[0], _BatchNorm)
    epsilon = held[0].eps
    old_mean, old_variance = _running(norm)
    scale = norm.weight.double() * torch.rsqrt(old_variance.double() + epsilon)
    shift = norm.bias.double() - old_mean.double() * scale
    norm.weight.copy_(scale * (variance + epsilon).sqrt())
    norm.bias.copy_(shift + scale * mean)
    for one in held:
        for name, value in (("running_mean", mean), ("running_var", variance)):
            one.get_buffer(name).copy_(value)
