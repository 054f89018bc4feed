"""Subspace alignment: the source's principal axes turned onto the target's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import Field
from torch import nn

from acclimate.algorithms.base import LastLayer, LastLayerMaterial, algorithms
from acclimate.algorithms.linear_svm import C_OPTION, Floats, LinearMachine, layer_of
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.errors import ConfigurationError
from acclimate.models.network import Network

#: the range of Ganin et al., JMLR 2016, section 5.2
CANDIDATES = (2, 3, 4, 6, 8, 11, 16, 23, 32, 44, 60)


@algorithms.register("subspace-alignment")
class SubspaceAlignment(SourceOnly):
    """Source-only training, then a linear SVM on features whose principal subspaces are aligned.

    Fernando et al., "Unsupervised Visual Domain Adaptation Using Subspace Alignment", ICCV 2013,
    equations 1 to 3: with the bases P_S and P_T of both domains' features, the source is seen
    through P_S P_Sᵀ P_T and the target through P_T. The latter and the machine are one linear
    layer, which is what is handed over. Deviations: the number of components is chosen by the
    run's label-free score (the paper: on labelled source folds and a bound on stable bases;
    Ganin et al., table 2: on the target's test labels), and features are centred, not scaled.
    """

    uses_target: ClassVar[bool] = True
    target_after_training: ClassVar[bool] = True

    components: int | None = Field(
        None, ge=1, description="dimensions of the subspaces; null = chosen by a label-free score"
    )
    c: float | None = Field(None, gt=0, description=C_OPTION)

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        width = network.width_of(network.feature_layer)
        if self.components is not None and self.components > width:
            raise ConfigurationError(
                f"algorithm subspace-alignment: components {self.components} are more than the "
                f"{width} features of the network's last hidden layer; give {width} or fewer"
            )
        return {}

    def last_layer(self, material: LastLayerMaterial) -> LastLayer | None:
        features, labels = material.source_features.double().numpy(), material.source_labels.numpy()
        source = principal_axes(features)
        target = principal_axes(material.target_features.double().numpy())
        # each axis by its own deviation would make the last, noisy ones as loud as the first
        machine = LinearMachine(material.class_count, material.seed, together=True)
        counts = component_counts(material) if self.components is None else [self.components]
        # one C for all: scores of machines of unlike C tell of their scale, not of their axes
        widest = source.aligned(features, target.axes[:, : counts[-1]])
        c = self.c or machine.chosen_c(widest, labels)

        def layer(count: int) -> LastLayer:
            axes = target.axes[:, :count]
            rows, bias = machine.fit(source.aligned(features, axes), labels, c)
            weight = rows @ axes.T
            note = f"subspace alignment, {count} components; linear SVM, C = {c:g}"
            return layer_of(weight, bias - weight @ target.mean, note)

        if len(counts) == 1:
            return layer(counts[0])
        # of equal ones the first, with the fewest components
        return max(map(layer, counts), key=material.score)


class Principal(NamedTuple):
    """``mean`` (D,) of a domain's features, and ``axes`` (D, D): columns by falling variance."""

    mean: Floats
    axes: Floats

    def aligned(self, features: Floats, target_axes: Floats) -> Floats:
        """Coordinates (S, d) of ``features`` (S, D) in the first d axes turned onto ``target_axes``."""
        own = self.axes[:, : target_axes.shape[1]]
        coordinates: Floats = (features - self.mean) @ own @ (own.T @ target_axes)
        return coordinates


def principal_axes(features: Floats) -> Principal:
    """Of (N, D) features; where N < D, the axes beyond those of the items are any orthonormal ones."""
    centred = features - features.mean(0)
    return Principal(features.mean(0), np.linalg.eigh(centred.T @ centred)[1][:, ::-1])


def component_counts(material: LastLayerMaterial) -> list[int]:
    """Candidates that the width and the number of items of each domain allow, at least one."""
    (items, width), others = material.source_features.shape, len(material.target_features)
    most = max(1, min(width, items - 1, others - 1))
    return [count for count in CANDIDATES if count <= most] or [most]
