"""Outputs of a network for a whole domain, and models read back from a run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from acclimate.core.types import NetworkOutput, Spec
from acclimate.data.domain import Domain
from acclimate.data.preprocessing import Preprocessing
from acclimate.data.table_domains import Tables, load_tables
from acclimate.models.files import read_model
from acclimate.models.network import Network


@torch.no_grad()
def outputs(
    network: Network,
    preprocessing: Preprocessing,
    domain: Domain,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 512,
    forward: Callable[[Tensor], NetworkOutput] | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and features (N, D) of every item, float32 on the host, in eval mode."""
    forward = forward or network
    was_training = network.training
    network.eval()
    logits, features = [], []
    for indices in torch.split(torch.arange(len(domain)), batch_size):
        stored = domain.store.gather(indices).to(device)
        output = forward(preprocessing(stored))
        logits.append(output.logits.float().cpu())
        features.append(output.layers[network.feature_layer].float().cpu())
    network.train(was_training)
    return torch.cat(logits), torch.cat(features)


@dataclass(frozen=True)
class LoadedModel:
    """A trained network with all it needs to look at new data."""

    network: Network
    preprocessing: Preprocessing
    spec: Spec
    tables: Tables | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.spec.class_names

    def outputs(self, domain: Domain, batch_size: int = 512) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and features (N, D), float32; ``domain`` must have the model's input shape."""
        return outputs(self.network, self.preprocessing, domain, batch_size=batch_size)


def load_model(folder: Path | str) -> LoadedModel:
    """The model in a run folder; raises ``ModelFileError`` in one line if there is none to read."""
    files = read_model(Path(folder))
    preprocessing = Preprocessing.build(
        "model.json: preprocessing", files.description.preprocessing
    )
    spec = files.description.spec
    tables = None
    if len(spec.input_shape) == 1:
        tables = load_tables(Path(folder), files.description.table, spec.input_shape[0])
    return LoadedModel(files.network, preprocessing, spec, tables)
