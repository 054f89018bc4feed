"""What source labels mean, by name. Adding an objective: its file, and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acclimate.core.types import Views
from acclimate.objectives.base import Objective, Said, objectives
from acclimate.objectives.classification import Classification
from acclimate.objectives.retrieval import Retrieval

__all__ = ["Classification", "Objective", "Retrieval", "make_objective", "objectives", "supervised"]

_CLASSIFICATION = Classification()


def make_objective(name: str, options: Mapping[str, Any]) -> Objective:
    """The objective called ``name``; raises ``UnknownNameError`` and ``ConfigurationError``."""
    return objectives.get(name).build(f"objective {name}", options)


def supervised(views: Views) -> Said:
    """The losses and monitors of the labelled source, as the run's objective has them."""
    objective: Objective = views.objective or _CLASSIFICATION
    return objective.terms(views.source, views.source_labels)
