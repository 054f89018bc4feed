"""Items mixed from both domains, in networks that keep the domains' statistics apart."""

import pytest
import torch

from acclimate.algorithms import combination
from acclimate.core.types import Batch, LabelledBatch, Spec
from acclimate.layers.domain_norm import DomainBatchNorm
from acclimate.models import build_network
from acclimate.training.step import Step


def statistics_after(name, few=False):
    """What the first layer's norm holds of each domain after 200 looks at the same batch."""
    torch.manual_seed(1)
    source, target = torch.randn(64, 6), torch.randn(64, 6) + 4
    labelled = LabelledBatch(torch.randn(9, 6) + 4, torch.randint(0, 3, (9,))) if few else None
    batch = Batch(source, torch.randint(0, 3, (64,)), target, None, labelled_target=labelled)
    torch.manual_seed(0)
    network = build_network("mlp", {"normalisation": "domain"}, Spec((6,), ("a", "b", "c")))
    step = Step(network, combination.make(name, {}), 0.0).train()
    with torch.no_grad():
        for _ in range(200):
            step(batch, 0.0)
    norm = next(m for m in network.modules() if isinstance(m, DomainBatchNorm))
    return [(one.running_mean, one.running_var) for one in norm.statistics]


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("name", ["adabn+mixup", "adabn+vat+mixup"])
def test_mixed_items_are_of_neither_domain(name, few):
    mixed, plain = statistics_after(name, few), statistics_after("adabn", few)
    for ours, theirs in zip(mixed, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.01, atol=0.01)
