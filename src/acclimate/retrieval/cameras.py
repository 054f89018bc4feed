"""What each camera does to all of its pictures, taken off their descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from acclimate.core.errors import ModelFileError
from acclimate.core.files import replace_atomically
from acclimate.retrieval.descriptors import normalised

FILE_NAME = "cameras.safetensors"


@dataclass(frozen=True)
class CameraMeans:
    """``means`` (C, D) float32: the mean descriptor of each of ``cameras`` (C,) int64, ascending."""

    cameras: Tensor
    means: Tensor

    @classmethod
    def of(cls, descriptors: Tensor, cameras: Tensor | None) -> CameraMeans:
        """Of (N, D) ``descriptors``; without ``cameras`` (N,) all are of one, numbered 0."""
        if cameras is None:
            cameras = torch.zeros(len(descriptors), dtype=torch.int64)
        known, number, counts = torch.unique(cameras, return_inverse=True, return_counts=True)
        sums = descriptors.new_zeros(len(known), descriptors.shape[1])
        return cls(known, sums.index_add(0, number, descriptors) / counts[:, None])

    def removed_from(self, descriptors: Tensor, cameras: Tensor | None) -> Tensor:
        """(N, D) ``descriptors`` less the mean of their camera, at length one again.

        Where a camera is not among those known, or none is given, the mean of all cameras goes.

        >>> seen = torch.tensor([[1.0, 2.0], [3.0, 2.0], [0.0, 5.0]])
        >>> means = CameraMeans.of(seen, torch.tensor([0, 0, 1]))
        >>> means.removed_from(seen, torch.tensor([0, 0, 1]))
        tensor([[-1.,  0.],
                [ 1.,  0.],
                [ 0.,  0.]])
        """
        taken = self.means.mean(0).expand(len(descriptors), -1)
        if cameras is not None and len(self.cameras):
            place = torch.searchsorted(self.cameras, cameras).clamp_max(len(self.cameras) - 1)
            known = self.cameras[place] == cameras
            taken = torch.where(known[:, None], self.means[place], taken)
        return normalised(descriptors - taken)

    def save(self, path: Path) -> None:
        """Write both tensors as safetensors, whole or not at all."""
        with replace_atomically(path) as temporary:
            save_file({"cameras": self.cameras, "means": self.means.contiguous()}, temporary)

    @classmethod
    def load(cls, path: Path) -> CameraMeans:
        """What ``save`` wrote; raises ``ModelFileError`` in one line."""
        try:
            stored = load_file(path)
            return cls(stored["cameras"], stored["means"])
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise ModelFileError(
                f"{path} cannot be read ({error}); the run's model needs it: train it anew"
            ) from error
