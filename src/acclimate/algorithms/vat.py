"""Virtual adversarial training on both domains."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from acclimate.algorithms.base import Algorithm, Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.layers.steady import steady
from acclimate.losses.divergence import divergences


class LocallySmooth(Algorithm):
    """What algorithms share whose predictions are to withstand the worst small change of an input.

    Miyato et al., "Virtual adversarial training", 2018, equations 5 to 7 and algorithm 1 with one
    power iteration. The three further passes see source and target together and leave no trace:
    BatchNorm normalises by the batch without noting it, and nothing is dropped. The two that find
    the direction run without autocast, as they compare predictions that hardly differ.
    """

    draws: ClassVar[bool] = True

    radius: float = Field(
        0.06, gt=0, description="norm of the change of an item, divided by √(number of its values)"
    )
    xi: float = Field(
        0.01, gt=0, description="norm of the change by which the direction is found, likewise"
    )
    absolute: bool = Field(False, description="take both norms as they are, not times that root")

    def roughness(self, views: Views) -> tuple[Tensor, Tensor]:
        """Mean divergence under the worst change, of the source's and the target's predictions."""
        assert views.batch.target is not None
        inputs = torch.cat([views.batch.source, views.batch.target])
        # under mixed precision they come in half of it, which weights without autocast refuse
        inputs = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        unit = 1.0 if self.absolute else sqrt(inputs[0].numel())
        network = views.network
        with steady(network):
            with torch.autocast(inputs.device.type, enabled=False), torch.no_grad():
                before = network(inputs).logits
                change = self.xi * unit * _unit_vectors(torch.randn_like(inputs))
                with torch.enable_grad():
                    change.requires_grad_()
                    found = divergences(before, network(inputs + change).logits).sum()
                (slope,) = torch.autograd.grad(found, change)
                worst = self.radius * unit * _unit_vectors(slope)
            each = divergences(before, network(inputs + worst).logits)
        count = len(views.batch.source)
        return each[:count].mean(), each[count:].mean()


def _unit_vectors(changes: Tensor) -> Tensor:
    """``changes`` (N, ...) of length 1 each, and 0 where one is 0."""
    flat = changes.flatten(1).float()
    # first by the largest value: where the network is certain, squares of slopes would be 0
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    return nn.functional.normalize(flat, dim=1).view_as(changes).to(changes.dtype)


@algorithms.register("vat")
class VirtualAdversarial(LocallySmooth, SourceOnly):
    """Predictions that withstand the worst small change of an input, in both domains.

    Miyato et al., "Virtual adversarial training: a regularization method for supervised and
    semi-supervised learning", 2018, equation 8, with the target as what is unlabelled. Deviations:
    (1) the domains weigh one half each, also in batches of unequal size; (2) the passes, see
    ``LocallySmooth``; (3) the weight rises linearly over ``ramp``.
    """

    uses_target: ClassVar[bool] = True

    weight: float = Field(1.0, ge=0, description="of the mean divergence")
    ramp: float = Field(0.3, gt=0, le=1, description="share of training until the full weight")

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        losses, monitors = super().losses(views, modules, phase)
        source, target = self.roughness(views)
        weight = self.weight * min(1.0, views.progress / self.ramp)
        return Terms(
            {**losses, "roughness": weight * 0.5 * (source + target)},
            {**monitors, "source_roughness": source.detach(), "target_roughness": target.detach()},
        )
