"""From stored inputs to what a network sees; saved with the model, so it cannot be forgotten."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from acclimate.core.configuration import Options
from acclimate.core.errors import ConfigurationError, DataError
from acclimate.data.crops import centre_crop, check_crop
from acclimate.data.domain import Domain

Kind = Literal["mean", "standard", "per-image", "network", "none"]
Fit = Literal["squash", "crop"]
"""How pictures become squares: both sides to the size, or the short side and then the centre."""

Given = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and deviation of each channel, of values in [0, 1]."""

_SAMPLE = 10_000
_CHUNK = 256
_CACHE = 1 << 21  # bytes of floats at a time


class Preprocessing(Options):
    """``mean`` and ``deviation`` per channel (images, of values in [0, 1]) or per feature (vectors).

    ``kind``: *mean* subtracts the global mean (Ganin et al., 2016), *standard* also divides by the
    deviation, *per-image* gives every channel of every picture mean 0 and deviation 1, which
    takes brightness, contrast and colour cast out, *network* does as *standard* with the mean and
    deviation that a pretrained network was trained with, *none* leaves values as they are.

    ``crop``: side of the network's input, taken out of larger stored pictures; ``None`` where it
    sees all that is stored. ``stored_size`` and ``fit`` are only remembered, for whoever opens
    pictures for a trained model: the side they are stored with (``None``: what the network sees,
    or pictures that are not square) and how they became squares.
    """

    kind: Kind = "mean"
    mean: tuple[float, ...] = Field(())
    deviation: tuple[float, ...] = Field(())
    crop: int | None = Field(None, ge=1)
    stored_size: int | None = Field(None, ge=1)
    fit: Fit = "squash"

    def centred(self, stored: Tensor) -> Tensor:
        """Stored pictures → what a network sees of them without augmentation: their centre, by ``crop``.

        Vectors, and everything without a crop, pass as they are. Raises ``DataError`` where
        pictures are smaller than the crop.
        """
        if self.crop is None or stored.ndim != 4:
            return stored
        return centre_crop(stored, self.crop)

    def to_unit(self, stored: Tensor) -> Tensor:
        """Stored items → float: uint8 (N, H, W, C) → (N, C, H, W) in [0, 1], channels last.

        Always a copy: ``normalise`` works in place, and two views are made of the same items.
        """
        if stored.ndim == 4:
            return stored.permute(0, 3, 1, 2).float().mul_(1 / 255)
        return stored.to(torch.float32, copy=True)

    def normalise(self, unit: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] or (N, D) → the network's input, in the same shape; in place."""
        if self.kind == "none":
            return unit
        if self.kind == "per-image" and unit.ndim == 4:
            deviation, mean = torch.std_mean(unit, dim=(2, 3), keepdim=True, correction=0)
            # a plain picture has deviation 0: the floor leaves it at 0 and not at noise
            return unit.sub_(mean).div_(deviation.clamp_min_(1e-2))
        if unit.ndim == 4 and unit.is_contiguous(memory_format=torch.channels_last):
            # a row of pixels at a time: three channels alone are too few to compute with at speed
            rows, repeats = unit.permute(0, 2, 3, 1).flatten(2), unit.shape[3]
        else:
            rows, repeats = unit.transpose(1, -1), 1
        rows.sub_(_constant(self.mean, repeats, unit.device))
        if self.kind != "mean":
            rows.div_(_constant(self.deviation, repeats, unit.device))
        return unit

    def __call__(self, stored: Tensor) -> Tensor:
        """Stored items → the network's input, without augmentation."""
        return self.normalised(self.centred(stored))

    def normalised(self, stored: Tensor) -> Tensor:
        """Stored items → the network's input, cut and augmented or not: ``normalise(to_unit(stored))``.

        On the host large pictures go a few at a time, so that they are still in the processor's
        cache when the next operation looks at them; the result is laid out channels last.
        """
        together = max(1, _CACHE // (4 * stored[0].numel())) if len(stored) else 1
        if stored.ndim != 4 or stored.device.type != "cpu" or len(stored) <= together:
            return self.normalise(self.to_unit(stored))
        inputs = torch.empty(stored.shape, dtype=torch.float32)
        for part, given in zip(
            torch.split(inputs, together), torch.split(stored, together), strict=True
        ):
            part.copy_(given).mul_(1 / 255)
            self.normalise(part.permute(0, 3, 1, 2))
        return inputs.permute(0, 3, 1, 2)


def fit_preprocessing(
    kind: Kind,
    *domains: Domain,
    given: Given | None = None,
    crop: int | None = None,
    fit: Fit = "squash",
) -> Preprocessing:
    """Statistics over all domains, each weighing the same, from at most 10,000 items of each.

    Args:
        given: mean and deviation for the kind *network*; the others do not look at it.
        crop: side of the network's input, where it is smaller than what is stored.
        fit: how the pictures became squares; remembered.

    Raises ``DataError`` where vectors hold NaN or infinite values, where pictures are smaller than
    ``crop``, or where their channels are not those of ``given``; ``ConfigurationError`` for the kind
    *network* without ``given``, and for a crop of vectors.
    """
    geometry = Preprocessing(kind=kind, crop=crop, stored_size=_stored_size(crop, domains), fit=fit)
    if kind == "none":
        return geometry
    if kind == "network":
        mean_given, deviation_given = _checked(given, domains)
        return geometry.model_copy(update={"mean": mean_given, "deviation": deviation_given})
    moments = torch.stack([_moments(domain) for domain in domains]).mean(0)
    mean, square = moments[0], moments[1]
    variance = (square - mean.square()).clamp_min(0)
    deviation = variance.sqrt()
    if domains[0].is_image:  # whose scale is known; that of a feature may be any
        deviation = deviation.clamp_min(1e-4)
    # a feature without any variation here may still vary later: a word that only new rows have.
    # Its deviation is unknown, and 1 leaves it as it is
    deviation[variance <= 1e-12 * square] = 1.0
    return geometry.model_copy(
        update={"mean": tuple(mean.tolist()), "deviation": tuple(deviation.tolist())}
    )


def _stored_size(crop: int | None, domains: tuple[Domain, ...]) -> int | None:
    """The side that is stored, where the network sees less; every domain must hold the crop."""
    if crop is None:
        return None
    sides = set()
    for domain in domains:
        if not domain.is_image:
            raise ConfigurationError(
                f"{domain.name}: items are vectors, of which no crop of {crop} can be taken; leave it out"
            )
        height, width = domain.input_shape[1:]
        check_crop(height, width, crop, domain.name)
        sides |= {height, width}
    return sides.pop() if len(sides) == 1 else None


def _checked(given: Given | None, domains: tuple[Domain, ...]) -> Given:
    if given is None:
        raise ConfigurationError(
            "preprocessing 'network' is what a pretrained network was trained with, and this one is "
            "not; give 'standard'"
        )
    mean, deviation = tuple(given[0]), tuple(given[1])
    if len(mean) != len(deviation) or not mean or min(deviation) <= 0:
        raise ConfigurationError(
            f"preprocessing 'network': mean {mean} and deviation {deviation} should be as many "
            "numbers, deviations above 0"
        )
    for domain in domains:
        channels = domain.input_shape[0]
        if not domain.is_image:
            raise DataError(
                f"{domain.name}: items are vectors and the network was trained on pictures; "
                "give another network"
            )
        if channels != len(mean):
            raise DataError(
                f"{domain.name}: pictures have {_channels(channels)} and the network was trained on "
                f"{len(mean)}; open them with {_channels(len(mean))}"
            )
    return mean, deviation


def _channels(number: int) -> str:
    return "1 channel" if number == 1 else f"{number} channels"


def _moments(domain: Domain) -> Tensor:
    """(2, channels or features) float64: mean and mean square over a spread of the items, by weight."""
    indices = torch.linspace(0, len(domain) - 1, min(len(domain), _SAMPLE)).round().long()
    total = torch.zeros(())
    for part in torch.split(indices, _CHUNK):
        unit = Preprocessing(kind="none").to_unit(domain.store.gather(part)).double()
        if not bool(torch.isfinite(unit).all()):
            raise DataError(
                f"{domain.name}: features hold NaN or infinite values; impute or drop them"
            )
        axes = (2, 3) if unit.ndim == 4 else ()
        first = unit.mean(axes) if axes else unit
        second = unit.square().mean(axes) if axes else unit.square()
        if domain.weights is None:
            total = total + torch.stack([first.sum(0), second.sum(0)])
        else:
            weights = domain.weights[part]
            total = total + torch.stack([weights @ first, weights @ second])
    return total / (len(indices) if domain.weights is None else domain.weights[indices].sum())


@lru_cache(maxsize=32)
def _constant(values: tuple[float, ...], repeats: int, device: torch.device) -> Tensor:
    """A constant, said ``repeats`` times, that is copied to its device once and not in every step."""
    return torch.tensor(values * repeats, device=device)
