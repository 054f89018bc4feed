"""How little of its camera a descriptor tells."""

from __future__ import annotations

import math

from acclimate.validators.retrieval.base import (
    RetrievalEvidence,
    among_others,
    retrieval_validator,
)


@retrieval_validator("camera-confusion", needs=("target_cameras",))
def camera_confusion(evidence: RetrievalEvidence) -> float:
    """How often a target picture's nearest is of another camera, against chance, in [0, 1].

    For each camera: the share of its pictures whose nearest is of another one, over the share of
    pictures that are; at most 1, where the camera cannot be read from the nearest. The mean of
    cameras. Equally near pictures share a vote. NaN where there is a single camera.
    """
    assert evidence.target_cameras is not None
    cameras = evidence.target_cameras
    kinds = cameras.unique()
    if len(kinds) < 2:
        return math.nan
    near = among_others(evidence.target_descriptors)
    nearest = (near == near.amax(1, keepdim=True)).double()
    crossing = (nearest * (cameras[:, None] != cameras)).sum(1) / nearest.sum(1)
    shares = []
    for camera in kinds:
        own = cameras == camera
        chance = int((~own).sum()) / (len(cameras) - 1)
        shares.append(min(1.0, float(crossing[own].mean()) / chance))
    return math.fsum(shares) / len(shares)
