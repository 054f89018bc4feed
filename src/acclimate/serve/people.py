"""Pictures of people as a trained model looks at them: found, decoded and described batch by batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import DataError
from acclimate.data.domain import Domain, ResidentStore
from acclimate.data.file_store import FileStore
from acclimate.data.folders import PictureFiles
from acclimate.data.images import EXTENSIONS, Pictures, decode, in_threads, reason_of
from acclimate.data.people import TEST, has_people_test, open_people
from acclimate.serve.descriptor_file import SUFFIX, Described, DescriptorFile
from acclimate.training.inference import LoadedModel

Advance = Callable[[int], None]


#: stands for a camera that nobody has named
UNKNOWN = -1


class Item(NamedTuple):
    """One of some encoded pictures, and the camera that took it."""

    pictures: Pictures
    number: int
    camera: int = UNKNOWN

    @property
    def name(self) -> str:
        """Its path."""
        return self.pictures.where(self.number)


@dataclass
class Side:
    """Probes, or a gallery: ``pictures`` to be looked at, ``files`` of what was looked at before.

    ``what`` it is, for messages. No picture is there twice. ``skipped`` has a line for each picture
    that cannot be read, ``notes`` whatever else should be said.
    """

    what: str
    pictures: list[Item] = field(default_factory=list)
    files: list[DescriptorFile] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pictures) + sum(len(file.names) for file in self.files)

    def described(
        self,
        model: LoadedModel,
        batch_size: int,
        device: torch.device | str = "cpu",
        advance: Advance | None = None,
    ) -> Iterator[tuple[Described, list[str]]]:
        """Names and descriptors of some, and the ``identity`` of each file; the network is on ``device``.

        At most ``batch_size`` pictures, or one block of a file, are in memory at once. Raises
        ``DataError`` for descriptors that are not finite, and where nothing can be read.
        """
        seen: set[str] = set()
        for described, folder in self._each(model, batch_size, device, advance):
            _check_finite(described)
            keys = [file_identity(name, folder) for name in described.names]
            # a file's first place, if that is not in an earlier block
            places = {key: place for place, key in reversed(list(enumerate(keys)))}
            kept = sorted(place for key, place in places.items() if key not in seen)
            seen.update(keys)
            if kept:
                names = [described.names[place] for place in kept]
                rows = described.descriptors[torch.tensor(kept)]
                yield Described(names, rows), [keys[place] for place in kept]
        if not seen:
            first = "; ".join(self.skipped[:1]) or "there are none"
            raise DataError(
                f"none of the {len(self)} pictures of the {self.what} can be read: {first}"
            )

    def _each(
        self,
        model: LoadedModel,
        batch_size: int,
        device: torch.device | str,
        advance: Advance | None,
    ) -> Iterator[tuple[Described, Path | None]]:
        for start in range(0, len(self.pictures), batch_size):
            some = self.pictures[start : start + batch_size]
            read, shown = _read(some, model, self.skipped)
            if advance is not None:
                advance(len(some))
            if read:
                cameras = torch.tensor([item.camera for item in read])
                domain = Domain("pictures", ResidentStore(shown), None, (), cameras=cameras)
                found = model.descriptors(domain, batch_size, device)
                yield Described([item.name for item in read], found), None
        for file in self.files:
            for block in file.blocks():
                yield block, file.folder
                if advance is not None:
                    advance(len(block.names))


def find_side(specs: Sequence[str], what: str, role: int, model: LoadedModel) -> Side:
    """All that ``specs`` mean: pictures, folders, lists, registered sets, files of descriptors.

    Of what comes with a test of probes and a gallery those with the ``role`` are taken, of anything
    else all. Raises ``DataError``, ``UnknownNameError`` and ``ConfigurationError`` as ``open_people``
    and ``DescriptorFile.open`` do.
    """
    side = Side(what)
    for spec in specs:
        path = Path(spec).expanduser()
        if path.is_file() and path.suffix.lower() == SUFFIX:
            side.files.append(DescriptorFile.open(path, model))
        elif path.is_file() and path.suffix.lower() in EXTENSIONS:
            side.pictures.append(Item(PictureFiles(Path(), (str(path),)), 0))
        else:
            _add_people(side, spec, role, model)
    return side


def _add_people(side: Side, spec: str, role: int, model: LoadedModel) -> None:
    channels, height, width = model.stored_shape
    domain = open_people(
        spec,
        size=(height, width),
        channels=channels,
        split=TEST if has_people_test(spec) else None,
        labels="ignored",
        # nothing is decoded here: what is damaged is found out picture by picture, and left out
        resident_limit=0,
        cache=None,
    )
    assert isinstance(domain.store, FileStore)
    wanted = torch.ones(len(domain), dtype=torch.bool)
    if domain.roles is not None:
        wanted = (domain.roles & role) > 0
    cameras = torch.full((len(domain),), UNKNOWN) if domain.cameras is None else domain.cameras
    side.pictures += [
        Item(domain.store.pictures, number, int(cameras[number]))
        for number in wanted.nonzero()[:, 0].tolist()
    ]
    side.skipped += [f"{spec}: {line}" for line in domain.skipped]
    side.notes += [f"{spec}: {line}" for line in notes_for_models(domain)]


def notes_for_models(domain: Domain) -> list[str]:
    """The notes of ``domain`` without the advice to open it in another size: a model has its own."""
    return [note.partition("; --size ")[0] for note in domain.notes]


def file_identity(name: str, folder: Path | None = None) -> str:
    """The same for one file however it is named; relative names begin in ``folder``, or here."""
    return os.path.realpath(name if folder is None else folder / name)


def _read(
    some: Sequence[Item], model: LoadedModel, skipped: list[str]
) -> tuple[list[Item], Tensor]:
    """Those that can be read, and what they show, uint8 (N, height, width, channels)."""
    channels, height, width = model.stored_shape

    def attempt(item: Item) -> np.ndarray | str:
        try:
            return decode(
                item.pictures.picture(item.number), height, channels, model.fit, width=width
            )
        except MemoryError:
            raise
        # Pillow's decoders raise nearly anything on damaged input; the reason is kept and shown
        except Exception as error:
            return f"{item.name}: {reason_of(error)}"

    read, shown = [], []
    for item, found in zip(some, in_threads(attempt, some), strict=True):
        if isinstance(found, str):
            skipped.append(found)
        else:
            read.append(item)
            shown.append(found)
    return read, torch.from_numpy(np.stack(shown)) if shown else torch.empty(0)


def _check_finite(described: Described) -> None:
    wrong = ~torch.isfinite(described.descriptors).all(1)
    if bool(wrong.any()):
        name = described.names[int(wrong.nonzero()[0])]
        raise DataError(
            f"the descriptor of {name} is not finite: the model has diverged; train it again with a "
            "lower learning rate"
        )
