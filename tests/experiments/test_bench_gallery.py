"""The parts of the gallery benchmark agree with each other and with scikit-learn."""

import json

import pytest
import torch
from sklearn.metrics import average_precision_score
from torch.utils.flop_counter import FlopCounterMode

from acclimate.core.errors import RunError
from acclimate.experiments import bench_gallery as module
from acclimate.experiments.bench_gallery import (
    Figures,
    GalleryBench,
    Size,
    average_precision_by_loop,
    bare_product,
    make_inputs,
    neighbours_by_loop,
)

SIZE = Size(30, 200, 16, 5)


def test_inputs_are_found_now_and_then():
    inputs = make_inputs(Size(200, 2000, 64, 5))
    assert inputs.probes.norm(dim=1) == pytest.approx(torch.ones(200), abs=1e-5)
    nearest = torch.stack([neighbours_by_loop(probe, inputs.gallery)[0] for probe in inputs.probes])
    right = (inputs.labels[1][nearest] == inputs.labels[0]).double().mean()
    assert 0.05 < right < 0.95
    assert inputs.cameras[1].unique().tolist() == [*range(6)]


def test_the_loop_is_scikit_learns():
    inputs = make_inputs(SIZE)
    for probe in range(5):
        same = inputs.labels[1] == inputs.labels[0][probe]
        kept = ~(same & (inputs.cameras[1] == inputs.cameras[0][probe]))
        products = inputs.gallery.double() @ inputs.probes[probe].double()
        expected = average_precision_score(same[kept], products[kept])
        assert average_precision_by_loop(inputs, probe) == pytest.approx(expected)


def test_the_bare_product_has_all_of_the_arithmetic():
    counted = FlopCounterMode(display=False)
    with counted:
        bare_product(*make_inputs(SIZE)[:2])
    assert counted.get_total_flops() == 2 * 30 * 200 * 16


@pytest.mark.parametrize("side", module.SIDES)
def test_each_side(side):
    seconds, mib, agreement = module._figures(side, make_inputs(SIZE), SIZE.neighbours)
    assert seconds > 0
    assert mib >= 0
    assert agreement == (None if side == "product" else pytest.approx(1.0, abs=1e-6))


def test_ratios_are_of_each_round():
    rounds = {
        "product": [Figures(1.0, 1), Figures(4.0, 1)],
        "search": [Figures(2.0, 1, 1.0), Figures(4.0, 3, 1.0)],
        "metrics": [Figures(1.0, 1, 1.0), Figures(4.0, 1, 1.0)],
    }
    found = GalleryBench(SIZE, 1, rounds)
    assert found.ratio("search") == 1.5
    assert found.median("search") == (3.0, 2.0, 1.0)
    assert found.as_dict()["metrics"]["over_product"] == 1.0


def test_the_command(acclimate):
    call = ["bench", "gallery", "--probes", 30, "--gallery", 200, "--threads", 1]
    done = acclimate(*call, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["search"]["agreement"] == pytest.approx(1.0)
    assert found["metrics"]["agreement"] == pytest.approx(1.0, abs=1e-6)
    assert (found["probes"], found["gallery"], found["threads"]) == (30, 200, 1)
    assert acclimate("bench", "gallery", "--gallery", 5).code == 2


def test_the_table(acclimate, monkeypatch):
    monkeypatch.setattr(module, "_apart", lambda side, size, threads: Figures(1.25, 17.0, 1.0))
    table = acclimate("bench", "gallery", "--gallery", 300)
    assert table.code == 0, table.err
    assert "metrics" in table.out
    assert "300 gallery items" in table.out


def test_what_goes_wrong_there_is_said_here(acclimate):
    # fails in the process that measures, not before
    with pytest.raises(RunError, match="search: "):
        module._apart("search", Size(5, 100, 4, 0), 1)
