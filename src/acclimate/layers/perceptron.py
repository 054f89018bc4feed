"""Fully connected layers with ReLUs between them."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


def perceptron(width: int, hidden: tuple[int, ...], outputs: int = 1) -> nn.Sequential:
    """(N, ``width``) → (N, ``outputs``): a ReLU after each ``hidden`` layer, none after the last.

    >>> import torch
    >>> perceptron(6, (5, 4))(torch.zeros(3, 6)).shape
    torch.Size([3, 1])
    """
    layers: list[nn.Module] = []
    for incoming, outgoing in pairwise((width, *hidden)):
        layers += [nn.Linear(incoming, outgoing), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear((width, *hidden)[-1], outputs))
