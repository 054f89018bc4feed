"""The demo's rows share one task and one budget; the bench counts what arithmetic says."""

import numpy as np
import pytest
import torch

from acclimate.core.records import read_record
from acclimate.experiments.bench_step import bench_step
from acclimate.experiments.demo import ROWS, run_demo
from acclimate.training.behaviour import stability


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return run_demo(tmp_path_factory.mktemp("demo"), steps=20)


def test_rows_differ_in_the_algorithm_alone(demo):
    assert tuple(record.algorithm for record in demo.records) == ROWS
    settings = [dict(record.settings, algorithm="") for record in demo.records]
    assert all(each == settings[0] for each in settings)
    assert all(record.steps_done == 20 for record in demo.records)


def test_rows_that_adapt_are_judged_and_no_others(demo):
    for folder, record in zip(demo.folders, demo.records, strict=True):
        written = read_record(folder)
        adapts = record.algorithm.startswith("dann")
        assert (written.verdict is not None) == adapts
        assert written.uses_target_labels == (record.algorithm == "train-on-target")
        assert (written.estimate is None) == written.uses_target_labels
        if adapts:
            assert (folder / written.baseline / "record.json").exists()


def test_stability_holds_the_last_checkpoint_against_those_at_60_and_80_percent(tmp_path):
    predicted = {2: [0, 0, 0, 0], 6: [0, 0, 1, 1], 8: [0, 1, 1, 1], 10: [1, 1, 1, 1]}
    (tmp_path / "evaluations").mkdir()
    for step, classes in predicted.items():
        logits = np.eye(2, dtype=np.float16)[classes]
        np.savez(tmp_path / "evaluations" / f"step-{step:08d}.npz", target_logits=logits)
    assert stability(tmp_path) == pytest.approx((0.5 + 0.75) / 2)


def test_bench_counts_the_papers_network():
    result = bench_step(rounds=1, steps=1, batch_size=4, device="cpu")
    first, second = 24 * 24 * 75 * 32, 8 * 8 * 800 * 48  # products of the two convolutions
    domain, label = 768 * 100 + 100, 768 * 100 + 100 * 100 + 100 * 10
    # a product is 2 FLOP; forward and two gradients, but none for the pixels; the joint batch
    # goes through the label predictor, target items too
    expected = 2 * (2 * first + 3 * second + 3 * domain + 3 * label)
    assert result.flop_per_image == pytest.approx(expected, rel=1e-6)
    assert result.threads == torch.get_num_threads()
    assert result.ratios[0] == result.rounds[0].ours / result.rounds[0].plain
