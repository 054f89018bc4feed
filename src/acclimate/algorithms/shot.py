"""SHOT: a second stage that leaves the classifier as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import nn

from acclimate.algorithms.base import Phase, Terms, algorithms
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.types import Views
from acclimate.layers.class_centroids import ClassCentroids
from acclimate.losses.information import diversity, entropy
from acclimate.models.network import Network
from acclimate.objectives.classification import classification_loss


@algorithms.register("shot")
class Shot(SourceOnly):
    """A second stage without source labels: target features are moved to the classifier's classes.

    Liang et al., "Do we really need to access the source data? Source hypothesis transfer for
    unsupervised domain adaptation", 2020, equation 7: information maximisation and pseudo-labels
    from class centroids, with the last layer frozen. Meant for ``--start-from``. Deviations: (1)
    centroids run over batches instead of a pass over all target items each epoch, see
    ``ClassCentroids``; (2) features and predictions are those of the training pass; (3) the source
    takes part in the batch, and with ``source`` above 0 in the loss; (4) the last layer is the
    network's own, without weight normalisation, and the first stage smooths no labels.
    """

    uses_target: ClassVar[bool] = True
    compares_items: ClassVar[bool] = True
    weighs_source: ClassVar[bool] = True

    weight: float = Field(1.0, ge=0, description="of the information maximisation")
    diversity: float = Field(1.0, ge=0, description="of the diversity in it, beside the entropy")
    pseudo_labels: float = Field(0.3, ge=0, description="of the cross-entropy to the pseudo-labels")
    source: float = Field(0.0, ge=0, description="of the classification of the source")

    @property
    def first_stage(self) -> str:
        # the last layer stays as it is, so it must be one
        return "source-only"

    @property
    def phases(self) -> tuple[Phase, ...]:
        return (Phase("all", ("network.backbone", "network.hidden")),)

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(network.feature_layer)
        return {"centroids": ClassCentroids(network.spec.class_count, width)}

    def losses(self, views: Views, modules: nn.ModuleDict, phase: str) -> Terms:
        assert views.target is not None
        losses, monitors = super().losses(views, modules, phase)
        logits = views.target.logits.float()
        features = next(reversed(views.target.layers.values())).detach()
        labels = modules["centroids"](features, logits.detach().softmax(1))
        information = entropy(logits) - self.diversity * diversity(logits)
        return Terms(
            {
                "classification": self.source * losses["classification"],
                "information": self.weight * information,
                "pseudo_labels": self.pseudo_labels * classification_loss(logits, labels),
            },
            {
                **monitors,
                "source_cross_entropy": losses["classification"].detach(),
                "relabelled_share": (labels != logits.argmax(1)).float().mean(),
            },
        )
