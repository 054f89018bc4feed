"""A trained model on disk: ``model.safetensors`` and ``model.json``; nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from acclimate.core.errors import ConfigurationError, ModelFileError
from acclimate.core.files import replace_atomically, write_text_atomically
from acclimate.core.types import Spec
from acclimate.models.network import Network, build_network

WEIGHTS_NAME = "model.safetensors"
DESCRIPTION_NAME = "model.json"
FORMAT_VERSION = 1


class ModelDescription(BaseModel):
    """Everything needed to rebuild a network and feed it: the content of ``model.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["acclimate-model"] = "acclimate-model"
    version: int = FORMAT_VERSION
    network: str
    options: dict[str, Any]
    input_shape: tuple[PositiveInt, ...] = Field(min_length=1)
    class_names: tuple[str, ...] = Field(min_length=1)
    preprocessing: dict[str, Any]
    trained_by: str = ""
    table: dict[str, Any] | None = Field(
        None, description="what makes inputs of a table's rows, where the model was made of one"
    )

    @property
    def spec(self) -> Spec:
        return Spec(self.input_shape, self.class_names)


def save_model(folder: Path, network: Network, description: ModelDescription) -> None:
    """Write both files; each appears whole or not at all, the weights first."""
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    with replace_atomically(folder / WEIGHTS_NAME) as temporary:
        save_file(tensors, temporary)
    write_text_atomically(folder / DESCRIPTION_NAME, description.model_dump_json(indent=2) + "\n")


@dataclass(frozen=True)
class ModelFiles:
    """A network in eval mode and its description."""

    network: Network
    description: ModelDescription


def read_model(folder: Path) -> ModelFiles:
    """Rebuild the model in ``folder``; raises ``ModelFileError`` in one line if it is not one."""
    if folder.is_file():
        raise ModelFileError(
            f"{folder} is a file; give the run folder that holds {DESCRIPTION_NAME}"
        )
    description = _read_description(folder / DESCRIPTION_NAME)
    try:
        network = build_network(description.network, description.options, description.spec)
    except ConfigurationError as error:
        raise ModelFileError(f"{folder / DESCRIPTION_NAME}: {error}") from error
    state = _read_weights(folder / WEIGHTS_NAME)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelFileError(
            f"{folder / WEIGHTS_NAME} does not hold the weights that {DESCRIPTION_NAME} describes: "
            f"{_first_difference(network.state_dict(), state)}"
        ) from error
    return ModelFiles(network.eval(), description)


def _read_description(path: Path) -> ModelDescription:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{path.parent} holds no model ({path.name} is missing); "
            "give a folder that 'acclimate fit' finished"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} is not a model description: {error}") from error
    version = raw.get("version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format {version}, newer than this version's: update acclimate"
        )
    try:
        return ModelDescription.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the top level"
        raise ModelFileError(
            f"{path} is not a model description: {where}: {first['msg']}"
        ) from error


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ModelFileError(f"{path} is missing; the run has not finished or was moved") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is not a safetensors file ({error}); pickled weights are never read"
        ) from error


def _first_difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is not part of the network"
        if expected[name].shape != found[name].shape:
            return (
                f"{name} is {tuple(found[name].shape)} and should be {tuple(expected[name].shape)}"
            )
    return "unknown difference"


def parameter_count(network: torch.nn.Module) -> int:
    """Number of trained numbers."""
    return sum(parameter.numel() for parameter in network.parameters())
