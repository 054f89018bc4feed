"""Small evidence to score."""

import pytest
import torch

from acclimate.validators import Evidence, validators


@pytest.fixture
def score():
    """The value of the validator called ``name``."""

    def of(name, evidence):
        return validators.get(name).score(evidence)

    return of


@pytest.fixture
def blobs():
    """Features around one centre a class, logits that are right on the given shares of items.

    ``shift`` moves the target's features; ``wrong`` says which target items are mistaken for the
    next class.
    """

    def make(items=60, classes=3, width=4, seed=0, shift=0.0, spread=0.3, wrong=0.0):
        random = torch.Generator().manual_seed(seed)
        centres = 3 * torch.nn.functional.one_hot(torch.arange(classes), width)
        labels = torch.arange(items) % classes
        parts = []
        for moved in (0.0, shift):
            noise = spread * torch.randn(items, width, generator=random)
            parts.append((centres[labels] + noise + moved).float())
        mistaken = torch.arange(items) < wrong * items
        predicted = torch.where(mistaken, (labels + 1) % classes, labels)
        logits = [5.0 * torch.nn.functional.one_hot(each, classes) for each in (labels, predicted)]
        return Evidence(parts[0], logits[0], labels, parts[1], logits[1])

    return make
