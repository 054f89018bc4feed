"""How hard it is to tell the domains apart by their descriptors."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from acclimate.validators.domain_classifier import lowest_error
from acclimate.validators.retrieval.base import RetrievalEvidence, retrieval_validator


@retrieval_validator("domain-confusion", at_every_checkpoint=False)
def domain_confusion(evidence: RetrievalEvidence) -> float:
    """−proxy A-distance 2(1 − 2ε) of unit descriptors, in [-2, 0] (Ben-David et al., 2006).

    ε: the error on a held-out half of the best of ten linear support vector machines, as for
    ``proxy-a-distance`` of classification (Ganin et al., JMLR 17(59), 2016, section 5.1.5).
    """
    source, target = (
        _in_order(each) for each in (evidence.source_descriptors, evidence.target_descriptors)
    )
    return 2 * (2 * min(0.5, lowest_error(source, target)) - 1)


def _in_order(descriptors: Tensor) -> NDArray[np.float64]:
    """Unit vectors sorted by their values, so that the same ones are drawn whatever their order."""
    rows: NDArray[np.float64] = F.normalize(descriptors.double(), dim=1).numpy()
    return rows[np.lexsort(rows.T[::-1])]
