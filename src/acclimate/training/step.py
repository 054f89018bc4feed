"""One module owns the forward pass and every loss: what DDP, autocast and compilers wrap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from acclimate.algorithms.base import Algorithm
from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Batch, NetworkOutput, Views
from acclimate.layers.averaging import averaged_copy, update_average
from acclimate.layers.domain_norm import keep_domains_apart
from acclimate.layers.gather import gathered, gathered_outputs, joint_batch
from acclimate.layers.processes import CommonDraws, joined, process_count
from acclimate.layers.sync_batch_norm import synchronise_batch_norm
from acclimate.models.network import Network
from acclimate.objectives import Classification, Objective


class Step(nn.Module):
    """Network, algorithm's modules and, where wanted, the moving average of the network.

    Source and target go through the network in one joint batch. Where a batch has labelled target
    items, their cross-entropy and the classification of the source weigh one half each.

    Args:
        network: what is trained.
        algorithm: its losses.
        averaging: decay of the weight average in [0, 1), which is then what is deployed; 0 keeps
            none, unless the algorithm needs a teacher (then 0.99, for the teacher alone).
        joint_losses: with several processes, gather what the network says of all their items and
            take the losses of the joint batch on each; else every process takes those of its own
            part. ``None``: where a loss is a statistic of the whole batch. Raises
            ``ConfigurationError`` where the algorithm mixes inputs of its own part.
        sync_batch_norm: with several processes, BatchNorm's statistics are those of the joint batch.
        objective: what source labels mean. Raises ``ConfigurationError`` where the algorithm needs
            classes and there are none.
    """

    def __init__(
        self,
        network: Network,
        algorithm: Algorithm,
        averaging: float = 0.0,
        *,
        joint_losses: bool | None = None,
        sync_batch_norm: bool = False,
        objective: Objective | None = None,
    ) -> None:
        super().__init__()
        self.objective = objective or Classification()
        compared = gains_from_joining(algorithm) or self.objective.compares_items
        self.joint_losses = compared if joint_losses is None else joint_losses
        if self.joint_losses and mixes_inputs(algorithm):
            raise ConfigurationError(
                "an algorithm that mixes inputs does so in each process, and cannot take its losses "
                "of all of them: give --losses-per-process"
            )
        self.common_draws = CommonDraws()
        if sync_batch_norm:
            synchronise_batch_norm(network)
        self.network = network
        self.algorithm = algorithm
        self.modules_of_algorithm = nn.ModuleDict(dict(algorithm.modules(network)))
        self.deploys_average = averaging > 0
        if algorithm.uses_teacher and averaging == 0:
            averaging = 0.99
        self.averaging = averaging
        self.average = averaged_copy(network) if averaging else None

    @property
    def deployed(self) -> Network:
        """The network that is evaluated and handed over: the average where one was asked for."""
        return self.average if self.average is not None and self.deploys_average else self.network

    def forward(
        self, batch: Batch, progress: float, phase: str = "all", apart: bool = False
    ) -> dict[str, Tensor | float]:
        """``"loss"`` (the sum, to be descended), ``"loss/<term>"`` each, and the monitors.

        With ``apart`` also ``"classification"``: that part of the loss, with its graph. Nothing is
        synchronised with the host: read values only where they are logged.
        """
        moves_network = any(p.moves_network for p in self.algorithm.phases if p.name == phase)
        with torch.set_grad_enabled(moves_network and torch.is_grad_enabled()):
            views, few = self._views(batch, progress)
        with ExitStack() as stack:
            if self.joint_losses and process_count() > 1:
                views = _joint(views)
                # a loss may let the network look again, at the source items of all processes
                keep_domains_apart(self.network, len(views.batch.source))
                stack.enter_context(joined())
                stack.enter_context(self.common_draws.taken())
            losses, monitors = self.algorithm.losses(views, self.modules_of_algorithm, phase)
        if batch.labelled_target is not None:
            labels = batch.labelled_target.labels
            assert few is not None
            losses = in_balance(losses, self.objective.terms(few, labels)[0], self.objective.term)
        total = (
            torch.stack(list(losses.values())).sum()
            if len(losses) > 1
            else next(iter(losses.values()))
        )
        logged = {f"loss/{name}": value.detach() for name, value in losses.items()}
        found = {"loss": total, **logged, **monitors}
        if apart:
            parts = [losses[n] for n in (self.objective.term, "labelled_target") if n in losses]
            found["classification"] = torch.stack(parts).sum()
        return found

    def after_update(self, steps_done: int) -> None:
        """To be called once after the optimisers of a step: constraints, then the average."""
        self.network.constrain()
        if self.average is not None:
            update_average(self.average, self.network, self.averaging, steps_done)

    def _views(self, batch: Batch, progress: float) -> tuple[Views, NetworkOutput | None]:
        """What the algorithm sees, and what is said of labelled target items, which it does not."""
        labelled = batch.labelled_target
        batch = self.algorithm.prepare(batch._replace(labelled_target=None), progress)
        extra = dict(self.algorithm.extra_inputs(batch, progress))
        inputs = {"source": batch.source, "target": batch.target}
        inputs["labelled target"] = None if labelled is None else labelled.inputs
        # last, as they are of neither domain
        inputs |= extra
        mixed = sum(len(part) for part in extra.values())
        keep_domains_apart(self.network, len(batch.source), mixed)
        seen = self._jointly({name: part for name, part in inputs.items() if part is not None})
        if mixed:  # a loss may let the network look again, at the two domains alone
            keep_domains_apart(self.network, len(batch.source))
        views = Views(
            seen["source"],
            batch.source_labels,
            seen.get("target"),
            self._teacher_logits(batch),
            batch,
            progress,
            self.network,
            self.average,
            {name: seen[name] for name in extra},
            self.objective,
        )
        return views, seen.get("labelled target")

    def _jointly(self, inputs: dict[str, Tensor]) -> dict[str, NetworkOutput]:
        """What the network says of each of the ``inputs``, all in one pass."""
        output = self.network(
            torch.cat(list(inputs.values())) if len(inputs) > 1 else inputs["source"]
        )
        stop, seen = 0, {}
        for name, part in inputs.items():
            start, stop = stop, stop + len(part)
            seen[name] = output.rows(start, stop)
        return seen

    def trainable(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters that an optimiser moves, by the names that phases know: ``network.head.bias``."""
        yield from self.network.named_parameters("network")
        yield from self.modules_of_algorithm.named_parameters()

    @torch.no_grad()
    def _teacher_logits(self, batch: Batch) -> Tensor | None:
        if not self.algorithm.uses_teacher:
            return None
        assert self.average is not None
        looked_at = batch.target if batch.target_weak is None else batch.target_weak
        return self.objective.said(self.average(looked_at))

    def train(self, mode: bool = True) -> Step:
        """As ``nn.Module.train``; the average stays in eval mode."""
        super().train(mode)
        if self.average is not None:
            self.average.eval()
        return self


def _joint(views: Views) -> Views:
    """The views that one process with the joint batch has, from those of this process's part."""
    seen = [each for each in (views.source, views.target) if each is not None]
    source, *target = gathered_outputs(seen)
    teacher = None if views.teacher_logits is None else gathered([views.teacher_logits])[0]
    batch = joint_batch(views.batch)
    return views._replace(
        source=source,
        source_labels=batch.source_labels,
        target=target[0] if target else None,
        teacher_logits=teacher,
        batch=batch,
    )


def mixes_inputs(algorithm: Algorithm) -> bool:
    """Whether the algorithm sends inputs of its own making through the network."""
    return any(type(part).extra_inputs is not Algorithm.extra_inputs for part in algorithm.members)


def gains_from_joining(algorithm: Algorithm) -> bool:
    """Whether losses of the joint batch differ from the mean of each process's, and can be taken."""
    compares = any(part.compares_items for part in algorithm.members)
    return compares and not mixes_inputs(algorithm)


def in_balance(
    losses: dict[str, Tensor], labelled_target: dict[str, Tensor], term: str
) -> dict[str, Tensor]:
    """``losses`` with that of labelled target items beside the source's ``term``, one half each.

    A phase in which the source's labels teach nothing stays as it is.
    """
    if term not in losses:
        return losses
    halves = {term: 0.5 * losses[term], "labelled_target": 0.5 * labelled_target[term]}
    return {**losses, **halves}
