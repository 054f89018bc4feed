"""Tiny files in every official layout, made on the spot."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder and an empty cache, so that no test depends on the machine's."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("ACCLIMATE_DATA", str(data))
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path / "cache"))
    return data


def idx_bytes(array: np.ndarray) -> bytes:
    """The idx format as its author's page describes it."""
    header = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def png_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def write_mnist(places: Path) -> Callable[..., Path]:
    """Write ``mnist/`` with the given images and labels in both splits."""

    def write(images: np.ndarray, labels: np.ndarray, packed: bool = True) -> Path:
        folder = places / "mnist"
        folder.mkdir(exist_ok=True)
        for stem in ("train", "t10k"):
            for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
                raw = idx_bytes(array)
                path = folder / f"{stem}-{kind}-ubyte{'.gz' if packed else ''}"
                path.write_bytes(gzip.compress(raw) if packed else raw)
        return folder

    return write


@pytest.fixture
def write_svhn(places: Path) -> Callable[..., Path]:
    """Write ``svhn/train_32x32.mat`` with ``X`` (32, 32, 3, N) and ``y`` (N, 1)."""

    def write(images: np.ndarray, labels: np.ndarray) -> Path:
        path = places / "svhn" / "train_32x32.mat"
        path.parent.mkdir(exist_ok=True)
        savemat(path, {"X": images, "y": labels.reshape(-1, 1)}, do_compression=True)
        return path

    return write


@pytest.fixture
def write_usps(places: Path) -> Callable[..., Path]:
    """Write ``usps/usps.bz2`` from text."""

    def write(text: str) -> Path:
        path = places / "usps" / "usps.bz2"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bz2.compress(text.encode()))
        return path

    return write


@pytest.fixture
def write_mnist_m_archive(places: Path) -> Callable[..., Path]:
    """Write ``mnist_m/mnist_m.tar.gz`` as published: folders of PNG files and lists of labels."""

    def write(images: np.ndarray, labels: list[str]) -> Path:
        path = places / "mnist_m" / "mnist_m.tar.gz"
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w:gz") as archive:
            for split in ("train", "test"):
                lines = [f"{i:08d}.png {label}" for i, label in enumerate(labels)]
                content = {f"mnist_m/mnist_m_{split}_labels.txt": "\n".join(lines).encode()}
                for i, image in enumerate(images):
                    content[f"mnist_m/mnist_m_{split}/{i:08d}.png"] = png_bytes(image)
                for name, raw in content.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(raw)
                    archive.addfile(member, io.BytesIO(raw))
        return path

    return write


@pytest.fixture
def write_photos(places: Path) -> Callable[..., None]:
    """Write ``count`` small photos into ``bsds500/train`` and ``bsds500/test``."""

    def write(count: int = 3) -> None:
        random = np.random.default_rng(0)
        for split in ("train", "test"):
            folder = places / "bsds500" / split
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                pixels = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.jpg")

    return write


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write images at the given relative paths, each of one colour, and return their folder."""

    def write(*paths: str, name: str = "pictures", colour: tuple[int, ...] = (200, 30, 60)) -> Path:
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (12, 8), colour).save(root / path)
        return root

    return write
