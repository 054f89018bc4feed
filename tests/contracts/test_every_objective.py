"""What every algorithm has to keep where identities are told apart, and what the others say."""

import copy

import pytest
import torch

from acclimate.algorithms import algorithms, combination, names_for
from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Batch, Spec
from acclimate.models.network import build_network
from acclimate.objectives import Retrieval, make_objective, objectives
from acclimate.training.parts import make_algorithm
from acclimate.training.settings import make_settings
from acclimate.training.step import Step

FEATURES = 6
ABLE = names_for("retrieval")
adapting = pytest.mark.parametrize(
    "name",
    [
        name
        for name in ABLE
        if algorithms.get(name).uses_target and algorithms.get(name).learns_from_target
    ],
)
able = pytest.mark.parametrize("name", [*ABLE, "dann+mean-teacher"])


def people(name, number=0, identities=6, target=8):
    """A batch of vectors, two of each identity, with what the algorithm asks for."""
    algorithm = combination.make(name, {})
    random = torch.Generator().manual_seed(number)
    labels = torch.arange(identities).repeat_interleave(2)
    centres = torch.randn(identities, FEATURES, generator=random)
    source = centres[labels] + 0.5 * torch.randn(len(labels), FEATURES, generator=random)
    adapted = torch.randn(target, FEATURES, generator=random) + 1
    weak = adapted + 0.1 * torch.randn(target, FEATURES, generator=random)
    return Batch(
        source,
        labels,
        adapted if algorithm.uses_target else None,
        weak if algorithm.uses_teacher else None,
        target_clusters=torch.arange(target) // 2 if algorithm.forms_clusters else None,
    )


def make_step(name, seed=0, **objective):
    torch.manual_seed(seed)
    algorithm = combination.make(name, {})
    apart = {"normalisation": "domain"} if algorithm.keeps_domains_apart else {}
    spec = Spec((FEATURES,), (), objective="retrieval")
    network = build_network("mlp", {"widths": [12, 10], **apart}, spec)
    return Step(network, algorithm, objective=Retrieval(**objective))


def gradients(step, batch, progress=0.5):
    torch.manual_seed(0)  # some draw points between the domains
    found = {}
    for phase in step.algorithm.phases:
        step.zero_grad(set_to_none=True)
        step(batch, progress, phase.name)["loss"].backward()
        for name, parameter in step.named_parameters():
            if parameter.grad is not None:
                found[phase.name, name] = parameter.grad.clone()
    return found


@able
@pytest.mark.parametrize("loss", ["binomial-deviance", "triplet", "circle"])
def test_losses_are_finite_scalars_and_add_up(name, loss):
    step = make_step(name, loss=loss)
    for progress in (0.0, 0.5, 1.0):
        for phase in step.algorithm.phases:
            values = step(people(name), progress, phase.name)
            assert all(torch.isfinite(torch.as_tensor(value)).all() for value in values.values())
            terms = [value for key, value in values.items() if key.startswith("loss/")]
            torch.testing.assert_close(values["loss"].detach(), torch.stack(terms).sum())


@able
def test_the_pairs_are_descended_and_nothing_is_classified(name):
    step = make_step(name)
    values = {}
    for phase in step.algorithm.phases:
        values |= step(people(name), 0.5, phase.name)
    assert "loss/pairs" in values
    assert "source_batch_rank1" in values
    assert not any(
        "classification" in key or ("accuracy" in key and "source" in key) for key in values
    )
    assert step.network(people(name).source).logits.shape == (12, 0)


@adapting
def test_the_target_batch_matters(name):
    step, batch = make_step(name), people(name)
    other = batch._replace(target=3 * batch.target.flip(1) - 1)
    found, changed = gradients(step, batch), gradients(step, other)
    assert any(not torch.equal(found[key], changed[key]) for key in found)


@able
def test_every_parameter_gets_a_gradient(name):
    step = make_step(name)
    reached = set()
    for number, progress in enumerate((0.1, 0.5, 1.0)):
        for (_, parameter), gradient in gradients(step, people(name, number), progress).items():
            if gradient.abs().max() > 0:
                reached.add(parameter)
    assert reached == {key for key, each in step.named_parameters() if each.requires_grad}


@able
def test_identities_are_names_and_not_numbers(name):
    """Any other numbering of the same people gives the same step."""
    batch = people(name)
    renamed = batch._replace(source_labels=5 * (7 - batch.source_labels))
    step = make_step(name)
    found, again = gradients(step, batch), gradients(copy.deepcopy(step), renamed)
    for key, gradient in found.items():
        torch.testing.assert_close(gradient, again[key], atol=1e-7, rtol=1e-5)


@able
def test_bf16_autocast(name):
    step = make_step(name)
    with torch.autocast("cpu", torch.bfloat16):
        for phase in step.algorithm.phases:
            assert torch.isfinite(step(people(name), 0.5, phase.name)["loss"])


@pytest.mark.parametrize("name", sorted(set(algorithms.names()) - set(ABLE)))
def test_whoever_needs_classes_says_so_in_one_line(name):
    settings = make_settings(source="a", target="b", objective="retrieval", algorithm=name)
    with pytest.raises(ConfigurationError, match=f"algorithm {name} looks at class logits") as told:
        make_algorithm(settings)
    assert "\n" not in str(told.value)
    assert "dann" in str(told.value)


def test_working_without_classes_is_not_inherited():
    """Whoever builds on an algorithm that works without logits may well look at them."""

    class Own(algorithms.get("source-only")):
        """A method of somebody else."""

    assert "retrieval" in algorithms.get("source-only").objectives
    assert Own.objectives == ("classification",)


@pytest.mark.parametrize("name", objectives.names())
def test_options_are_checked(name):
    with pytest.raises(ConfigurationError, match=f"objective {name}: no option 'xyzzy'"):
        make_objective(name, {"xyzzy": 1})
    assert objectives.get(name).__doc__.strip()


def test_an_objective_that_nobody_knows():
    with pytest.raises(ConfigurationError, match=r"unknown objective 'retreival'.*retrieval"):
        make_settings(source="a", target="b", objective="retreival")
