"""Outputs of a network for a whole domain, and models read back from a run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from acclimate.core.errors import ConfigurationError, ModelFileError
from acclimate.core.types import NetworkOutput, Spec
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.preprocessing import Fit, Preprocessing
from acclimate.data.table_domains import Tables, load_tables
from acclimate.models.files import DESCRIPTION_NAME, ModelDescription, read_model
from acclimate.models.network import Network
from acclimate.objectives import Retrieval, make_objective
from acclimate.retrieval.cameras import FILE_NAME as CAMERAS
from acclimate.retrieval.cameras import CameraMeans
from acclimate.retrieval.descriptors import with_mirror_images
from acclimate.training.frozen import PictureFeatures


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
    if domain.is_image:
        batch_size = min(batch_size, fitting_batch(domain.store.shape))
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


@torch.no_grad()
def descriptors(
    network: Network,
    preprocessing: Preprocessing,
    domain: Domain,
    *,
    mirrored: bool,
    device: torch.device | str = "cpu",
    batch_size: int = 512,
) -> Tensor:
    """(N, D) float32 on the host, in eval mode: items are compared by their inner products.

    They have length one; ``mirrored``: each is the mean of a picture's and its mirror image's, see
    ``with_mirror_images``. Vectors have no mirror image.
    """

    def looked_at(inputs: Tensor) -> Tensor:
        layers: dict[str, Tensor] = network(inputs).layers
        return layers[network.feature_layer].float().cpu()

    if domain.is_image:
        batch_size = min(batch_size, fitting_batch(domain.store.shape))
    was_training = network.training
    network.eval()
    found = []
    for indices in torch.split(torch.arange(len(domain)), batch_size):
        stored = domain.store.gather(indices).to(device)
        seen = looked_at(preprocessing(stored))
        flipped = mirrored and domain.is_image
        mirror = looked_at(preprocessing(stored.flip(2))) if flipped else seen
        found.append(with_mirror_images(seen, mirror))
    network.train(was_training)
    return torch.cat(found)


def fitting_batch(shape: tuple[int, ...]) -> int:
    """How many pictures (N, height, width, channels) go through a network at once, in some hundred MiB.

    >>> fitting_batch((1000, 32, 32, 3)), fitting_batch((1000, 256, 256, 3))
    (512, 32)
    """
    return max(16, min(512, (32 * 256 * 256) // (shape[1] * shape[2])))


#: what finds people, for those who ask a model without classes for a prediction
MATCH = "find whom a picture shows with 'acclimate match RUN PICTURE --gallery GALLERY'"


@dataclass(frozen=True)
class LoadedModel:
    """A trained network with all it needs to look at new data.

    ``mirrored``: where identities are told apart, whether pictures are compared with their mirror
    images; ``camera_means``: what is taken off their descriptors then, if anything is.
    """

    network: Network
    preprocessing: Preprocessing
    spec: Spec
    tables: Tables | None = None
    features: PictureFeatures | None = None
    mirrored: bool = False
    camera_means: CameraMeans | None = None

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """(channels, side, side) of pictures as they are opened for it, or (features,)."""
        looking = self.features.preprocessing if self.features else self.preprocessing
        if self.features is not None:
            return (3, looking.stored_size or 0, looking.stored_size or 0)
        shape, side = self.spec.input_shape, looking.stored_size
        return shape if side is None or len(shape) != 3 else (shape[0], side, side)

    @property
    def fit(self) -> Fit:
        """How pictures become squares."""
        return (self.features.preprocessing if self.features else self.preprocessing).fit

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.spec.class_names

    @property
    def tells_identities(self) -> bool:
        """Whether it describes pictures, to be compared, and knows no classes."""
        return self.spec.objective == "retrieval"

    def check_has_classes(self, instead: str) -> None:
        """Raise ``ConfigurationError``, with what to use ``instead``, for a model without classes."""
        if self.tells_identities:
            raise ConfigurationError(
                f"this model tells identities apart (objective retrieval) and has no classes: {instead}"
            )

    def check_has_descriptors(self, instead: str) -> None:
        """Raise ``ConfigurationError``, with what to use ``instead``, for a model of classes."""
        if not self.tells_identities:
            raise ConfigurationError(
                f"this model tells {len(self.class_names)} classes apart, not identities: {instead}"
            )

    def prepared(self, domain: Domain, device: torch.device | str = "cpu") -> Domain:
        """``domain``, of items as ``stored_shape`` says, with what the network looks at in their place."""
        if self.features is None or not domain.is_image:
            return domain
        return replace(domain, store=ResidentStore(self.features(domain, device)))

    def outputs(self, domain: Domain, batch_size: int = 512) -> tuple[Tensor, Tensor]:
        """Logits (N, K) and features (N, D), float32; ``domain`` has items as ``stored_shape`` says."""
        domain = self.prepared(domain)
        return outputs(self.network, self.preprocessing, domain, batch_size=batch_size)

    def descriptors(
        self, domain: Domain, batch_size: int = 512, device: torch.device | str = "cpu"
    ) -> Tensor:
        """(N, D) float32 on the host, to be compared by inner products; the network is on ``device``."""
        found = descriptors(
            self.network,
            self.preprocessing,
            domain,
            mirrored=self.mirrored,
            device=device,
            batch_size=batch_size,
        )
        if self.camera_means is None:
            return found
        return self.camera_means.removed_from(found, domain.cameras)


def load_model(folder: Path | str) -> LoadedModel:
    """The model in a run folder; raises ``ModelFileError`` in one line if there is none to read."""
    files = read_model(Path(folder))
    preprocessing = Preprocessing.build(
        "model.json: preprocessing", files.description.preprocessing
    )
    spec = files.description.spec
    tables = None
    if len(spec.input_shape) == 1:
        if files.description.pictures is not None:
            features = PictureFeatures.load(Path(folder), files.description.pictures)
            return LoadedModel(files.network, preprocessing, spec, features=features)
        tables = load_tables(Path(folder), files.description.table, spec.input_shape[0])
    mirrored = _is_mirrored(Path(folder), files.description)
    cameras = Path(folder) / CAMERAS
    means = CameraMeans.load(cameras) if cameras.exists() else None
    return LoadedModel(
        files.network, preprocessing, spec, tables, mirrored=mirrored, camera_means=means
    )


def _is_mirrored(folder: Path, description: ModelDescription) -> bool:
    try:
        objective = make_objective(description.objective, description.objective_options)
    except ConfigurationError as error:
        raise ModelFileError(f"{folder / DESCRIPTION_NAME}: {error}") from error
    return isinstance(objective, Retrieval) and objective.mirrored
