"""How well held-out source identities are found."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from acclimate.validators.retrieval.base import (
    RetrievalEvidence,
    among_others,
    retrieval_validator,
)


@retrieval_validator("source-cmc")
def source_cmc(evidence: RetrievalEvidence) -> float:
    """Share of held-out source pictures whose nearest is of their identity, rank 1 of the CMC, in [0, 1].

    Pictures of the same identity and camera are passed over (Zheng et al., ICCV 2015). As
    ``cross_camera_metrics`` has it, but that one which is as near as another identity's does not
    count, so that a network with one descriptor for all gets 0. NaN where there is nothing to find.
    """
    ranking = _ranking(evidence)
    if not len(ranking.near):
        return math.nan
    best, other = (
        ranking.near.where(which, -math.inf).amax(1) for which in (ranking.matches, ranking.others)
    )
    return float((best > other).double().mean())


@retrieval_validator("source-map")
def source_map(evidence: RetrievalEvidence) -> float:
    """Mean average precision on held-out source pictures, in [0, 1] (Zheng et al., ICCV 2015).

    The rules are those of ``source-cmc``: of what is equally near, matches come last.
    """
    precisions = []
    for row, matches, others in zip(*_ranking(evidence), strict=True):
        found = row[matches].sort(descending=True).values
        wrong = row[others].sort().values
        before = len(wrong) - torch.searchsorted(wrong, found)
        number = torch.arange(1, len(found) + 1)
        precisions.append(float((number / (number + before)).double().mean()))
    return math.fsum(precisions) / len(precisions) if precisions else math.nan


class _Ranking(NamedTuple):
    """Of the P pictures that have one to be found: ``near``, how near each other one is, and which of
    them are ``matches`` and which ``others``, of other identities; (P, N) each."""

    near: Tensor
    matches: Tensor
    others: Tensor


def _ranking(evidence: RetrievalEvidence) -> _Ranking:
    labels, cameras = evidence.source_labels, evidence.source_cameras
    if cameras is None:  # one for each picture, so that it passes over itself alone
        cameras = torch.arange(len(labels))
    same = labels[:, None] == labels
    matches = same & (cameras[:, None] != cameras)
    probes = matches.any(1)
    near = among_others(evidence.source_descriptors)
    return _Ranking(near[probes], matches[probes], ~same[probes])
