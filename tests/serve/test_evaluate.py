"""Which data a model can be measured on."""

from dataclasses import replace

import pytest
import torch

from acclimate.core.errors import DataError
from acclimate.data.domain import Domain, ResidentStore
from acclimate.serve.evaluate import evaluate_model, open_for


@pytest.fixture
def domain(model):
    pixels = torch.randint(0, 256, (6, 28, 28, 3), dtype=torch.uint8)
    return Domain("pets", ResidentStore(pixels), torch.arange(6) % 4, model.class_names)


def test_counts_agree_with_the_network(model, domain):
    inputs = domain.store.gather(torch.arange(6)).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        predicted = model.network(inputs).logits.argmax(1)
    metrics = evaluate_model(model, domain, batch_size=4)
    assert metrics.accuracy == pytest.approx(float((predicted == domain.labels).double().mean()))


def test_refuses_what_cannot_be_compared(model, domain):
    with pytest.raises(DataError, match="no labels"):
        evaluate_model(model, domain.unlabelled())
    with pytest.raises(DataError, match=r"ant.*cat"):
        evaluate_model(model, replace(domain, class_names=("ant", "bee", "cow", "doe")))
    small = ResidentStore(torch.zeros(6, 8, 8, 3, dtype=torch.uint8))
    with pytest.raises(DataError, match=r"3×8×8.*3×28×28"):
        evaluate_model(model, replace(domain, store=small))


def test_other_classes_are_named_on_both_sides(model):
    with pytest.raises(DataError, match=r"'0'.*'cat'"):
        open_for(model, "digits", "train")
