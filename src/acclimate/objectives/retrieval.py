"""Retrieval: labels are identities, the last layer is a descriptor, and pairs are compared."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor

from acclimate.core.types import NetworkOutput
from acclimate.losses.binomial_deviance import binomial_deviance
from acclimate.losses.circle import circle
from acclimate.losses.triplet import batch_hard_triplet
from acclimate.objectives.base import Objective, Said, objectives


@objectives.register("retrieval")
class Retrieval(Objective):
    """Labels are identities: a loss of all pairs of descriptors in a batch, by cosine similarity.

    Batches hold ``images_per_identity`` items of each of batch size / ``images_per_identity``
    identities. The options of a loss count for that loss alone.
    """

    term: ClassVar[str] = "pairs"
    monitor: ClassVar[str] = "source_batch_rank1"
    compares_items: ClassVar[bool] = True

    loss: Literal["binomial-deviance", "triplet", "circle"] = Field(
        "binomial-deviance", description="binomial-deviance, triplet (batch-hard) or circle"
    )
    images_per_identity: PositiveInt = Field(2, ge=2, description="K; a batch has P × K items")
    steepness: float = Field(2.0, gt=0, description="α of the binomial deviance")
    similarity: float = Field(0.5, ge=-1, le=1, description="β, where its pairs weigh alike")
    negative_cost: float = Field(2.0, gt=0, description="factor of its exponent in negative pairs")
    triplet_margin: float | None = Field(0.3, ge=0, description="null = soft margin")
    circle_margin: float = Field(0.25, ge=0, le=1, description="relaxation m")
    circle_scale: float = Field(64.0, gt=0, description="scale γ")
    mirrored: bool = Field(True, description="score the mean over a picture and its mirror image")

    def pair_loss(self, descriptors: Tensor, labels: Tensor) -> Tensor:
        """The loss of (N, D) descriptors with identities (N,) int64; -1 marks items left out."""
        if self.loss == "triplet":
            return batch_hard_triplet(descriptors, labels, margin=self.triplet_margin)
        if self.loss == "circle":
            return circle(descriptors, labels, margin=self.circle_margin, scale=self.circle_scale)
        return binomial_deviance(
            descriptors,
            labels,
            steepness=self.steepness,
            margin=self.similarity,
            negative_cost=self.negative_cost,
        )

    def terms(self, output: NetworkOutput, labels: Tensor) -> Said:
        descriptors = self.said(output)
        loss = self.pair_loss(descriptors, labels)
        return {self.term: loss}, {self.monitor: batch_rank1(descriptors, labels)}

    def said(self, output: NetworkOutput) -> Tensor:
        return descriptor_of(output)


def descriptor_of(output: NetworkOutput) -> Tensor:
    """(N, D): the last layer, not normalised."""
    return next(reversed(output.layers.values()))


@torch.no_grad()
def batch_rank1(descriptors: Tensor, labels: Tensor) -> Tensor:
    """Share of items whose nearest other item of the batch is of the same identity, 0-d.

    >>> float(batch_rank1(torch.tensor([[1.0, 0], [1, 0.1], [0, 1], [1, 0]]), torch.tensor([0, 0, 1, 1])))
    0.25
    """
    unit = F.normalize(descriptors.detach().float(), dim=1)
    similarities = unit @ unit.T
    similarities.fill_diagonal_(-torch.inf)
    return (labels[similarities.argmax(1)] == labels).float().mean()
