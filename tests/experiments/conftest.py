"""A table in small over built-in data."""

import pytest

from acclimate.experiments import tables
from acclimate.experiments.tables import ROWS, Pair, Published, Table

PAPER = {"steps": 4, "batch_size": 8, "evaluations": 2, "log_every": 1}
BEST = {"steps": 4, "batch_size": 8, "evaluations": 2, "log_every": 1, "network": "mlp"}


@pytest.fixture
def table(monkeypatch):
    """The rows of the digits table on two built-in pairs, the only table that there is."""
    published = {
        "dann": (Published("somebody", 0.5),),
        "train-on-target": (Published("them", 0.9),),
    }
    made = Table(
        "small",
        "Small pairs",
        (
            Pair("moons", "moons", "moons-rotated", "Drawn points.", PAPER, published, BEST),
            Pair("digits", "digits", "digits-m", "Small digits.", PAPER, {}, BEST),
        ),
        ROWS,
    )
    monkeypatch.setattr(tables, "TABLES", {"small": made})
    return made
