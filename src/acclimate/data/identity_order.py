"""Batches of identities: some people, several pictures of each, as losses on pairs need them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import ConfigurationError
from acclimate.core.seeding import generator


class IdentityOrder:
    """P = ``batch_size`` / K different identities in each step, K pictures of each one.

    ``labels`` (N,) int64: the identity of each item; items of negative ones, the outliers of a
    clustering, are never drawn, nor are identities with a single picture. ``cameras`` (N,) int64
    or ``None``. ``images_per_identity``: K. Epochs over the identities, shuffled anew each, follow
    each other without end; where P does not divide their number, those left over at the end of an
    epoch sit it out. The K pictures come from as many cameras as possible and are drawn anew each
    time; they are repeated only where an identity has fewer than K.

    A step follows from (``seed``, ``purpose``, step) alone, so that a run starts at any. Raises
    ``ConfigurationError`` where K is below 2 or does not divide the batch, and for fewer than P
    identities. Hermans, Beyer and Leibe, *In Defense of the Triplet Loss for Person
    Re-Identification*, 2017, section 2; spreading over cameras is ours.
    """

    def __init__(
        self,
        labels: Tensor,
        cameras: Tensor | None,
        batch_size: int,
        images_per_identity: int,
        seed: int,
        purpose: str,
    ) -> None:
        _check_batch(batch_size, images_per_identity)
        self.images_per_identity, self.seed, self.purpose = images_per_identity, seed, purpose
        self.identities = batch_size // images_per_identity
        self.cameras = np.zeros(len(labels), np.int64) if cameras is None else _array(cameras)
        self._members = _members(_array(labels))
        if len(self._members) < self.identities:
            raise ConfigurationError(
                f"a batch of {batch_size} with {images_per_identity} pictures of each identity "
                f"needs {self.identities} identities with two pictures or more, and there "
                f"{'is' if len(self._members) == 1 else 'are'} {len(self._members)}; "
                f"{_smaller_batch(len(self._members), images_per_identity)}"
            )
        self._epoch: tuple[int, np.ndarray] | None = None

    def at(self, step: int) -> Tensor:
        """Indices (batch_size,) int64 of ``step``, the pictures of an identity side by side."""
        epoch, place = divmod(step, len(self._members) // self.identities)
        start = place * self.identities
        chosen = self._permutation(epoch)[start : start + self.identities]
        members = [self._members[number] for number in chosen]
        items = np.concatenate(members)
        counts = np.array([len(each) for each in members])
        ranked = items[self._by_camera(items, np.arange(len(members)).repeat(counts), step)]
        # the first K of each identity, from its first again where there are fewer
        places = np.arange(self.images_per_identity) % counts[:, None]
        starts = counts.cumsum() - counts
        return torch.from_numpy(ranked[starts[:, None] + places].reshape(-1))

    def _by_camera(self, items: np.ndarray, owner: np.ndarray, step: int) -> np.ndarray:
        """The order in which pictures are taken: identity by identity, one of each camera first.

        ``owner``: the number of each picture's identity, ascending.
        """
        draws = generator(self.seed, self.purpose, "pictures", step)
        within, among = torch.rand(2, len(items), generator=draws, dtype=torch.float64).numpy()
        number = np.arange(len(items))
        shuffled = np.lexsort((within, self.cameras[items], owner))
        # each picture's place among those of its identity and camera
        keys = np.stack([owner, self.cameras[items]])[:, shuffled]
        new = np.concatenate([[True], (np.diff(keys) != 0).any(axis=0)])
        turn = np.empty(len(items), np.int64)
        turn[shuffled] = number - np.maximum.accumulate(np.where(new, number, 0))
        return np.lexsort((among, turn, owner))

    def _permutation(self, epoch: int) -> np.ndarray:
        if self._epoch is None or self._epoch[0] != epoch:
            draws = generator(self.seed, self.purpose, "identities", epoch)
            self._epoch = (epoch, torch.randperm(len(self._members), generator=draws).numpy())
        return self._epoch[1]


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


def _members(labels: np.ndarray) -> list[np.ndarray]:
    """The items of each identity with two pictures or more, ascending."""
    order = labels.argsort(kind="stable")
    order = order[labels[order] >= 0]
    borders = np.flatnonzero(np.diff(labels[order])) + 1
    return [part for part in np.split(order, borders) if len(part) > 1]


def _check_batch(batch_size: int, images_per_identity: int) -> None:
    if images_per_identity < 2:
        raise ConfigurationError(
            f"{images_per_identity} picture of an identity makes no pair; give --set "
            "objective.images_per_identity=2"
        )
    if batch_size % images_per_identity or batch_size < images_per_identity:
        nearest = max(1, round(batch_size / images_per_identity)) * images_per_identity
        raise ConfigurationError(
            f"a batch of {batch_size} does not consist of {images_per_identity} pictures of each "
            f"identity; give for example --batch-size {nearest}"
        )


def _smaller_batch(identities: int, images_per_identity: int) -> str:
    if identities == 0:
        return "give several pictures of each person"
    return f"give --batch-size {identities * images_per_identity} or less"
