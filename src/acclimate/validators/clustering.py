"""Whether the target's features fall into the classes that are predicted."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from acclimate.validators.base import Evidence, validator
from acclimate.validators.items import in_order, only_finite

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
_STARTS = 10


@validator("class-clustering", at_every_checkpoint=False)
@only_finite
def class_clustering(evidence: Evidence) -> float:
    """Adjusted mutual information of predictions and k-means clusters, ≤ 1, ClassAMI (Musgrave et al., 2022).

    As many clusters as classes, of the target's features. 0 where one class takes all.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    items = in_order(evidence)
    predicted = items.target_logits.argmax(1).numpy()
    if len(np.unique(predicted)) < 2:
        return 0.0
    features = items.target_features.numpy()
    clusters = _k_means(features, min(evidence.target_logits.shape[1], len(features)))
    return float(adjusted_mutual_info_score(predicted, clusters))


@validator("class-silhouette", at_every_checkpoint=False)
@only_finite
def class_silhouette(evidence: Evidence) -> float:
    """Silhouette of k-means clusters that start at the predicted classes, in [-1, 1] (Robbiano et al., 2022).

    Of the target's features, one cluster for each class that is predicted. −1 where one class
    takes all, which has no silhouette; 0 where every cluster is a single item.
    """
    from sklearn.metrics import silhouette_score

    items = in_order(evidence)
    features = items.target_features.numpy()
    predicted = items.target_logits.argmax(1).numpy()
    classes = np.unique(predicted)
    centres = np.stack([features[predicted == name].mean(0) for name in classes])
    clusters = _k_means(features, len(classes), centres)
    found = len(np.unique(clusters))
    if found < 2:
        return -1.0
    return float(silhouette_score(features, clusters)) if found < len(features) else 0.0


def _k_means(features: Floats, clusters: int, start: Floats | None = None) -> Labels:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    machine = (
        KMeans(clusters, n_init=_STARTS, random_state=0)
        if start is None
        else KMeans(clusters, init=start, n_init=1)
    )
    with warnings.catch_warnings():
        # fewer different items than clusters: some clusters stay empty
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels: Labels = machine.fit_predict(features)
    return labels
