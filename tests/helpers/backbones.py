"""Small backbones for tests, and pictures for them."""

import pytest
import torch
from torch import nn

from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Spec
from acclimate.models.network import build_network

SIDE = 32
CLASSES = ("a", "b", "c")
SPEC = Spec((3, SIDE, SIDE), CLASSES)


def build(name="test_resnet", spec=SPEC, seed=0, **options):
    torch.manual_seed(seed)
    return build_network("backbone", {"name": name, "weights": "none", **options}, spec)


def draw(count=6, side=SIDE, channels=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    images = torch.randn(count, channels, side, side, generator=random)
    return images.contiguous(memory_format=torch.channels_last)


def refused(match, kind=ConfigurationError, **options):
    with pytest.raises(kind, match=match) as caught:
        build(**options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def warm(network):
    """Statistics and affine transforms of their own for every plain BatchNorm."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
    return network


def trained(network):
    return {name for name, parameter in network.named_parameters() if parameter.requires_grad}
