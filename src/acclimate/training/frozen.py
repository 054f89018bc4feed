"""Pictures as vectors of features: a frozen backbone looks at each once, heads learn in seconds.

The counterpart of ``data/table_domains.py``, which makes vectors of rows: what it returns opens
pictures as a domain of vectors, and is saved with the run's model.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from acclimate.core.errors import AcclimateError
from acclimate.core.files import replace_atomically
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.files import cache_folder
from acclimate.data.preprocessing import Fit, Preprocessing
from acclimate.models.backbone import Backbone
from acclimate.models.backbone_files import (
    BACKBONE_DESCRIPTION,
    read_backbone,
    save_backbone,
    weights_sha256,
)
from acclimate.models.network import InputFacts

CACHED_MIB = 1024
"""Features are kept for later runs up to so much in all; the oldest go first."""

_BATCH = 32


@dataclass(frozen=True)
class PictureFeatures:
    """A frozen backbone and how it looks at pictures; ``module`` maps (N, 3, S, S) to (N, ``width``)."""

    options: Backbone
    module: nn.Module
    width: int
    preprocessing: Preprocessing
    sha256: str

    @classmethod
    def of(cls, options: Backbone, preprocessing: Preprocessing) -> PictureFeatures:
        """The backbone with its weights read; raises ``ConfigurationError`` where they cannot be."""
        assert preprocessing.crop is not None
        module, width = options.extractor(preprocessing.crop)
        return cls(options, module, width, preprocessing, weights_sha256(module))

    def open(self, pictures: Domain, device: torch.device | str = "cpu") -> Domain:
        """``pictures`` with a vector (``width``,) float32 for each, and the pictures beside them."""
        features = self._kept(pictures)
        if features is None:
            features = self(pictures, device)
            self._keep(pictures, features)
        return replace(pictures, store=ResidentStore(features), pictures=pictures.store)

    @torch.inference_mode()
    def __call__(self, pictures: Domain, device: torch.device | str = "cpu") -> Tensor:
        """(N, ``width``) float32 on the host, of the centre of each picture."""
        module = self.module.to(device).eval()
        found = torch.empty(len(pictures), self.width)
        for indices in torch.split(torch.arange(len(pictures)), _BATCH):
            inputs = self.preprocessing(pictures.store.gather(indices).to(device))
            found[indices] = module(inputs).float().cpu()
        return found

    # -- with the model ------------------------------------------------------------------------

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the backbone beside the model; returns what ``model.json`` says of it."""
        if not (folder / BACKBONE_DESCRIPTION).exists():
            # once: it does not change from one checkpoint to the next
            save_backbone(folder, self.options, self.module)
        return {
            "preprocessing": self.preprocessing.model_dump(mode="json"),
            "backbone_sha256": self.sha256,
        }

    @classmethod
    def load(cls, folder: Path, described: dict[str, Any]) -> PictureFeatures:
        """What ``save`` wrote; raises ``ModelFileError`` in one line where it is not there."""
        preprocessing = Preprocessing.build(
            "model.json: pictures.preprocessing", described["preprocessing"]
        )
        assert preprocessing.crop is not None
        options, module, width = read_backbone(folder, preprocessing.crop)
        return cls(options, module, width, preprocessing, described["backbone_sha256"])

    # -- kept for later runs -------------------------------------------------------------------

    def _kept(self, pictures: Domain) -> Tensor | None:
        path = self._place(pictures)
        if path is None or not path.exists():
            return None
        try:
            found = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if found.shape != (len(pictures), self.width) or found.dtype != np.float32:
            return None
        with suppress(OSError):  # removed meanwhile, or of another user: it need not be made anew
            os.utime(path)
        return torch.from_numpy(found)

    def _keep(self, pictures: Domain, features: Tensor) -> None:
        path = self._place(pictures)
        if path is None or features.nbytes > CACHED_MIB << 20:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_room(path.parent, features.nbytes)
            with replace_atomically(path) as temporary, open(temporary, "wb") as file:
                np.save(file, features.numpy(), allow_pickle=False)
        except (OSError, AcclimateError):
            return  # a full or read-only disk costs time in the next run and nothing here

    def _place(self, pictures: Domain) -> Path | None:
        """Named after everything the features depend on: pixels, weights, how pictures are looked at."""
        if not isinstance(pictures.store, ResidentStore):
            return None  # larger than memory: hashing it would take as long as reading it
        seen = hashlib.blake2b(digest_size=16)
        seen.update(np.ascontiguousarray(pictures.store.tensor.numpy()).data)
        for part in (self.sha256, self.options.name, self.preprocessing.model_dump_json()):
            seen.update(part.encode())
        return cache_folder() / "features" / f"{seen.hexdigest()}.npy"


def features_of(
    options: Mapping[str, Any],
    *,
    crop: int | None = None,
    stored: int | None = None,
    fit: Fit = "crop",
) -> PictureFeatures:
    """The backbone of these ``options``, frozen, which looks at pictures as it was trained to.

    ``crop``: the side that it sees, its own if not given, out of pictures kept at ``stored``, 8/7 of it.
    Raises ``ConfigurationError`` for wrong options and where the weights cannot be had.
    """
    made = Backbone.build("network backbone", options)
    facts = made.input_facts() or InputFacts(224, (0.5,) * 3, (0.5,) * 3)
    seen = crop or facts.size
    preprocessing = Preprocessing(
        kind="network",
        mean=facts.mean,
        deviation=facts.deviation,
        crop=seen,
        stored_size=stored or round(seen * 8 / 7),
        fit=fit,
    )
    return PictureFeatures.of(made, preprocessing)


def _make_room(folder: Path, wanted: int) -> None:
    kept = sorted(folder.glob("*.npy"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in kept) + wanted
    for path in kept:
        if total <= CACHED_MIB << 20:
            return
        total -= path.stat().st_size
        path.unlink(missing_ok=True)
