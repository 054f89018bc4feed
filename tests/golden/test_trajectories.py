"""What every algorithm computes, step by step, against numbers written down earlier."""

import importlib.util
import json
from pathlib import Path

import pytest

from acclimate.algorithms import algorithms

HERE = Path(__file__).parent
TOLERANCE = {"rel": 2e-4, "abs": 2e-5}


@pytest.fixture(scope="module")
def golden():
    spec = importlib.util.spec_from_file_location("regenerate", HERE / "regenerate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stored():
    return json.loads((HERE / "trajectories.json").read_text(encoding="utf-8"))


def test_every_algorithm_is_written_down(stored):
    assert sorted(stored) == sorted(algorithms.names())


@pytest.mark.parametrize("name", algorithms.names())
def test_trajectory(name, golden, stored):
    found = golden.trajectory(name)
    assert found.keys() == stored[name].keys()
    for key, values in stored[name].items():
        assert found[key] == pytest.approx(values, **TOLERANCE), (
            f"{name}: {key} has changed; if that is meant: python tests/golden/regenerate.py"
        )


@pytest.mark.parametrize("name", algorithms.names())
def test_it_is_worth_keeping(name, stored):
    """A trajectory that stands still would guard nothing."""
    losses = {key: values for key, values in stored[name].items() if key.startswith("loss")}
    assert all(len(set(values)) > 10 for values in losses.values())
    assert all(len(values) == 20 for values in losses.values())
    falling = losses.get("loss/classification") or losses["loss/pairs"]
    # pairs of identities vary more from batch to batch than they fall in these few steps
    last = falling[-1] if "loss/classification" in losses else min(falling)
    assert last < falling[0]
