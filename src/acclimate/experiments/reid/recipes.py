"""How the rows of the table are trained: what they share, and what each has of its own.

Settings are those of ``FitSettings`` on top of the defaults for retrieval. Rows share everything
but their algorithm, so that a gain is a gain of adaptation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

Recipe = Literal["default", "paper"]
RECIPES: tuple[Recipe, ...] = get_args(Recipe)

#: of every row by the default recipe; a pretrained backbone has the settings for photos instead
COMMON: Mapping[str, Any] = {
    "objective": "retrieval",
    "network": "strips-cnn",
    "network_options": {"maps": 32, "normalisation": "batch"},
    "batch_size": 64,
    "steps": 600,
    "evaluations": 10,
}

#: in the table's order
ROWS: Mapping[str, Mapping[str, Any]] = {
    "source-only": {"algorithm": "source-only", "algorithm_options": {}},
    "dann": {"algorithm": "dann", "algorithm_options": {}},
    "best": {
        "algorithm": "dann+cluster-pseudo-labels",
        # the paper's targets have one or two pictures of a person and camera: no density to speak of
        "algorithm_options": {"cluster-pseudo-labels.clusters_by": "mutual"},
    },
    "train-on-target": {"algorithm": "train-on-target", "algorithm_options": {}},
}
BASE, ORACLE = "source-only", "train-on-target"
"""The row that gains are measured against, and the one that saw the target's identities."""
