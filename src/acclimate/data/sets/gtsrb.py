"""GTSRB: photos of German traffic signs, taken from a moving car in tracks of about 30 frames.

The frames of a track are near-duplicates of each other. Train and test are therefore cut by
track, and each track is a group that no later split cuts apart. Only the training archive of the
benchmark is used, as by Ganin et al. (JMLR 2016, section 5.2.4), who draw 31,367 of its 39,209
frames at random, tracks or not.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from acclimate.core.errors import DataError
from acclimate.data.built import built_once
from acclimate.data.file_trees import FileTree, open_tree
from acclimate.data.files import FileFinder, Finding, RemoteFile, cache_folder, inspect_file
from acclimate.data.images import in_threads
from acclimate.data.registry import Arrays, Dataset, register
from acclimate.data.sets.sign_names import SIGN_NAMES

SIZE = 40
TEST_SHARE = 0.2
ARCHIVE = RemoteFile(
    filename="GTSRB_Final_Training_Images.zip",
    urls=(
        "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
        "GTSRB_Final_Training_Images.zip",
    ),
    checksum="md5:f33fd80ac59bff73c82d25ab499e03a3",
    size=276294756,
    split="all",
    folders=("gtsrb", "GTSRB", "."),
    # as unpacked: in a folder GTSRB of its own, or into the one that holds the archive
    other_names=("GTSRB/Final_Training/Images", "Final_Training/Images"),
)
THIRD = "gtsrb_train_third_32x32.zip"
THIRD_FOLDERS = ("gtsrb32", "gtsrb")
THIRD_NAME = "gtsrb32-third"
RECIPE = "gtsrb/1"
"""Raised when reading changes, so that nobody reads what an older version kept."""

_FRAME = re.compile(
    r"(?:GTSRB/)?(?:Final_Training/Images/)?(\d{5})/((\d{5})_\d{5})\.(?:ppm|png|webp)"
)
_EXPECTED = "GTSRB/Final_Training/Images/00000/00000_00000.ppm"
_SIDES = ("X1", "Y1", "X2", "Y2")
_SEED = 43

Box = tuple[int, int, int, int]
"""Left, top, right and bottom; the last two lie outside."""


class Frame(NamedTuple):
    """One photo: its path in the tree, its name without folders, its class, its track there."""

    path: str
    name: str
    label: int
    track: int


def read(finder: FileFinder, split: str) -> Arrays:
    """(N, 40, 40, 3) uint8, (N,) int64, names like ``00000/00003_00012``, one group a track."""
    path = find(finder) or finder.obtain(ARCHIVE)
    third = path.name == THIRD
    with open_tree(path) as tree:
        kept = cache_folder() / "gtsrb" / f"{'third' if third else 'official'}-{split}.npz"
        fingerprint = f"{RECIPE}:{tree.fingerprint()}"
        arrays = built_once(kept, fingerprint, lambda: read_tree(tree, split, crop=not third))
    # numbers measured on a third of the frames, uncropped, must not pass for GTSRB's
    return arrays._replace(name=THIRD_NAME if third else None)


def find(finder: FileFinder) -> Path | None:
    """The official archive, its unpacked folder, or the third of its frames, in this order."""
    return finder.find_remote(ARCHIVE) or finder.find(THIRD_FOLDERS, (THIRD,))


def inspect(finder: FileFinder, verify: bool) -> list[Finding]:
    """The official archive, its unpacked folder, or the third of its frames."""
    path = find(finder)
    if path is None or path.name == ARCHIVE.filename:
        return [inspect_file(finder, ARCHIVE, verify)]
    where = str(path)
    if path.name == THIRD:
        detail, size = f"a third of the frames, used as {THIRD_NAME}", path.stat().st_size
        return [
            Finding(
                what=THIRD, split="all", status="different", where=where, size=size, detail=detail
            )
        ]
    detail = "unpacked, without a published checksum"
    return [Finding(what="unpacked images", split="all", status="ok", where=where, detail=detail)]


def read_tree(tree: FileTree, split: str, *, crop: bool) -> Arrays:
    """The frames of ``split``, scaled to 40×40 by bicubic interpolation, in order of their names.

    ``crop``: only the sign's box, which the tables of the official archive give; otherwise whole
    frames, which have a margin of about a tenth around the sign. Raises ``DataError`` for another
    layout, for damaged files and for boxes that do not lie in their frames.
    """
    frames = list_frames(tree)
    aside = test_tracks(frames)
    chosen = [f for f in frames if ((f.label, f.track) in aside) == (split == "test")]
    boxes = _read_boxes(tree, frames) if crop else {}

    def decode(frame: Frame) -> np.ndarray:
        return _decode(tree, frame, boxes.get(frame.path))

    return Arrays(
        np.stack(list(in_threads(decode, chosen))),
        np.array([frame.label for frame in chosen], dtype=np.int64),
        item_names=np.array([f"{frame.label:05d}/{frame.name}" for frame in chosen]),
        groups=np.array([frame.label * 100_000 + frame.track for frame in chosen], dtype=np.int64),
    )


def list_frames(tree: FileTree) -> list[Frame]:
    """All frames of the tree, by class, track and number."""
    found = [match for name in tree.names() if (match := _FRAME.fullmatch(name))]
    frames = [Frame(m[0], m[2], int(m[1]), int(m[3])) for m in found]
    absent = sorted(set(range(len(SIGN_NAMES))) - {frame.label for frame in frames})
    if not frames:
        raise DataError(
            f"{tree.where} holds no frames of GTSRB: files like {_EXPECTED} are expected; "
            f"give {ARCHIVE.filename} as published"
        )
    if absent or len({(f.label, f.name) for f in frames}) < len(frames):
        what = f"no frame of class {absent[0]:05d}" if absent else "frames that are there twice"
        raise DataError(f"{tree.where} holds {what}; fetch {ARCHIVE.filename} again")
    unknown = [frame.path for frame in frames if frame.label >= len(SIGN_NAMES)]
    if unknown:
        raise DataError(
            f"{tree.where}: {unknown[0]} lies outside the classes 00000 to "
            f"{len(SIGN_NAMES) - 1:05d}; fetch {ARCHIVE.filename} again"
        )
    return sorted(frames, key=lambda frame: (frame.label, frame.name))


def test_tracks(frames: Iterable[Frame]) -> set[tuple[int, int]]:
    """A fifth of each class's tracks as (class, track), at least one and not all; always the same.

    It depends on the track numbers alone, so that a track is on the same side whether all or some
    of its frames are at hand.
    """
    aside = set()
    for label, tracks in _tracks_by_class(frames).items():
        count = min(max(round(TEST_SHARE * len(tracks)), 1), len(tracks) - 1)
        order = np.random.RandomState([_SEED, label]).permutation(len(tracks))
        aside |= {(label, tracks[i]) for i in order[:count]}
    return aside


def _tracks_by_class(frames: Iterable[Frame]) -> dict[int, list[int]]:
    tracks: dict[int, set[int]] = {}
    for frame in frames:
        tracks.setdefault(frame.label, set()).add(frame.track)
    return {label: sorted(found) for label, found in tracks.items()}


def _read_boxes(tree: FileTree, frames: list[Frame]) -> dict[str, Box]:
    """The box of every frame, by its path."""
    boxes: dict[str, Box] = {}
    for folder in sorted({frame.path.rpartition("/")[0] for frame in frames}):
        boxes |= _read_table(tree, folder)
    missing = [frame.path for frame in frames if frame.path not in boxes]
    if missing:
        raise DataError(
            f"{tree.where}: the table of {missing[0].rpartition('/')[0]} does not list "
            f"{missing[0]}; fetch {ARCHIVE.filename} again"
        )
    return boxes


def _read_table(tree: FileTree, folder: str) -> dict[str, Box]:
    label = folder[-5:]
    name = f"{folder}/GT-{label}.csv"
    boxes: dict[str, Box] = {}
    try:
        text = tree.read(name).decode("utf-8-sig")
        for row in csv.DictReader(io.StringIO(text), delimiter=";"):
            if int(row["ClassId"]) != int(label):
                raise ValueError(f"class {row['ClassId']} in the folder {label}")
            left, top, right, bottom = (int(row[f"Roi.{side}"]) for side in _SIDES)
            # the corners that the table names belong to the sign
            boxes[f"{folder}/{row['Filename']}"] = (left, top, right + 1, bottom + 1)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(
            f"{tree.where}: {name} is no table of Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;"
            f"Roi.Y2;ClassId ({error}); fetch {ARCHIVE.filename} again"
        ) from error
    return boxes


def _decode(tree: FileTree, frame: Frame, box: Box | None) -> np.ndarray:
    content = tree.read(frame.path)
    try:
        with Image.open(io.BytesIO(content)) as image:
            left, top, right, bottom = box = box or (0, 0, *image.size)
            if not (0 <= left < right <= image.width and 0 <= top < bottom <= image.height):
                raise ValueError(f"the box {box} is not in a frame of {image.width}×{image.height}")
            # not by the box of resize, which blends in what lies around the sign
            sign = image.convert("RGB").crop(box)
            scaled = sign.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{tree.where}: {frame.path} cannot be used ({error}); fetch it again"
        ) from error
    return np.asarray(scaled)


GTSRB = register(
    Dataset(
        name="gtsrb",
        description="photos of 43 German traffic signs, colour, 40×40 (Stallkamp et al. 2011)",
        licence="unstated; research use",
        class_names=SIGN_NAMES,
        input_shape=(3, SIZE, SIZE),
        splits=("train", "test"),
        read=read,
        remote_files=(ARCHIVE,),
        inspector=inspect,
    )
)
