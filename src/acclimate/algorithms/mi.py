"""Mutual information of source and target features of the same class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from acclimate.algorithms.base import Algorithm, Terms, algorithms
from acclimate.core.types import NetworkOutput, Views
from acclimate.layers.perceptron import perceptron
from acclimate.losses.mutual_information import (
    Pairs,
    jensen_shannon_bound,
    jensen_shannon_loss,
    same_class_pairs,
)
from acclimate.models.network import Network
from acclimate.objectives.classification import batch_accuracy, classification_loss


@algorithms.register("mi")
class MutualInformation(Algorithm):
    """Features of one class that tell of each other across the domains (mutual information).

    Sharma et al., "MaNi: maximizing mutual information for nuclei cross-domain unsupervised
    segmentation", 2022, as its authors apply it to digits: a critic tells pairs of one class from
    pairs of two, and the network helps it. Meant for ``dann+mi``, as a second stage. Deviations:
    docs/algorithms/mi.md.
    """

    uses_teacher: ClassVar[bool] = True
    compares_items: ClassVar[bool] = True

    weight: float = Field(1.0, ge=0, description="of the mutual-information loss")
    threshold: float = Field(
        0.9, ge=0, lt=1, description="confidence above which the teacher's class is believed"
    )
    start: float = Field(0.5, ge=0, le=1, description="share of training before the loss begins")
    projection: PositiveInt = Field(64, description="width of the projected features")
    critic: tuple[PositiveInt, ...] = Field(
        (512, 512), description="widths of the critic's hidden layers"
    )
    layer: str | None = Field(
        None, description="layer that is projected; null = the last hidden layer"
    )

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(self.layer or network.feature_layer)
        projection = nn.Sequential(nn.Linear(width, self.projection), nn.ReLU(inplace=True))
        return {"projection": projection, "critic": perceptron(2 * self.projection, self.critic)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        assert views.teacher_logits is not None
        logits, labels = views.source.logits, views.source_labels
        confidence, classes = views.teacher_logits.detach().float().softmax(1).max(1)
        confident = confidence > self.threshold
        pairs = same_class_pairs(labels, classes, confident)
        projected = [self._projected(view, modules) for view in (views.source, views.target)]
        loss = _both_ways(modules["critic"], projected[0], projected[1], pairs)
        # multiplied and not left out: every parameter takes part in every step, as DDP demands
        weight = self.weight if views.progress >= self.start else 0.0
        return Terms(
            {
                "classification": classification_loss(logits, labels),
                "mutual_information": weight * loss,
            },
            {
                "source_batch_accuracy": batch_accuracy(logits, labels),
                "confident_share": confident.float().mean(),
                "mi_pairs": pairs.valid.float().mean(),
                "mutual_information": jensen_shannon_bound(0.5 * loss, pairs.valid),
            },
        )

    def _projected(self, view: NetworkOutput, modules: nn.ModuleDict) -> Tensor:
        # without a name the last layer, as ``modules`` takes it
        name = self.layer or next(reversed(view.layers))
        projected: Tensor = modules["projection"](view.layers[name])
        return projected


def _both_ways(critic: nn.Module, source: Tensor, target: Tensor, pairs: Pairs) -> Tensor:
    """The loss with target items as anchors plus the loss with source items as anchors."""
    target_same = target[pairs.target_same]
    source_other, target_other = source[pairs.source_other], target[pairs.target_other]
    compared = [
        (target_same, source),
        (target_same, source_other),
        (source, target_same),
        (source, target_other),
    ]
    # one call of the critic for all four: an anchor is always the first half of its input
    joint = torch.cat([torch.cat(pair, 1) for pair in compared])
    same_of_target, other_of_target, same_of_source, other_of_source = critic(joint).view(4, -1)
    as_target = jensen_shannon_loss(same_of_target, other_of_target, pairs.valid)
    as_source = jensen_shannon_loss(same_of_source, other_of_source, pairs.valid)
    return as_target + as_source
