"""Label-free scores of descriptors, by name. Adding one: its file, and one line here."""

from acclimate.validators.retrieval import (  # noqa: F401
    camera_confusion,
    clustering_agreement,
    default,
    domain_confusion,
    neighbours,
    source_cmc,
)
from acclimate.validators.retrieval.base import RetrievalEvidence, retrieval_validators

__all__ = ["RetrievalEvidence", "retrieval_validators"]
