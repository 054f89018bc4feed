"""Settings are checked before anything is opened."""

import pickle

import pytest

from acclimate.core.errors import ConfigurationError
from acclimate.training.settings import FitSettings, make_settings

BASE = {"source": "mnist", "target": "mnist-m"}


def test_steps_and_epochs_together():
    settings = make_settings(**BASE, steps=10, epochs=2)
    with pytest.raises(ConfigurationError, match="--steps or --epochs, not both"):
        settings.step_count(1000)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, 5000),
        ({"steps": 7}, 7),
        ({"epochs": 2, "batch_size": 50}, 40),
        ({"epochs": 0.5, "batch_size": 64}, 8),
        ({"epochs": 0.001}, 1),
    ],
)
def test_number_of_steps(chosen, expected):
    assert make_settings(**BASE, **chosen).step_count(1000) == expected


def test_all_problems_are_told_at_once():
    with pytest.raises(ConfigurationError) as caught:
        make_settings(
            **BASE, steps=-1, learning_rat=1, schedule="cosin", precision="64", momentum=2
        )
    message = str(caught.value)
    assert "\n" not in message
    for part in ("steps", "'learning_rate'", "Did you mean 'cosine'", "precision", "momentum"):
        assert part in message


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"averaging": 1.0},
        {"seed": -1},
        {"seed": 2**63},
        {"size": 4},
        {"channels": 2},
        {"epochs": 0},
        {"source": ""},
        {"augmentation": "photo"},
        {"gradient_clip": 0},
        {"steps": "many"},
    ],
)
def test_wrong_values_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=f"settings: {name}: "):
        make_settings(**{**BASE, **wrong})


def test_protocols():
    paper = make_settings("paper", **BASE)
    assert (paper.algorithm, paper.optimiser, paper.schedule) == ("dann", "sgd", "paper")
    assert (paper.batch_size, paper.learning_rate, paper.momentum) == (64, 0.01, 0.9)
    assert make_settings("paper", **BASE, learning_rate=0.1).learning_rate == 0.1
    assert (paper.network, paper.precision, paper.augmentation) == ("paper", "32", "none")
    mixed = make_settings("paper", **BASE, network_options={"padding": 2})
    assert mixed.network_options == {"padding": 2}
    with pytest.raises(ConfigurationError, match="Did you mean 'paper'"):
        make_settings("papers", **BASE)


def test_frozen_and_round_trip():
    settings = make_settings(**BASE, algorithm_options={"weight": 0.5})
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 3
    assert FitSettings.model_validate_json(settings.model_dump_json()) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings


def retrieval(**chosen):
    return make_settings(source="viper", target="prid2011", objective="retrieval", **chosen)


def test_retrieval_has_defaults_of_its_own():
    made = retrieval()
    assert made.algorithm == "dann+camera-centring"
    assert made.algorithm_options == {"dann.weight": 0.1}
    assert (made.network, made.network_options) == ("strips-cnn", {"normalisation": "domain"})
    assert made.person_size == (128, 48)
    assert retrieval(algorithm="best") == made


def test_options_of_a_part_do_not_follow_to_another():
    assert retrieval(algorithm="dan").algorithm_options == {}
    other = retrieval(network="mnist-cnn")
    assert other.network_options == {}
    assert other.algorithm_options == {"dann.weight": 0.1}
    kept = retrieval(network="strips-cnn", network_options={"maps": 8})
    assert kept.network_options == {"normalisation": "domain", "maps": 8}


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, (128, 48)), ({"size": 256}, (256, 96)), ({"size": 64, "width": 32}, (64, 32))],
)
def test_the_size_of_people(given, expected):
    assert retrieval(**given).person_size == expected


def test_the_papers_training_of_retrieval():
    """Ganin et al., JMLR 2016, section 5.3."""
    paper = retrieval(protocol="paper")
    assert (paper.optimiser, paper.momentum, paper.learning_rate) == ("sgd", 0.9, 1e-3)
    assert (paper.schedule, paper.batch_size, paper.steps) == ("constant", 128, 20_000)
    assert (paper.algorithm, paper.algorithm_options) == ("dann", {})
    assert paper.network_options == {}


def test_a_backbone_has_the_settings_for_photos():
    made = retrieval(network="backbone", network_options={"weights": "none"})
    assert (made.preprocessing, made.fit) == ("network", "squash")
    assert made.algorithm == "dann+camera-centring"
