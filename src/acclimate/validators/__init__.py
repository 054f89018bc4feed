"""Label-free scores by name. Adding one: its file, and one line here."""

from acclimate.validators import class_shares, default, information, source_accuracy  # noqa: F401
from acclimate.validators.base import Evidence, Validator, validators

__all__ = ["Evidence", "Validator", "validators"]
