"""Whom the probes show, looked for in a gallery: the nearest of its pictures for each of them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from acclimate.core.errors import ConfigurationError
from acclimate.core.files import replace_atomically
from acclimate.core.types import GALLERY, PROBE
from acclimate.retrieval.search import first_largest, search
from acclimate.serve.descriptor_file import SUFFIX, fingerprint, keeping_descriptors
from acclimate.serve.people import find_side
from acclimate.training.inference import LoadedModel

COLUMNS = ("probe", "rank", "gallery", "similarity")
#: gallery items that are searched together, some 32 MiB of descriptors
SEARCHED = 16384

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Matched:
    """The nearest gallery items of each probe, the nearest first.

    ``indices`` (P, K) int64 into ``gallery``, G names; ``similarities`` (P, K) float32, the mean
    cosine of two pictures and their mirror images, in [-1, 1]; -inf where a probe has fewer than K
    items to be compared with. ``skipped`` has a line for each picture that cannot be read.
    """

    probes: list[str]
    gallery: list[str]
    indices: Tensor
    similarities: Tensor
    skipped: list[str]
    notes: list[str]

    def rows(self) -> Iterable[tuple[str, int, str, float]]:
        """Probe, rank from 1 on, gallery item, similarity; probe by probe."""
        for number, probe in enumerate(self.probes):
            found = self.indices[number].tolist(), self.similarities[number].tolist()
            for rank, (index, similarity) in enumerate(zip(*found, strict=True), 1):
                if similarity > -torch.inf:
                    yield probe, rank, self.gallery[index], similarity


def match(
    model: LoadedModel,
    probes: Sequence[str],
    gallery: Sequence[str],
    output: Path,
    *,
    count: int = 20,
    descriptors: Path | None = None,
    backend: str = "matrix",
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Matched:
    """Write the ``count`` gallery items nearest to each probe into the table ``output``, or nothing.

    ``probes`` and ``gallery``: pictures, folders of pictures, CSV lists, registered sets of people,
    and .npz files that this wrote: with ``descriptors``, such a file of the gallery is written as
    well. Whatever identities they name are not looked at. An item that is the probe's own file is
    left out. ``backend`` as in ``search``. Pictures are read ``batch_size`` at a time, and of the
    gallery nothing is kept but names; descriptors of all probes are.

    Raises ``ConfigurationError`` for a model of classes and options that contradict each other,
    ``DataError`` where nothing can be read, and what ``find_side`` and ``search`` do.
    """
    model.check_has_descriptors("use 'acclimate predict'")
    _check_places(output, descriptors, [*probes, *gallery])
    # a mistake in the options is said before anything is looked at
    search(torch.ones(1, 1), torch.ones(1, 1), count, backend=backend)
    sides = find_side(probes, "probes", PROBE, model), find_side(gallery, "gallery", GALLERY, model)
    _check_places(output, descriptors, [item.name for side in sides for item in side.pictures])
    total, done = sum(map(len, sides)), 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(done, total)

    model.network.to(device)
    with ExitStack() as files:
        temporary = files.enter_context(replace_atomically(output))
        keep = None
        if descriptors is not None:
            keep = files.enter_context(keeping_descriptors(descriptors, fingerprint(model)))
        looked_for = list(sides[0].described(model, batch_size, device, advance))
        nearest = _Nearest(
            torch.cat([some.descriptors for some, _ in looked_for]),
            [key for _, keys in looked_for for key in keys],
            count,
            backend,
        )
        names: list[str] = []
        for some, keys in sides[1].described(model, batch_size, device, advance):
            names += some.names
            nearest.add(some.descriptors, keys)
            if keep is not None:
                keep(some.names, some.descriptors)
        found = Matched(
            [name for some, _ in looked_for for name in some.names],
            names,
            *nearest.found(),
            list(dict.fromkeys(line for side in sides for line in side.skipped)),
            list(dict.fromkeys(note for side in sides for note in side.notes)),
        )
        _write(temporary, found)
    return found


class _Nearest:
    """The nearest items of each probe among those of a gallery seen so far."""

    def __init__(self, probes: Tensor, keys: Sequence[str], count: int, backend: str) -> None:
        self.probes, self.count, self.backend = probes, count, backend
        self.number_of = {key: number for number, key in enumerate(keys)}
        self.indices = torch.empty(len(probes), 0, dtype=torch.int64)
        self.similarities = torch.empty(len(probes), 0)
        self.waiting: list[Tensor] = []
        self.own: list[tuple[int, int]] = []
        self.searched = 0

    def add(self, items: Tensor, keys: Sequence[str]) -> None:
        """More of the gallery, ``items`` (N, D), ``keys`` (N) equal to a probe's for its own file."""
        before = sum(map(len, self.waiting))
        for place, key in enumerate(keys, before):
            number = self.number_of.get(key)
            if number is not None:
                self.own.append((number, place))
        self.waiting.append(items)
        if before + len(items) >= SEARCHED:
            self._search()

    def found(self) -> tuple[Tensor, Tensor]:
        """Indices and similarities (P, K) of all that were added; K at most ``count``."""
        if self.waiting:
            self._search()
        return self.indices, self.similarities

    def _search(self) -> None:
        items = torch.cat(self.waiting)
        own = torch.full((len(self.probes), 1), -1)
        for number, place in self.own:
            own[number] = place
        # one more, since the probe's own file may be among them
        more = self.count + 1
        indices, similarities = search(self.probes, items, more, backend=self.backend)
        similarities = similarities.masked_fill(indices == own, -torch.inf)
        # what was found before stands first: of equal ones the first of the gallery is taken
        values = torch.cat((self.similarities, similarities), 1)
        where = first_largest(values, min(self.count, values.shape[1]))
        indices = torch.cat((self.indices, indices + self.searched), 1)
        self.indices, self.similarities = indices.gather(1, where), values.gather(1, where)
        self.searched += len(items)
        self.waiting, self.own = [], []


def _check_places(output: Path, descriptors: Path | None, inputs: Sequence[str]) -> None:
    if descriptors is not None and descriptors.suffix.lower() != SUFFIX:
        raise ConfigurationError(
            f"--descriptors {descriptors}: give a name that ends in {SUFFIX}, so that it can be a "
            "gallery later"
        )
    if descriptors is not None and descriptors.resolve() == output.resolve():
        raise ConfigurationError(f"--descriptors {descriptors} is --output as well; give two names")
    for option, path in (("--output", output), ("--descriptors", descriptors)):
        if path is None:
            continue
        if path.is_dir():
            raise ConfigurationError(f"{option} {path} is a folder; give the name of a file")
        # only what has its name can be the same file
        if any(
            Path(name).name == path.name and Path(name).resolve() == path.resolve()
            for name in inputs
        ):
            raise ConfigurationError(f"{option} {path} is one of the inputs; choose another name")


def _write(path: Path, found: Matched) -> None:
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for probe, rank, item, similarity in found.rows():
            writer.writerow([probe, rank, item, f"{similarity:.6f}"])
