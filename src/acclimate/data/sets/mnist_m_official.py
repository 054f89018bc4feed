"""MNIST-M as its authors published it: 59,001 / 9,001 colour images of 32×32."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from acclimate.core.errors import DataError
from acclimate.data.built import built_once
from acclimate.data.files import FileFinder, Finding, RemoteFile, cache_folder, inspect_file
from acclimate.data.registry import DIGIT_NAMES, Arrays, Dataset, register

ARCHIVE = RemoteFile(
    filename="mnist_m.tar.gz",
    urls=("https://cornell.box.com/shared/static/jado7quprg6hzzdubvwzh9umr75damwi",),
    checksum="md5:859df31c91afe82e80e5012ba928f279",
    split="all",
    folders=("mnist_m", "mnist-m", "."),
)
SIZE = 32


def read(finder: FileFinder, split: str) -> Arrays:
    """(N, 32, 32, 3) uint8 and (N,) int64, from the archive or from its unpacked folder.

    Nothing is unpacked to disk: a member's path can therefore do no harm.
    """
    path = find(finder, split) or finder.obtain(ARCHIVE)
    fingerprint = f"{path.name}:{path.stat().st_size}:{path.stat().st_mtime_ns}"
    kept = cache_folder() / "mnist-m" / f"official-{split}.npz"
    return built_once(kept, fingerprint, lambda: _read_images(path, split))


def find(finder: FileFinder, split: str) -> Path | None:
    """The archive, or the list of labels that lies beside the unpacked images of ``split``."""
    names = (ARCHIVE.filename, f"mnist_m_{split}_labels.txt")
    return finder.find(ARCHIVE.folders, names)


def inspect(finder: FileFinder, verify: bool) -> list[Finding]:
    """The archive; where it was unpacked and thrown away, what is there of each split."""
    unpacked = [_unpacked(finder, split) for split in ("train", "test")]
    if finder.find_remote(ARCHIVE) is not None or not any(unpacked):
        return [inspect_file(finder, ARCHIVE, verify)]
    absent = inspect_file(finder, ARCHIVE, verify)
    return [
        replace(absent, split=split) if folder is None else _unverified(split, folder)
        for split, folder in zip(("train", "test"), unpacked, strict=True)
    ]


def _unpacked(finder: FileFinder, split: str) -> Path | None:
    listing = finder.find(ARCHIVE.folders, (f"mnist_m_{split}_labels.txt",))
    folder = listing.parent / f"mnist_m_{split}" if listing else None
    return folder if folder is not None and folder.is_dir() else None


def _unverified(split: str, folder: Path) -> Finding:
    return Finding(
        what=f"unpacked {split} images",
        split=split,
        status="ok",
        where=str(folder),
        detail="unpacked, without a published checksum",
    )


def _read_images(path: Path, split: str) -> Arrays:
    files = (
        _from_folder(path.parent, split) if path.suffix == ".txt" else _from_archive(path, split)
    )
    labels: dict[str, int] = {}
    images: dict[str, np.ndarray] = {}
    for name, content in files:
        if name.endswith(".txt"):
            labels = parse_labels(path, content.decode("utf-8", errors="replace"))
        else:
            images[name] = _decode(path, name, content)
    names = sorted(labels)
    missing = [name for name in names if name not in images]
    if missing or not names:
        raise DataError(
            f"{path} is incomplete: {len(missing)} of {len(names)} listed {split} images are "
            f"missing{f', for example {missing[0]}' if missing else ''}; fetch it again"
        )
    return Arrays(
        np.stack([images[name] for name in names]),
        np.array([labels[name] for name in names], dtype=np.int64),
    )


def parse_labels(path: Path, text: str) -> dict[str, int]:
    """Lines like ``00000000.png 5`` as a table; ``DataError`` for any other."""
    table = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        if not name or label not in DIGIT_NAMES:
            raise DataError(
                f"{path}: line {number} of the labels is {line!r}; expected an image name and a "
                "digit from 0 to 9; fetch it again"
            )
        table[name] = int(label)
    return table


def _from_folder(folder: Path, split: str) -> Iterator[tuple[str, bytes]]:
    listing = folder / f"mnist_m_{split}_labels.txt"
    if not listing.is_file():
        raise DataError(f"{listing} is missing; unpack mnist_m.tar.gz again")
    yield listing.name, listing.read_bytes()
    for path in sorted((folder / f"mnist_m_{split}").glob("*.png")):
        yield path.name, path.read_bytes()


def _from_archive(path: Path, split: str) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path, mode="r|gz") as archive:
            for member in archive:
                parts = member.name.split("/")
                wanted = parts[-1] == f"mnist_m_{split}_labels.txt" or (
                    f"mnist_m_{split}" in parts[:-1] and parts[-1].endswith(".png")
                )
                content = archive.extractfile(member) if wanted and member.isfile() else None
                if content is not None:
                    yield parts[-1], content.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is truncated or damaged ({error}); delete it and fetch it again"
        ) from error


def _decode(path: Path, name: str, content: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content)) as image:
            picture = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: {name} is no readable image ({error}); fetch it again") from error
    if picture.shape[:2] != (SIZE, SIZE):
        raise DataError(
            f"{path}: {name} is {picture.shape[1]}×{picture.shape[0]}, not {SIZE}×{SIZE}; "
            "fetch the published archive"
        )
    return picture


MNIST_M_OFFICIAL = register(
    Dataset(
        name="mnist-m-official",
        description="MNIST-M as published, colour, 32×32 (Ganin et al. 2016)",
        licence="CC BY-SA 3.0 (MNIST); BSDS500 for non-commercial research",
        class_names=DIGIT_NAMES,
        input_shape=(3, SIZE, SIZE),
        splits=("train", "test"),
        read=read,
        remote_files=(ARCHIVE,),
        inspector=inspect,
    )
)
