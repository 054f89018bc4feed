"""Whether clusters of the target outlast a small change of its pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from acclimate.retrieval.clusters import pseudo_identities
from acclimate.validators.retrieval.base import RetrievalEvidence, retrieval_validator

#: two pictures are enough for a cluster, as an identity may have no more
_NEIGHBOURS = 2


@retrieval_validator(
    "clustering-agreement", needs=("probed", "changed_descriptors"), at_every_checkpoint=False
)
def clustering_agreement(evidence: RetrievalEvidence) -> float:
    """Adjusted mutual information of the target's clusters before and after small changes, ≤ 1, chance 0.

    Stability as a sign of clusters that are there (Ben-Hur et al., PSB 2002), measured as Vinh et
    al., JMLR 11, 2010, adjust it for chance. Clusters of the probed pictures by density, as
    ``cluster-pseudo-labels`` forms them but from two pictures on; a picture that is left out is a
    cluster of its own. 0 where neither has a cluster.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    assert evidence.probed is not None
    assert evidence.changed_descriptors is not None
    cameras = None if evidence.target_cameras is None else evidence.target_cameras[evidence.probed]
    before, after = (
        pseudo_identities(descriptors, cameras, neighbours=_NEIGHBOURS)
        for descriptors in (
            evidence.target_descriptors[evidence.probed],
            evidence.changed_descriptors,
        )
    )
    if max(int(before.max()), int(after.max())) < 0:
        return 0.0  # single pictures agree with single pictures, whatever they show
    return float(adjusted_mutual_info_score(_alone(before), _alone(after)))


def _alone(clusters: Tensor) -> Tensor:
    """The same clusters, what was left out each in one of its own."""
    own = torch.arange(len(clusters)) + len(clusters)
    return clusters.where(clusters >= 0, own)
