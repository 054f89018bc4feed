"""Pseudo identities from clusters of the target's descriptors."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from acclimate.algorithms.base import Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.retrieval.clusters import pseudo_identities


@algorithms.register("cluster-pseudo-labels")
class ClusterPseudoLabels(SourceOnly):
    """Target pictures are clustered, again and again, and clusters learnt as if they were identities.

    Fan et al., "Unsupervised person re-identification: Clustering and fine-tuning", TOMM 14(4),
    2018, and Song et al., "Unsupervised domain adaptive re-identification: Theory and practice",
    Pattern Recognition 102, 2020. Deviations: (1) the pair loss is the source's own, not a classifier
    or triplets; (2) the labelled source is trained on all along, in the same batches; (3) cameras'
    mean descriptors are taken off before pictures are compared; (4) there are clusters by mutual
    nearest neighbours too, for sets with one picture of each identity and camera.
    """

    uses_target: ClassVar[bool] = True
    compares_items: ClassVar[bool] = True
    forms_clusters: ClassVar[bool] = True
    objectives: ClassVar[tuple[str, ...]] = ("retrieval",)

    weight: float = Field(1.0, ge=0, description="of the loss of target pairs")
    rounds: int = Field(10, ge=1, description="how often the target is clustered")
    clusters_by: Literal["density", "mutual"] = Field(
        "density",
        description="density (DBSCAN), or mutual nearest neighbours: one picture per camera",
    )
    distance: Literal["jaccard", "cosine"] = Field(
        "jaccard", description="jaccard of reciprocal neighbours or cosine; of density"
    )
    neighbours: int = Field(4, ge=1, description="within the radius to begin a cluster; of density")
    radius: float | None = Field(
        None, gt=0, description="of density; null = mean of the smallest 0.16 % of distances"
    )
    reciprocal: int = Field(30, ge=1, description="k1 of jaccard")
    expansion: int = Field(6, ge=1, description="k2 of jaccard")
    share: float = Field(0.5, gt=0, le=1, description="of the surest links kept; of mutual")
    centred: bool = Field(True, description="take each camera's mean descriptor off first")

    def clusters(self, descriptors: Tensor, cameras: Tensor | None) -> Tensor:
        return pseudo_identities(
            descriptors,
            cameras,
            one_per_camera=self.clusters_by == "mutual",
            distance=self.distance,
            neighbours=self.neighbours,
            radius=self.radius,
            reciprocal=self.reciprocal,
            expansion=self.expansion,
            share=self.share,
            centred=self.centred,
        )

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, monitors = super().losses(views, modules, phase)
        descriptors = next(reversed(views.target.layers.values()))
        clusters = views.batch.target_clusters
        if clusters is None:
            # the sum of nothing: a graph that moves nothing, even where a descriptor is infinite
            pairs, share = descriptors[:0].sum(), descriptors.new_zeros(())
        else:
            pairs = views.objective.pair_loss(descriptors, clusters)
            share = (clusters >= 0).to(descriptors.dtype).mean()
        return Terms(
            {**losses, "target_pairs": self.weight * pairs},
            {**monitors, "clustered_share": share.detach()},
        )
