"""A few labelled target items count in every algorithm, by one half, and no algorithm sees them."""

import pytest
import torch
import torch.nn.functional as F

from acclimate.algorithms import algorithms, names_for
from acclimate.core.types import LabelledBatch

ITEMS, FEATURES, CLASSES = 5, 6, 3
NAMES = names_for("classification")
# with BatchNorm every item of a pass has a part in the others
without_batch_norm = pytest.mark.parametrize(
    "name",
    [
        *(name for name in NAMES if not algorithms.get(name).keeps_domains_apart),
        "dann+mi",
        "dann+linear-svm",
    ],
)
every_method = pytest.mark.parametrize("name", [*NAMES, "dann+mi", "dann+linear-svm"])


@pytest.fixture
def few():
    random = torch.Generator().manual_seed(5)
    return LabelledBatch(
        torch.randn(ITEMS, FEATURES, generator=random), torch.arange(ITEMS) % CLASSES
    )


def values_of(step, batch):
    """Values and gradients of every phase; what an algorithm draws is the same in every call."""
    torch.manual_seed(0)
    found, gradients = {}, {}
    for phase in step.algorithm.phases:
        step.zero_grad(set_to_none=True)
        values = step(batch, 0.5, phase.name)
        values["loss"].backward()
        found |= {(phase.name, key): torch.as_tensor(value) for key, value in values.items()}
        for name, parameter in step.named_parameters():
            if parameter.grad is not None:
                gradients[phase.name, name] = parameter.grad.clone()
    return found, gradients


def classifying(values):
    """The phases that learn from labels."""
    return [phase for phase, key in values if key == "loss/classification"]


@without_batch_norm
def test_each_domain_weighs_one_half(name, make_step, make_batch, few):
    """Against the network itself; everything else is as without them, so nothing else saw them."""
    step, batch = make_step(name), make_batch(name)
    plain, _ = values_of(step, batch)
    # a fresh one: a step may remember what it has looked at
    values, _ = values_of(make_step(name), batch._replace(labelled_target=few))
    phases = classifying(plain)
    assert phases
    expected = dict(plain)
    cross_entropy = F.cross_entropy(step.network(few.inputs).logits, few.labels)
    for phase in phases:
        classification = plain[phase, "loss/classification"]
        half = 0.5 * cross_entropy.detach()
        expected[phase, "loss/classification"] = 0.5 * classification
        expected[phase, "loss/labelled_target"] = half
        expected[phase, "loss"] = plain[phase, "loss"] - 0.5 * classification + half
    assert values.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(values[key], value, msg=lambda text, key=key: f"{key}: {text}")


@every_method
@pytest.mark.parametrize("change", ["inputs", "labels"])
def test_they_move_the_weights(name, change, make_step, make_batch, few):
    step, batch = make_step(name), make_batch(name)
    other = few._replace(**{change: getattr(few, change).flip(0)})
    (_, first), (_, second) = (
        values_of(step, batch._replace(labelled_target=each)) for each in (few, other)
    )
    assert any(not torch.equal(first[key], second[key]) for key in first)
    assert all(torch.isfinite(gradient).all() for gradient in first.values())


@every_method
def test_no_algorithm_sees_them(name, make_step, make_batch, few, monkeypatch):
    step, batch = make_step(name), make_batch(name)
    kind, seen = type(step.algorithm), []
    losses = kind.losses

    def watched(self, views, modules, phase):
        seen.append(views)
        return losses(self, views, modules, phase)

    monkeypatch.setattr(kind, "losses", watched)
    values_of(step, batch._replace(labelled_target=few))
    assert seen
    for views in seen:
        assert views.batch.labelled_target is None
        assert len(views.source.logits) == len(batch.source)
        assert views.target is None or len(views.target.logits) == len(batch.target)


@every_method
def test_a_single_item_and_bf16(name, make_step, make_batch, few):
    step = make_step(name)
    one = LabelledBatch(few.inputs[:1], few.labels[:1])
    with torch.autocast("cpu", torch.bfloat16):
        values, gradients = values_of(step, make_batch(name)._replace(labelled_target=one))
    assert all(torch.isfinite(value).all() for value in values.values())
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
