"""The score that chooses a checkpoint when nothing else is asked for."""

from __future__ import annotations

from acclimate.validators.base import Evidence, validator
from acclimate.validators.bnm import nuclear_norm
from acclimate.validators.class_shares import class_shares
from acclimate.validators.neighbours import nearest_labels
from acclimate.validators.source_accuracy import source_accuracy

#: what each part counts: agreement with neighbours most; class shares least, since those of the
#: target may truly differ
NEIGHBOURS, SHARES = 2.0, 0.5


@validator("default")
def default(evidence: Evidence) -> float:
    """Certain and varied, right on the source, of one mind with its neighbours there: in [-0.5, 4].

    ``bnm`` + ``source-accuracy`` + 2 ``knn`` + ½ ``class-shares``. No part is enough: certainty rewards a
    model that is sure and wrong, neighbours one that never moved, shares one that was pressed into
    them. How the sum was found, and what each part does alone: docs/validators.md.
    """
    return (
        nuclear_norm(evidence)
        + source_accuracy(evidence)
        + NEIGHBOURS * nearest_labels(evidence)
        + SHARES * class_shares(evidence)
    )
