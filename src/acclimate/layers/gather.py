"""What the network says of the items of all processes, on each of them and with its gradient.

With W processes, process r has the items r, r + W, r + 2 W … of the joint batch. Each gathers the
outputs of all and computes the same loss L of the joint batch, whose gradient with respect to all
outputs it therefore has before it; it sends back through its own network the gradient of its own
outputs, W times. The mean over processes, which DDP and FSDP take, is then

    parameters before the gathering:  1/W · Σ_r W · ∂L/∂z_r · ∂z_r/∂θ = dL/dθ
    parameters behind it:             1/W · Σ_r dL/dφ                 = dL/dφ

which is the gradient of one process that has the joint batch; a parameter that is used on both
sides, a network's last layer that looks a second time, gets the sum of both, which is right too.
Nothing is communicated on the way back, since all processes hold the same gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, distributed

from acclimate.core.types import Batch, NetworkOutput
from acclimate.layers.processes import process_count


def gathered(parts: Sequence[Tensor]) -> list[Tensor]:
    """Each of ``parts`` (N, ...) as (W·N, ...), the items in the order of the joint batch.

    Every process must hold parts of the same shapes. Those of one dtype travel together. Gradients
    of parts are W times those of a loss that is the same on all processes, see above.
    """
    count = process_count()
    if count == 1:
        return list(parts)
    found: list[Tensor | None] = [None] * len(parts)
    for dtype in dict.fromkeys(part.dtype for part in parts):
        places = [place for place, part in enumerate(parts) if part.dtype == dtype]
        flat = torch.cat([parts[place].flatten() for place in places])
        rows = _Gathered.apply(flat).split([parts[place].numel() for place in places], 1)
        for place, row in zip(places, rows, strict=True):
            # (W, N, ...): item n of process r is item n·W + r of the joint batch
            each = row.view(count, *parts[place].shape)
            found[place] = each.transpose(0, 1).flatten(0, 1)
    return [part for part in found if part is not None]


def gathered_sums(values: Tensor) -> Tensor:
    """``values`` (M,) of all processes as (W, M), for losses that differ between processes.

    The gradient is the sum over all processes' losses, which the way back communicates.
    """
    rows: Tensor = _GatheredForSums.apply(values)
    return rows


class _Gathered(torch.autograd.Function):
    """(M,) → (W, M); the gradient of a loss that all processes compute alike."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _all_rows(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0][distributed.get_rank()] * distributed.get_world_size()


class _GatheredForSums(torch.autograd.Function):
    """(M,) → (W, M); the gradient of the sum of losses, of which each process has its own."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return _all_rows(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        return total[distributed.get_rank()]


def _all_rows(values: Tensor) -> Tensor:
    count = distributed.get_world_size()
    flat = values.new_empty(count * len(values))
    distributed.all_gather_into_tensor(flat, values.contiguous())
    return flat.view(count, len(values))


def gathered_outputs(outputs: Sequence[NetworkOutput]) -> list[NetworkOutput]:
    """The outputs of all processes for each of ``outputs``, gathered together."""
    flat = [tensor for each in outputs for tensor in (*each.layers.values(), each.logits)]
    found = iter(gathered(flat))
    return [
        NetworkOutput({name: next(found) for name in each.layers}, next(found)) for each in outputs
    ]


class JointBatch(Batch):
    """A batch whose inputs are those of all processes; they are sent round only when looked at.

    Its labels and places are the joint batch's already. Inputs are the largest part of a batch, and
    most losses never look at them.
    """

    @cached_property
    def source(self) -> Tensor:
        return gathered([super().source])[0]

    @cached_property
    def target(self) -> Tensor | None:
        return _gathered_inputs(super().target)

    @cached_property
    def target_weak(self) -> Tensor | None:
        return _gathered_inputs(super().target_weak)


def _gathered_inputs(inputs: Tensor | None) -> Tensor | None:
    return None if inputs is None else gathered([inputs])[0]


def joint_batch(batch: Batch) -> JointBatch:
    """The joint batch that ``batch`` is one process's part of, labelled target items left out."""
    names = ("source_labels", "source_places", "target_clusters")
    known = {name: each for name in names if (each := getattr(batch, name)) is not None}
    found = dict(zip(known, gathered(list(known.values())), strict=True))
    labels = found.pop("source_labels")
    joint = JointBatch(batch.source, labels, batch.target, batch.target_weak)
    places, clusters = found.get("source_places"), found.get("target_clusters")
    return joint._replace(source_places=places, target_clusters=clusters)
