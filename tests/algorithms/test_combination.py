"""Several algorithms at once: the sum of their losses, each with its own options."""

import pickle
import re
from typing import ClassVar

import pytest
import torch

from acclimate.algorithms import algorithms, combination
from acclimate.algorithms.base import Algorithm, LastLayer, Phase, Terms
from acclimate.algorithms.combination import Combination
from acclimate.algorithms.dann import Dann
from acclimate.algorithms.mi import MutualInformation
from acclimate.core.errors import ConfigurationError, UnknownNameError
from acclimate.core.schedules import domain_ramp
from acclimate.core.types import Views

ALWAYS = {"mi.start": 0.0, "mi.threshold": 0.0}


def views_of(step, batch, progress):
    """What the algorithm sees, with a teacher that sees more than one class."""
    with torch.no_grad():
        step.average.head.weight *= 40
        step.average.head.bias -= step.average(batch.target_weak).logits.mean(0)
    output, rows = step.network(torch.cat([batch.source, batch.target])), len(batch.source)
    return Views(
        source=output.rows(0, rows),
        source_labels=batch.source_labels,
        target=output.rows(rows, rows + len(batch.target)),
        teacher_logits=step.average(batch.target_weak).logits,
        batch=batch,
        progress=progress,
        network=step.network,
    )


def test_losses_are_the_parts_own_with_classification_once(make_step, make_batch):
    step = make_step(combination.make("dann+mi", {**ALWAYS, "dann.weight": 0.3, "mi.weight": 0.2}))
    views, modules = views_of(step, make_batch(), 0.5), step.modules_of_algorithm
    found = step.algorithm.losses(views, modules, "all")
    parts = {
        "dann": Dann(weight=0.3),
        "mi": MutualInformation(weight=0.2, start=0, threshold=0),
    }
    terms = {name: part.losses(views, modules[name], "all") for name, part in parts.items()}
    assert found.losses.keys() == {"classification", "domain", "mutual_information"}
    for each in terms.values():
        for name, value in each.losses.items():
            assert torch.equal(found.losses[name], value)
        for name, value in each.monitors.items():
            assert torch.equal(torch.as_tensor(found.monitors[name]), torch.as_tensor(value))
    assert found.losses["mutual_information"] > 0
    total = terms["dann"].losses["classification"]
    total = total + terms["dann"].losses["domain"] + terms["mi"].losses["mutual_information"]
    torch.testing.assert_close(sum(found.losses.values()), total)


def train(step, batches, steps=10):
    """Plain SGD with momentum; returns the network's weights after each step."""
    optimiser = torch.optim.SGD([p for p in step.parameters() if p.requires_grad], 0.1, 0.9)
    for number in range(steps):
        optimiser.zero_grad()
        step(batches(number), number / steps)["loss"].backward()
        optimiser.step()
        step.after_update(number + 1)
        yield {name: value.clone() for name, value in step.network.state_dict().items()}


@pytest.mark.parametrize("name", ["dann+mi", "mi+dann"])
def test_a_part_of_weight_zero_leaves_the_other(name, make_step, make_batch):
    cut = make_step(combination.make(name, {**ALWAYS, "mi.weight": 0.0}))
    alone = make_step(Dann(), averaging=0.99)
    alone.modules_of_algorithm.load_state_dict(cut.modules_of_algorithm["dann"].state_dict())
    for expected, found in zip(train(alone, make_batch), train(cut, make_batch), strict=True):
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, atol=1e-6, rtol=1e-5)
    # and with its weight it does not
    full = make_step(combination.make(name, {**ALWAYS, "mi.weight": 1.0}))
    full.modules_of_algorithm.load_state_dict(cut.modules_of_algorithm.state_dict())
    views_of(full, make_batch(), 0.0)
    *_, pulled = train(full, make_batch)
    assert (pulled["backbone.1.weight"] - found["backbone.1.weight"]).abs().max() > 1e-4


def test_reversal_of_zero_leaves_mutual_information(make_step, make_batch):
    cut = make_step(combination.make("dann+mi", {**ALWAYS, "dann.weight": 0.0}))
    alone = make_step(MutualInformation(start=0, threshold=0))
    alone.modules_of_algorithm.load_state_dict(cut.modules_of_algorithm["mi"].state_dict())
    for step in (cut, alone):
        views_of(step, make_batch(), 0.0)
    for expected, found in zip(train(alone, make_batch), train(cut, make_batch), strict=True):
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, atol=1e-6, rtol=1e-5)


def test_every_part_trains_its_modules(make_step, make_batch):
    step = make_step(combination.make("dann+mi", ALWAYS))
    views = views_of(step, make_batch(), 0.5)
    terms = step.algorithm.losses(views, step.modules_of_algorithm, "all")
    sum(terms.losses.values()).backward()
    names = {name.split(".")[0] for name, _ in step.modules_of_algorithm.named_parameters()}
    assert names == {"dann", "mi"}
    for name, parameter in step.modules_of_algorithm.named_parameters():
        assert parameter.grad.abs().max() > 0, name
    for name, parameter in step.network.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_terms_of_one_name_are_both_descended(make_step, make_batch):
    """Two domain classifiers: neither may be lost because both losses are called ``domain``."""
    step = make_step(combination.make("dann+dann-self-training", {}))
    values = step(make_batch(), 0.5)
    losses = {key for key in values if key.startswith("loss/")}
    assert losses == {
        f"loss/{term}"
        for term in ("classification", "domain", "dann-self-training.domain", "self_training")
    }
    assert values["reversal_weight"] == pytest.approx(domain_ramp(0.5))
    assert values["dann-self-training.reversal_weight"] == pytest.approx(0.3 * domain_ramp(0.5))
    assert "dann-self-training.source_batch_accuracy" not in values
    values["loss"].backward()
    assert all(p.grad.abs().max() > 0 for p in step.modules_of_algorithm.parameters())


def test_what_a_part_needs_the_whole_needs(make_step):
    assert combination.make("source-only+dann", {}).uses_target
    assert not combination.make("source-only+dann", {}).uses_teacher
    both = combination.make("dann+mi", {})
    assert (both.uses_target, both.uses_teacher, both.oracle) == (True, True, False)
    assert make_step(both).averaging == 0.99


def test_one_name_is_the_algorithm_itself():
    assert combination.make("dann", {"weight": 0.5}) == Dann(weight=0.5)
    with pytest.raises(ConfigurationError, match=r"algorithm dann: no option 'wieght'"):
        combination.make("dann", {"wieght": 0.5})


def test_options_reach_their_part():
    made = combination.make("dann+mi", {"mi.weight": 0.25, "threshold": 0.7, "dann.weight": 2})
    assert made.parts == {
        "dann": Dann(weight=2.0),
        "mi": MutualInformation(weight=0.25, threshold=0.7),
    }


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        (
            "dann+mi",
            {"weight": 1},
            "dann and mi have an option 'weight'; "
            "give --set algorithm.dann.weight or --set algorithm.mi.weight",
        ),
        ("dann+mi", {"thresold": 1}, "has an option 'thresold'. Did you mean 'mi.threshold'?"),
        ("dann+mi", {"m.weight": 1}, "'m.weight' names no part of it. Did you mean 'mi'?"),
        ("dann+mi", {"cdan.weight": 1}, "'cdan.weight' names no part of it. Did you mean 'dann'?"),
        ("dann+mi", {"mi.wieght": 1}, "algorithm mi: no option 'wieght'. Did you mean 'weight'?"),
        ("dann+mi", {"mi.weight": -1}, "algorithm mi: weight: "),
        (
            "dann+mi",
            {"threshold": 0.5, "mi.threshold": 0.6},
            "threshold of mi is given twice, as threshold and as mi.threshold",
        ),
        ("dann+dann", {}, "algorithm dann+dann names one of its parts twice"),
        ("dann+train-on-target", {}, "an oracle cannot be combined"),
        ("dannn+mi", {}, "unknown algorithm 'dannn'. Did you mean 'dann'?"),
        ("dann+", {}, "unknown algorithm ''."),
    ],
)
def test_what_is_wrong_is_one_line(name, options, said):
    with pytest.raises(ConfigurationError, match=re.escape(said)) as caught:
        combination.make(name, options)
    assert "\n" not in str(caught.value)


def test_an_unknown_part_is_an_unknown_name():
    with pytest.raises(UnknownNameError):
        combination.make("dann+xyz", {})


def test_several_optimiser_steps_cannot_be_combined(monkeypatch):
    class Alternating(Algorithm):
        """Two steps at a time."""

        phases: ClassVar[tuple[Phase, ...]] = (Phase("first"), Phase("second"))

    monkeypatch.setattr(algorithms, "_items", {**dict(algorithms.items()), "two": Alternating})
    assert isinstance(combination.make("two", {}), Alternating)
    with pytest.raises(ConfigurationError, match="two takes several optimiser steps"):
        combination.make("dann+two", {})


def test_configuration_survives_pickle_and_keeps_the_parts_options():
    made = combination.make("dann+mi", {"mi.weight": 0.25})
    assert pickle.loads(pickle.dumps(made)) == made
    dumped = made.model_dump(mode="json")["parts"]
    assert dumped["mi"]["weight"] == 0.25
    assert dumped["dann"] == Dann().model_dump(mode="json")
    with pytest.raises(ValueError, match="frozen"):
        made.parts = {}


def test_the_part_that_makes_a_last_layer_makes_it():
    class Maker(Algorithm):
        """Makes the last layer."""

        def losses(self, views, modules, phase):
            return Terms({}, {})

        def last_layer(self, material):
            return LastLayer(torch.zeros(2, 3), torch.zeros(2), "made")

    layer = Combination(parts={"dann": Dann(), "maker": Maker()}).last_layer(None)
    assert layer.note == "made"
    assert Combination(parts={"dann": Dann(), "mi": MutualInformation()}).last_layer(None) is None


def test_what_freezes_a_layer_cannot_be_combined():
    with pytest.raises(ConfigurationError, match="shot trains a part of the network only"):
        combination.make("dann+shot", {})


@pytest.mark.parametrize(
    ("weighing", "options", "expected"),
    [
        ("dirt-t", {}, 0.0),
        ("dirt-t", {"dirt-t.source": 0.5}, 0.5),
        ("adda", {"adda.classification": 0.0, "adda.start": 0.0}, 0.0),
        ("adda", {"adda.classification": 0.25, "adda.start": 0.0}, 0.25),
    ],
)
def test_a_part_that_weighs_the_source_does_so_wherever_it_stands(
    weighing, options, expected, make_step, make_batch
):
    full = make_step(combination.make("mcc", {}))(make_batch(), 0.5)["loss/classification"]
    for name in (f"{weighing}+mcc", f"mcc+{weighing}"):
        found = make_step(combination.make(name, options))(make_batch(), 0.5)
        torch.testing.assert_close(found["loss/classification"], expected * full)


def test_a_second_stage_is_one_in_a_combination_too():
    for name in ("dirt-t+mcc", "mcc+dirt-t"):
        assert combination.make(name, {}).first_stage == "vada"
        assert combination.make(name, {"dirt-t.source": 1.0}).first_stage is None
    with pytest.raises(ConfigurationError, match="dirt-t and adda each weigh the source's labels"):
        combination.make("dirt-t+adda", {})
