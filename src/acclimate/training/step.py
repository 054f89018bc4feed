"""One module owns the forward pass and every loss: what DDP, autocast and compilers wrap."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from acclimate.algorithms.base import Algorithm
from acclimate.core.types import Batch, Views
from acclimate.layers.averaging import averaged_copy, update_average
from acclimate.layers.domain_norm import keep_domains_apart
from acclimate.models.network import Network


class Step(nn.Module):
    """Network, algorithm's modules and, where wanted, the moving average of the network.

    Source and target go through the network in one joint batch.

    Args:
        network: what is trained.
        algorithm: its losses.
        averaging: decay of the weight average in [0, 1); 0 keeps none, unless the algorithm
            needs a teacher (then 0.99).
    """

    def __init__(self, network: Network, algorithm: Algorithm, averaging: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.algorithm = algorithm
        self.modules_of_algorithm = nn.ModuleDict(dict(algorithm.modules(network)))
        if algorithm.uses_teacher and averaging == 0:
            averaging = 0.99
        self.averaging = averaging
        self.average = averaged_copy(network) if averaging else None

    @property
    def deployed(self) -> Network:
        """The network that is evaluated and handed over: the average where there is one."""
        return self.network if self.average is None else self.average

    def forward(
        self, batch: Batch, progress: float, phase: str = "all"
    ) -> dict[str, Tensor | float]:
        """``"loss"`` (the sum, to be descended), ``"loss/<term>"`` each, and the monitors.

        Nothing is synchronised with the host: read values only where they are logged.
        """
        views = self._views(batch, progress)
        losses, monitors = self.algorithm.losses(views, self.modules_of_algorithm, phase)
        total = (
            torch.stack(list(losses.values())).sum()
            if len(losses) > 1
            else next(iter(losses.values()))
        )
        logged = {f"loss/{name}": value.detach() for name, value in losses.items()}
        return {"loss": total, **logged, **monitors}

    def after_update(self, steps_done: int) -> None:
        """To be called once after the optimisers of a step: constraints, then the average."""
        self.network.constrain()
        if self.average is not None:
            update_average(self.average, self.network, self.averaging, steps_done)

    def _views(self, batch: Batch, progress: float) -> Views:
        rows = len(batch.source)
        joint = batch.source if batch.target is None else torch.cat([batch.source, batch.target])
        keep_domains_apart(self.network, rows)
        output = self.network(joint)
        target = None if batch.target is None else output.rows(rows, len(joint))
        teacher = self._teacher_logits(batch)
        return Views(output.rows(0, rows), batch.source_labels, target, teacher, batch, progress)

    @torch.no_grad()
    def _teacher_logits(self, batch: Batch) -> Tensor | None:
        if not self.algorithm.uses_teacher:
            return None
        assert self.average is not None
        looked_at = batch.target if batch.target_weak is None else batch.target_weak
        logits: Tensor = self.average(looked_at).logits
        return logits

    def train(self, mode: bool = True) -> Step:
        """As ``nn.Module.train``; the average stays in eval mode."""
        super().train(mode)
        if self.average is not None:
            self.average.eval()
        return self
