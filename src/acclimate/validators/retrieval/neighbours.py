"""Who is whose nearest."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from acclimate.validators.retrieval.base import (
    RetrievalEvidence,
    among_others,
    retrieval_validator,
    similarities,
)


@retrieval_validator("reciprocity")
def reciprocity(evidence: RetrievalEvidence) -> float:
    """Share of target pictures that are the nearest of their own nearest in another camera, in [0, 1].

    The reciprocal nearest neighbours of Zhong et al., CVPR 2017, equation 2, for k = 1. Where there
    is one camera, or none is known, among all pictures. Two that are equally near are nobody's nearest.
    """
    near = among_others(evidence.target_descriptors)
    cameras = evidence.target_cameras
    if cameras is not None and len(cameras.unique()) > 1:
        near = near.masked_fill(cameras[:, None] == cameras, -math.inf)
    nearest = _only_nearest(near)
    own = torch.arange(len(nearest))
    mutual = (nearest >= 0) & (nearest[nearest.clamp_min(0)] == own)
    return float(mutual.double().mean())


@retrieval_validator("consistency", needs=("probed", "changed_descriptors"))
def consistency(evidence: RetrievalEvidence) -> float:
    """Share of slightly changed target pictures whose nearest is their own original, in [0, 1].

    Among all target pictures: instance discrimination (Wu et al., CVPR 2018) as a score. A picture
    that is equally near counts as nearer.
    """
    assert evidence.probed is not None
    assert evidence.changed_descriptors is not None
    near = similarities(evidence.changed_descriptors, evidence.target_descriptors)
    return float((_only_nearest(near) == evidence.probed).double().mean())


def _only_nearest(near: Tensor) -> Tensor:
    """(N,) index of the largest of each row, −1 where it is there twice or −∞."""
    largest = near.amax(1, keepdim=True)
    alone = ((near == largest).sum(1) == 1) & (largest[:, 0] > -math.inf)
    return near.argmax(1).where(alone, -1)
