"""Descriptors of pictures in a file, so that a large gallery is looked at once."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import DataError
from acclimate.core.files import replace_atomically
from acclimate.models.files import host_tensors
from acclimate.training.inference import LoadedModel

SUFFIX = ".npz"
AT_ONCE = 8192  # descriptors that are read together
OF_ALL = ("folder", "model")
ARRAYS = ("descriptors", "names", *OF_ALL)
# what zipfile and numpy raise on damaged input; RuntimeError for encryption, which a bit stands for
_DAMAGED = (
    *(OSError, EOFError, ValueError, KeyError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)

Keep = Callable[[Sequence[str], Tensor], None]


class Described(NamedTuple):
    """Some pictures: ``names`` (N), the path of each, and ``descriptors`` (N, D) float32."""

    names: Sequence[str]
    descriptors: Tensor


def fingerprint(model: LoadedModel) -> str:
    """Changes with whatever changes descriptors: weights, preprocessing, mirror images, means of cameras."""
    looks = f"{model.preprocessing.model_dump_json()} {model.mirrored} {model.stored_shape}"
    digest = hashlib.sha256(looks.encode())
    tensors = host_tensors(model.network)
    if model.camera_means is not None:
        tensors |= {f"cameras.{name}": each for name, each in vars(model.camera_means).items()}
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def keeping_descriptors(path: Path, model: str) -> Iterator[Keep]:
    """What it yields keeps names (N) and descriptors (N, D); ``path`` appears at the end, or never.

    ``descriptors`` (N, D) float32 and ``names`` (N,) are arrays of the .npz file, ``folder`` is where
    relative names begin, ``model`` the fingerprint. Memory does not grow with the descriptors.
    """
    names: list[str] = []
    width = 0
    with (
        replace_atomically(path) as temporary,
        tempfile.TemporaryFile(dir=path.parent) as rows,
    ):

        def keep(some: Sequence[str], descriptors: Tensor) -> None:
            nonlocal width
            names.extend(some)
            width = descriptors.shape[1]
            rows.write(np.ascontiguousarray(descriptors.numpy(), dtype="<f4").tobytes())

        yield keep
        rows.seek(0)
        with zipfile.ZipFile(temporary, "w") as archive:
            with archive.open("descriptors.npy", "w", force_zip64=True) as member:
                header = {"descr": "<f4", "fortran_order": False, "shape": (len(names), width)}
                np.lib.format.write_array_header_1_0(member, header)
                shutil.copyfileobj(rows, member, 1 << 20)
            others = {"names": names, "folder": str(Path.cwd()), "model": model}
            for name, value in others.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.array(value), allow_pickle=False)


@dataclass(frozen=True)
class DescriptorFile:
    """What ``keeping_descriptors`` wrote: ``names`` (N), and ``width`` D of the descriptors."""

    path: Path
    names: tuple[str, ...]
    folder: Path
    width: int

    @classmethod
    def open(cls, path: Path, model: LoadedModel) -> DescriptorFile:
        """Raises ``DataError`` for a file of something else, of another model, or a damaged one."""
        with _explained(path), zipfile.ZipFile(path) as archive:
            known = {f"{name}.npy" for name in ARRAYS} <= set(archive.namelist())
            names = tuple(_array(archive, "names").tolist()) if known else ()
            folder, made_by = (str(_array(archive, name)) if known else "" for name in OF_ALL)
        if not known:
            raise DataError(
                f"{path} holds no descriptors; give a file that 'acclimate match … --descriptors "
                "FILE.npz' wrote, pictures, a folder or a list of them"
            )
        with _explained(path):
            width = _check_rows(path, len(names))
        expected = model.network.layer_widths[model.network.feature_layer]
        if width != expected:
            raise DataError(
                f"{path} holds descriptors of {width} numbers, and this model's have {expected}: give "
                "the pictures themselves, and --descriptors to keep theirs"
            )
        if made_by != fingerprint(model):
            raise DataError(
                f"{path} holds descriptors that another model made, which compare with its own alone: "
                "give that run, or the pictures themselves, and --descriptors to keep theirs"
            )
        return cls(path, names, Path(folder), width)

    def blocks(self) -> Iterator[Described]:
        """All of it, ``AT_ONCE`` descriptors at a time; raises ``DataError`` where it is damaged."""
        with _explained(self.path), _rows(self.path) as (member, _):
            for start in range(0, len(self.names), AT_ONCE):
                names = self.names[start : start + AT_ONCE]
                raw = member.read(len(names) * self.width * 4)
                values = np.frombuffer(raw, dtype="<f4").reshape(len(names), self.width)
                yield Described(names, torch.from_numpy(values.astype(np.float32)))


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        found: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
        return found


def _check_rows(path: Path, count: int) -> int:
    """The width of the descriptors; ``ValueError`` where they are not ``count`` rows of float32."""
    with _rows(path) as (_, (shape, in_columns, kind)):
        if in_columns or kind != np.dtype("<f4") or len(shape) != 2 or shape[0] != count:
            raise ValueError(f"descriptors of {kind} {shape}")
        return int(shape[1])


@contextlib.contextmanager
def _rows(path: Path) -> Iterator[tuple[IO[bytes], tuple[Any, ...]]]:
    with zipfile.ZipFile(path) as archive, archive.open("descriptors.npy") as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError("another format of arrays")
        yield member, np.lib.format.read_array_header_1_0(member)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        # not numpy's own words, which recommend to unpickle what it does not know
        raise DataError(
            f"{path} cannot be read as descriptors: it is damaged, or another kind of file; give the "
            "pictures themselves, and --descriptors to keep theirs"
        ) from error
