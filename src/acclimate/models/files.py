"""A trained model on disk: ``model.safetensors`` and ``model.json``; nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from acclimate.core.errors import ConfigurationError, ModelFileError
from acclimate.core.files import replace_atomically, write_text_atomically
from acclimate.core.types import Spec
from acclimate.models.network import Network, build_network

WEIGHTS_NAME = "model.safetensors"
DESCRIPTION_NAME = "model.json"
FORMAT_VERSION = 1

Description = TypeVar("Description", bound=BaseModel)


class ModelDescription(BaseModel):
    """Everything needed to rebuild a network and feed it: the content of ``model.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["acclimate-model"] = "acclimate-model"
    version: int = FORMAT_VERSION
    network: str
    options: dict[str, Any]
    input_shape: tuple[PositiveInt, ...] = Field(min_length=1)
    class_names: tuple[str, ...] = Field(description="empty where identities are told apart")
    objective: Literal["classification", "retrieval"] = "classification"
    objective_options: dict[str, Any] = Field(default_factory=dict)
    preprocessing: dict[str, Any]
    trained_by: str = ""
    table: dict[str, Any] | None = Field(
        None, description="what makes inputs of a table's rows, where the model was made of one"
    )
    pictures: dict[str, Any] | None = Field(
        None, description="what makes inputs of pictures, where a frozen backbone does"
    )

    @model_validator(mode="after")
    def _classes_if_it_classifies(self) -> Self:
        if bool(self.class_names) != (self.objective == "classification"):
            raise ValueError("class_names should name classes, or be empty for retrieval")
        return self

    @property
    def spec(self) -> Spec:
        return Spec(self.input_shape, self.class_names, objective=self.objective)


def save_model(folder: Path, network: Network, description: ModelDescription) -> None:
    """Write both files; each appears whole or not at all, the weights first."""
    with replace_atomically(folder / WEIGHTS_NAME) as temporary:
        save_file(host_tensors(network), temporary)
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
        network = build_network(
            description.network, description.options, description.spec, bare=True
        )
    except ConfigurationError as error:
        raise ModelFileError(f"{folder / DESCRIPTION_NAME}: {error}") from error
    state = read_weights(folder / WEIGHTS_NAME)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelFileError(
            f"{folder / WEIGHTS_NAME} does not hold the weights that {DESCRIPTION_NAME} describes: "
            f"{first_difference(network.state_dict(), state)}"
        ) from error
    return ModelFiles(network.eval(), description)


def host_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The module's state as a safetensors file takes it: on the host, contiguous, nothing shared."""
    tensors: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, tensor in module.state_dict().items():
        host = tensor.detach().cpu().contiguous()
        # a part that a module uses under two names is written twice, and read back into both
        tensors[name] = host.clone() if host.data_ptr() in places and host.numel() else host
        places.add(host.data_ptr())
    return tensors


def _read_description(path: Path) -> ModelDescription:
    raw = read_json(path, "no model", "model description")
    check_version(raw, path, FORMAT_VERSION)
    return validated(ModelDescription, raw, path, "model description")


def read_json(path: Path, nothing: str, what: str) -> Any:
    """The JSON in ``path``; without it the folder holds ``nothing``, a phrase like "no model"."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{path.parent} holds {nothing} ({path.name} is missing); "
            "give a folder that 'acclimate fit' finished"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} is not a {what}: {error}") from error


def check_version(raw: Any, path: Path, newest: int) -> None:
    """Raise ``ModelFileError`` for a description that a later version wrote."""
    version = raw.get("version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > newest:
        raise ModelFileError(
            f"{path} has format {version}, newer than this version's: update acclimate"
        )


def validated(kind: type[Description], raw: Any, path: Path, what: str) -> Description:
    """``raw`` as a ``kind``; the first problem is named in one line."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the top level"
        raise ModelFileError(f"{path} is not a {what}: {where}: {first['msg']}") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that a run wrote; raises ``ModelFileError`` in one line."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ModelFileError(f"{path} is missing; the run has not finished or was moved") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is not a safetensors file ({error}); pickled weights are never read"
        ) from error


def first_difference(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What tells the names and shapes of two states apart, the first by name."""
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
