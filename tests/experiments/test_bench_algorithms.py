"""What a step costs: arithmetic that is counted, and a table of every algorithm."""

import json

import pytest
import torch

from acclimate.algorithms import combination
from acclimate.experiments.bench_algorithms import (
    ALLOWED,
    StepCost,
    _Counting,
    comparable,
)


def test_products_and_their_gradients_are_counted():
    a = torch.randn(3, 5, requires_grad=True)
    b = torch.randn(5, 7, requires_grad=True)
    with _Counting() as counting:
        (a @ b).sum().backward()
    # forward, and one product of the same size for each of the two gradients
    assert counting.flop == 3 * 2 * 3 * 5 * 7


def test_a_convolution_is_counted():
    image, kernel = torch.randn(2, 3, 8, 8), torch.randn(4, 3, 3, 3)
    with _Counting() as counting:
        torch.nn.functional.conv2d(image, kernel)
    assert counting.flop == 2 * 2 * 4 * 6 * 6 * 3 * 3 * 3


def test_the_quotient_is_of_both_ratios():
    assert StepCost("x", 1.0, 2.6, 2.0, 3.0, 2.0).over_arithmetic == pytest.approx(ALLOWED)


def test_oracles_and_what_needs_no_target_are_left_out():
    names = comparable()
    assert {"dann", "mcc", "deep-jdot", "vada", "multi-source-dann"} <= set(names)
    assert not {"source-only", "train-on-target", "linear-svm", "subspace-alignment"} & set(names)
    assert all(combination.make(name, {}).uses_target for name in names)


def test_the_command(acclimate):
    call = ["bench", "algorithms", "--algorithm", "mcd", "--rounds", 1, "--steps", 1]
    done = acclimate(*call, "--json")
    assert done.code == 0, done.err
    (line,) = json.loads(done.out)["algorithms"]
    # MCD looks at the batch once for each of its six optimiser steps
    assert 4 < line["arithmetic"] < 7
    assert line["over_arithmetic"] == pytest.approx(line["time"] / line["arithmetic"])
    table = acclimate(*call)
    assert "mcd" in table.out
    assert "times their arithmetic" in table.out
    assert acclimate("bench", "algorithms", "--algorithm", "mdc").code == 2
