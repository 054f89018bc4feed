"""From the source to the target and back."""

from __future__ import annotations

import warnings

import numpy as np

from acclimate.validators.base import Evidence, validator
from acclimate.validators.items import in_order, only_finite


@validator("circular", at_every_checkpoint=False)
@only_finite
def circular_validation(evidence: Evidence) -> float:
    """Accuracy on the source of a classifier fitted to predicted target labels (Bruzzone, Marconcini, 2010).

    In [0, 1]. Deviation: only a last layer is trained on the way back, logistic regression on standardised
    features of the network, where the paper trains a whole support vector machine.
    """
    # it takes a second to import, and most runs never ask for it
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    items = in_order(evidence)
    labels, predicted = items.source_labels.numpy(), items.target_logits.argmax(1).numpy()
    if len(np.unique(predicted)) < 2:
        return float((labels == predicted[0]).mean())
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(items.target_features.numpy(), predicted)
    return float(classifier.score(items.source_features.numpy(), labels))
