"""The score that chooses a checkpoint of a retrieval run when nothing else is asked for."""

from __future__ import annotations

import math

from acclimate.validators.retrieval.base import RetrievalEvidence, retrieval_validator
from acclimate.validators.retrieval.neighbours import consistency, reciprocity
from acclimate.validators.retrieval.source_cmc import source_map


@retrieval_validator("default", needs=("probed", "changed_descriptors"))
def default(evidence: RetrievalEvidence) -> float:
    """Finds the source's identities, and the target's pictures know themselves and each other: in [0, 3].

    ``source-map`` + ``consistency`` + ``reciprocity``. No part is enough: the first never looks at
    the target, the second is content with a camera's every detail, the third with whatever pairs
    were pressed together. How the sum was found: docs/validators.md.
    """
    found = source_map(evidence)
    # where there is nothing to find, in any checkpoint of the run, the target decides alone
    known = 0.0 if math.isnan(found) else found
    return known + consistency(evidence) + reciprocity(evidence)
