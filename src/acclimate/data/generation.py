"""Data sets that are drawn, not downloaded: item by item, seeded, over several processes.

A generated set writes two functions: ``make(index, random)`` for one item and ``generate`` for
many (see ``Generator``). Everything else is here: ::

    def generate(finder, split, count, *, seed=0, processes=None, fonts="bundled"):
        return generate_in_parallel(
            functools.partial(draw, load(fonts)), count, seed=seed, stream=f"{NAME}/{split}",
            processes=processes, progress=finder.progress,
        )

    GENERATOR = Generator(generate=generate, counts={"train": 100_000, "test": 10_000}, ...)
    register(Dataset(name=NAME, splits=tuple(GENERATOR.counts), generator=GENERATOR,
                     read=kept_reader(NAME, GENERATOR), inspector=kept_inspector(NAME, GENERATOR)))
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from acclimate.core.errors import ConfigurationError
from acclimate.data.built import built_once
from acclimate.data.download import Progress
from acclimate.data.files import FileFinder, Finding, cache_folder
from acclimate.data.registry import Arrays, Dataset, Generator, Inspector, Loader, datasets

CHUNK = 250
"""Items that a process makes at once."""

_WORTH_PROCESSES = 10

Make = Callable[[int, np.random.Generator], tuple[np.ndarray, int]]
"""One item from its index and its own randomness: (uint8 picture, label).

It travels to the worker processes with every chunk, so what is large belongs behind a cached
function that each process calls for itself.
"""


def generate_in_parallel(
    make: Make,
    count: int,
    *,
    seed: int,
    stream: str,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Arrays:
    """``count`` items of ``make``: inputs (count, …) in the dtype of ``make``, labels int64.

    Item ``i`` depends on (``seed``, ``stream``, ``i``) alone, so neither ``count`` nor
    ``processes`` (default: one for each core) changes it. ``progress`` is told ``stream`` and bytes.
    Raises ``ConfigurationError`` for a ``count`` or ``processes`` below 1 or a negative ``seed``.
    """
    _check(count, seed, processes)
    chunks = [(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    labels = np.empty(count, dtype=np.int64)
    inputs: np.ndarray | None = None
    for (start, stop), made in zip(
        chunks, _made(make, chunks, seed, stream, processes), strict=True
    ):
        if inputs is None:
            inputs = np.empty((count, *made.inputs.shape[1:]), dtype=made.inputs.dtype)
        inputs[start:stop], labels[start:stop] = made.inputs, made.labels
        if progress is not None:
            progress(stream, inputs[:stop].nbytes, inputs.nbytes)
    assert inputs is not None
    return Arrays(inputs, labels)


def item_random(seed: int, stream: str, index: int) -> np.random.Generator:
    """The randomness of item ``index``: the same on every machine, in every process."""
    digest = hashlib.blake2b(stream.encode(), digest_size=8).digest()
    key = (int.from_bytes(digest, "little"), index)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def _check(count: int, seed: int, processes: int | None) -> None:
    problems = []
    if count < 1:
        problems.append(f"count {count} is not positive")
    if seed < 0:
        problems.append(f"seed {seed} is negative")
    if processes is not None and processes < 1:
        problems.append(f"processes {processes} is not positive")
    if problems:
        raise ConfigurationError(
            f"{' and '.join(problems)}; give for example --count 1000 --seed 0"
        )


def _made(
    make: Make, chunks: list[tuple[int, int]], seed: int, stream: str, processes: int | None
) -> Iterator[Arrays]:
    import joblib

    # a few items are made sooner than processes are started
    wanted = processes or (joblib.cpu_count() if len(chunks) >= _WORTH_PROCESSES else 1)
    workers = min(wanted, len(chunks))
    if workers == 1:
        yield from (_make_chunk(make, start, stop, seed, stream) for start, stop in chunks)
        return
    # joblib's own processes: they neither fork a process that has threads nor run the user's script
    # again; they go away soon after, because a training may follow that needs their memory
    with joblib.parallel_config("loky", n_jobs=workers, idle_worker_timeout=20):
        tasks = (joblib.delayed(_make_chunk)(make, *chunk, seed, stream) for chunk in chunks)
        yield from joblib.Parallel(return_as="generator")(tasks)


def _make_chunk(make: Make, start: int, stop: int, seed: int, stream: str) -> Arrays:
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # pictures are small, and there is a process for every core
    try:
        made = [make(index, item_random(seed, stream, index)) for index in range(start, stop)]
    finally:
        cv2.setNumThreads(threads)
    inputs, labels = zip(*made, strict=True)
    return Arrays(np.stack(inputs), np.array(labels, dtype=np.int64))


def draw(
    dataset: Dataset,
    split: str,
    count: int | None = None,
    *,
    seed: int = 0,
    options: Mapping[str, str] | None = None,
    finder: FileFinder | None = None,
) -> Arrays:
    """``count`` items (default: as many as the registered set has) drawn anew, kept nowhere.

    Raises ``ConfigurationError`` for a set that is not generated or an option that it lacks.
    """
    dataset.check_split(split)
    generator = dataset.generator
    if generator is None:
        drawn = ", ".join(name for name, other in datasets.items() if other.generator)
        raise ConfigurationError(
            f"{dataset.name} is not drawn by acclimate, so that nothing about it can be chosen; "
            f"those that are: {drawn}"
        )
    options = options or {}
    known = [option.name for option in generator.options]
    unknown = [name for name in options if name not in known]
    if unknown:
        takes = ", ".join(option_text(name) for name in known) or "no option of its own"
        raise ConfigurationError(
            f"{dataset.name} takes no {option_text(unknown[0])}; it takes {takes}"
        )
    wanted = generator.counts[split] if count is None else count
    return generator.generate(finder or FileFinder(), split, wanted, seed=seed, **options)


def option_text(name: str) -> str:
    """How an option is written on the command line.

    >>> option_text("sign_pictures")
    '--sign-pictures'
    """
    return f"--{name.replace('_', '-')}"


def kept_reader(name: str, generator: Generator) -> Loader:
    """How a registered generated set is read: from the cache, where it is made on first use."""

    def read(finder: FileFinder, split: str) -> Arrays:
        return built_once(
            _kept(name, split),
            generator.fingerprint(finder, split),
            lambda: generator.generate(finder, split, generator.counts[split], seed=0),
        )

    return read


def kept_inspector(name: str, generator: Generator) -> Inspector:
    """What is kept of each split: *missing* means that the first use makes it."""

    def inspect(_finder: FileFinder, _verify: bool) -> list[Finding]:
        return [_inspect(name, split) for split in generator.counts]

    return inspect


def _inspect(name: str, split: str) -> Finding:
    path = _kept(name, split)
    what = f"built {split} split"
    if not path.exists():
        detail = f"made on first use, or with: acclimate data build {name}"
        return Finding(what=what, split=split, status="missing", where="", detail=detail)
    size = path.stat().st_size
    return Finding(what=what, split=split, status="ok", where=str(path), size=size)


def _kept(name: str, split: str) -> Path:
    return cache_folder() / name / f"{split}.npz"
