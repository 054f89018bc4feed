"""The figure of the moons: what is drawn, trained and measured, with few epochs."""

import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.special import expit

from acclimate.data.sets.moons import DEGREES
from acclimate.experiments import moons_drawing, moons_figure
from acclimate.experiments.moons_figure import (
    ACCURACIES,
    FIGURE,
    NETWORKS,
    MoonsResult,
    draw_moons,
    measure,
    reproduce_moons,
    train,
)


def test_target_is_other_points_of_the_source_turned():
    points = draw_moons(3)
    assert points.source.shape == points.target.shape == (300, 2)
    angle = np.deg2rad(DEGREES)
    back = points.target @ np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    for label in (0, 1):
        centre = points.source[points.labels == label].mean(0)
        assert back[points.target_labels == label].mean(0) == pytest.approx(centre, abs=0.05)
    assert np.abs(back - points.source).max() > 0.01
    # twice scikit-learn's moons, of which one is a half circle of radius 1
    upper = points.source[points.labels == 1]
    assert np.ptp(upper[:, 0]) == pytest.approx(4, abs=0.4)


def test_no_points_are_drawn_twice():
    drawn = [draw_moons(seed, 300, fresh=fresh) for seed in range(3) for fresh in (False, True)]
    # a turn leaves the distance from the centre as it is
    firsts = [np.linalg.norm(side[0]) for each in drawn for side in (each.source, each.target)]
    assert len(set(np.round(firsts, 4))) == len(firsts) == 12


def test_only_dann_has_an_adversary():
    points = draw_moons(0, 20)
    for name, weight in NETWORKS.items():
        weights = train(points, name, 0, epochs=2).network.weights_
        assert (np.abs(weights.u).sum() > 0) == (weight > 0)


def test_accuracies_are_shares_of_points():
    trained = train(draw_moons(1), "DANN", 1, epochs=2)
    found, points = measure(trained, 1), trained.points
    right = trained.network.predict(points.target) == points.target_labels
    assert found.oracle_target == pytest.approx(right.mean())
    fresh = draw_moons(1, 1000, fresh=True)
    for side, domain in ((fresh.source, 0), (fresh.target, 1)):
        assert side.shape == (1000, 2)
        told = trained.domains.predict(trained.network.hidden_layer(side)) == domain
        found = found.model_copy(update={"domain": found.domain - told.mean() / 2})
    assert found.domain == pytest.approx(0, abs=1e-9)


def test_both_files_are_whole(tmp_path):
    told = []
    result = reproduce_moons(tmp_path, [4, 2], epochs=2, command="a command", done=told.append)
    assert [(each.seed, each.network) for each in told] == [
        (seed, name) for seed in (4, 2) for name in NETWORKS
    ]
    kept = MoonsResult.model_validate(json.loads((tmp_path / ACCURACIES).read_text("utf-8")))
    assert kept == result
    assert kept.command == "a command"
    for line in kept.lines:
        own = [each.oracle_target for each in kept.accuracies if each.network == line.network]
        spread = line.spreads["oracle_target"]
        assert (spread.mean, spread.sd) == pytest.approx((np.mean(own), np.std(own, ddof=1)))
    with Image.open(tmp_path / FIGURE) as picture:
        assert picture.width > 2 * picture.height > 800
    assert (tmp_path / FIGURE).stat().st_size < 200_000


def test_a_row_of_four_panels_for_each_network():
    points = draw_moons(0, 60)
    shown = [train(points, name, 0, epochs=2) for name in NETWORKS]
    figure = moons_drawing.draw([(each, measure(each, 0)) for each in shown])
    assert len(figure.axes) == 8
    assert [axis.get_title() for axis in figure.axes[:4]] == list(moons_drawing.TITLES)
    assert [axis.get_ylabel() for axis in figure.axes[::4]] == ["NN (λ = 0)", "DANN (λ = 6)"]


def test_tags_are_on_the_tips():
    for seed in range(3):
        points = draw_moons(seed)
        at = moons_drawing.tagged(points)
        assert points.target_labels[at].tolist() == [1, 0, 1, 0]
        # each moon's two tips are about as far apart as any two of its points
        for first, second in ((0, 2), (1, 3)):
            own = points.target[points.target_labels == points.target_labels[at[first]]]
            widest = np.linalg.norm(own[:, None] - own, axis=2).max()
            apart = np.linalg.norm(points.target[at[first]] - points.target[at[second]])
            assert apart > 0.9 * widest


def test_a_neuron_is_one_half_on_its_line():
    axis = Figure().subplots()
    weights = np.array([[1.0, 0.3, 2.0], [-0.5, 0.0, 1.0]])
    biases = np.array([0.4, 9.0, 0.0])
    # the second line is x = -30
    assert moons_drawing._lines(axis, weights, biases) == 2
    for line, neuron in zip(axis.lines, (0, 2), strict=True):
        for point in (line.get_xy1(), line.get_xy2()):
            assert expit(point @ weights[:, neuron] + biases[neuron]) == pytest.approx(0.5)


@pytest.fixture
def few_epochs(monkeypatch):
    whole = moons_figure.train
    monkeypatch.setattr(
        moons_figure, "train", lambda points, name, seed, _epochs: whole(points, name, seed, 2)
    )


def test_the_command(few_epochs, acclimate, tmp_path):
    done = acclimate("reproduce", "moons", "--seeds", 2)
    assert done.code == 0, done.err
    assert "DANN (λ = 6)" in done.out
    folder = tmp_path / "acclimate-runs" / "moons"
    assert {path.name for path in folder.iterdir()} == {FIGURE, ACCURACIES}
    chosen = acclimate("reproduce", "moons", "--seed", 3, "--seed", 3, "--results", "x", "--json")
    lines = json.loads(chosen.out)["lines"]
    assert [line["seeds"] for line in lines] == [[3], [3]]
    assert (tmp_path / "x" / FIGURE).exists()


@pytest.mark.parametrize(
    "option", [("--row", "a"), ("--steps", 5), ("--show",), ("--device", "cpu"), ("--threads", 1)]
)
def test_options_of_tables_are_refused(acclimate, tmp_path, option):
    done = acclimate("reproduce", "moons", *option)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"{option[0]}: not for moons" in done.err
    assert list(tmp_path.iterdir()) == []
