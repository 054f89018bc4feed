"""How the rows of the table are trained: what they share, and what each has of its own.

Settings are those of ``FitSettings`` on top of the defaults for retrieval. Rows share everything
but their algorithm, so that a gain is a gain of adaptation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

Recipe = Literal["default", "paper"]
RECIPES: tuple[Recipe, ...] = get_args(Recipe)

#: of every row by the default recipe, beside the defaults of retrieval: a quarter of the paper's maps and
#: batches of 32, so that a row takes minutes on a processor. A pretrained backbone has the settings for photos
COMMON: Mapping[str, Any] = {
    "objective": "retrieval",
    "network": "strips-cnn",
    "network_options": {"maps": 16, "normalisation": "domain"},
    "batch_size": 32,
    "steps": 800,
    "evaluations": 5,
}

#: in the table's order
ROWS: Mapping[str, Mapping[str, Any]] = {
    "source-only": {"algorithm": "source-only", "algorithm_options": {}},
    "dann": {"algorithm": "dann", "algorithm_options": {"weight": 0.1}},
    "best": {
        "algorithm": "dann+camera-centring",
        "algorithm_options": {"dann.weight": 0.1},
    },
    "train-on-target": {"algorithm": "train-on-target", "algorithm_options": {}},
}
#: the paper's adversary is at full weight
PAPER_ROWS: Mapping[str, Mapping[str, Any]] = {
    **ROWS,
    "dann": {"algorithm": "dann", "algorithm_options": {}},
}
BASE, ORACLE = "source-only", "train-on-target"
"""The row that gains are measured against, and the one that saw the target's identities."""
