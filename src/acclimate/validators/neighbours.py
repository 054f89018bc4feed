"""What the source items nearest to the target's say."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

from acclimate.validators.base import Evidence, validator
from acclimate.validators.items import in_order, only_finite

NEIGHBOURS = 10


@validator("nearest-source", at_every_checkpoint=False)
@only_finite
def nearest_source(evidence: Evidence) -> float:
    """Accuracy of the source items nearest to target items, weighed by cosine, in [0, 1] (pytorch-adapt, 2021).

    Its ``NearestSourceValidator(layer="features", weighted=True)``: the weight of a target item is
    its largest cosine, if positive, over the largest of all.
    """
    items = in_order(evidence)
    nearest = _cosines(items).max(1)
    right = (items.source_logits.argmax(1) == items.source_labels).double()[nearest.indices]
    weights = nearest.values.clamp_min(0)
    largest = weights.max()
    return float((right * weights / largest).mean()) if float(largest) > 0 else 0.0


@validator("knn", at_every_checkpoint=False)
@only_finite
def nearest_labels(evidence: Evidence) -> float:
    """Share of the labels of a target item's ten nearest source items that are its prediction, in [0, 1].

    By cosine of features. With one neighbour it is pytorch-adapt's ``TargetKNNValidator``, which
    averages over classes where this averages over items.
    """
    items = in_order(evidence)
    count = min(NEIGHBOURS, len(items.source_labels))
    labels = items.source_labels[_cosines(items).topk(count, 1).indices]
    return float((labels == items.target_logits.argmax(1, keepdim=True)).double().mean())


def _cosines(items: Evidence) -> Tensor:
    """(M, N): of every target item with every source item."""
    return normalize(items.target_features, dim=1) @ normalize(items.source_features, dim=1).T
