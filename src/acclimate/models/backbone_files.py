"""A frozen backbone on disk: ``backbone.safetensors`` and ``backbone.json``; nothing is ever unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt
from safetensors.torch import save_file
from torch import nn

from acclimate.core.errors import ConfigurationError, ModelFileError
from acclimate.core.files import replace_atomically, write_text_atomically
from acclimate.models.backbone import Backbone
from acclimate.models.backbone_layers import FeatureExtractor
from acclimate.models.backbone_weights import weights_sha256
from acclimate.models.files import (
    check_version,
    first_difference,
    host_tensors,
    read_json,
    read_weights,
    validated,
)

__all__ = ["read_backbone", "save_backbone", "weights_sha256"]

BACKBONE_WEIGHTS = "backbone.safetensors"
BACKBONE_DESCRIPTION = "backbone.json"
FORMAT_VERSION = 1
_WHAT = "backbone description"


class BackboneDescription(BaseModel):
    """What rebuilds the extractor: the content of ``backbone.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["acclimate-backbone"] = "acclimate-backbone"
    version: int = FORMAT_VERSION
    options: dict[str, Any]
    width: PositiveInt
    sha256: str


def save_backbone(folder: Path, options: Backbone, module: nn.Module) -> str:
    """Write what ``options.extractor(side)`` gave; returns the SHA-256 of its weights."""
    digest = weights_sha256(module)
    with replace_atomically(folder / BACKBONE_WEIGHTS) as temporary:
        save_file(host_tensors(module), temporary)
    assert isinstance(module, FeatureExtractor)
    description = BackboneDescription(
        options=options.model_dump(mode="json"), width=module.width, sha256=digest
    )
    text = description.model_dump_json(indent=2) + "\n"
    write_text_atomically(folder / BACKBONE_DESCRIPTION, text)
    return digest


def read_backbone(folder: Path, side: int) -> tuple[Backbone, FeatureExtractor, int]:
    """Options, extractor for pictures of that ``side`` and its width, in eval mode without gradient.

    Neither the hub nor the file that the weights came from is needed. Raises ``ModelFileError`` in
    one line where the folder holds none, or one whose weights are not those that were saved.
    """
    path = folder / BACKBONE_DESCRIPTION
    raw = read_json(path, "no frozen backbone", _WHAT)
    check_version(raw, path, FORMAT_VERSION)
    description = validated(BackboneDescription, raw, path, _WHAT)
    try:
        options = Backbone.build("network backbone", description.options)
        module, width = options.bare().extractor(side)
    except ConfigurationError as error:
        raise ModelFileError(f"{path}: {error}") from error
    state = read_weights(folder / BACKBONE_WEIGHTS)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise ModelFileError(
            f"{folder / BACKBONE_WEIGHTS} does not hold the weights that {BACKBONE_DESCRIPTION} "
            f"describes: {first_difference(module.state_dict(), state)}"
        ) from error
    if width != description.width or weights_sha256(module) != description.sha256:
        raise ModelFileError(
            f"{folder / BACKBONE_WEIGHTS} is not the file that was saved here: train again"
        )
    return options, module, width
