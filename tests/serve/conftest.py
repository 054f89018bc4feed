"""A small untrained model, as it is read back from a run folder."""

import pytest
import torch

from acclimate.core.types import Spec
from acclimate.data.preprocessing import Preprocessing
from acclimate.models.network import build_network
from acclimate.training.inference import LoadedModel


@pytest.fixture(scope="session")
def model():
    torch.manual_seed(0)
    spec = Spec((3, 28, 28), ("cat", "dog", "owl", "yak"))
    network = build_network("mnist-cnn", {"normalisation": "none"}, spec).eval()
    return LoadedModel(network, Preprocessing(kind="none"), spec)
