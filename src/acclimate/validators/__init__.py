"""Label-free scores by name. Adding one: its file, and one line here."""

from acclimate.validators import (  # noqa: F401
    bnm,
    circular,
    class_shares,
    clustering,
    default,
    domain_classifier,
    importance_weighting,
    information,
    mmd,
    neighbours,
    probes,
    snd,
    source_accuracy,
)
from acclimate.validators.base import Evidence, Validator, validators

__all__ = ["Evidence", "Validator", "validators"]
