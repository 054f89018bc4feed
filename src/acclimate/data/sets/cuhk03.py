"""CUHK03: 1,467 people, each seen by the two cameras of one of five pairs; hand-drawn boxes.

Li, Zhao, Xiao and Wang, *DeepReID: Deep Filter Pairing Neural Network for Person
Re-Identification*, CVPR 2014. The authors' ``cuhk-03.mat`` is an HDF5 file; its pictures are
written once into the cache, as torchreid writes them: ``PAIR_PERSON_VIEW_PICTURE.png``.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from acclimate.core.errors import ConfigurationError, DataError
from acclimate.core.files import explain_write_errors
from acclimate.data.files import FileFinder, cache_folder
from acclimate.data.folders import Listing
from acclimate.data.identity_names import PersonPicture
from acclimate.data.registry import ANY_SIZE, Dataset, Findings, IdentityProtocol, register
from acclimate.data.sets.people_layouts import COLLECTION, list_named
from acclimate.data.sets.photo_layouts import Place

ADDRESS = "https://www.ee.cuhk.edu.hk/~xgwang/CUHK_identification.html"
EXAMPLE = "1_001_1_01.png"
TEST_SETS = "test_sets.json"
"""In the folder of pictures: the identities of the 20 published tests."""
TEST_IDENTITIES = 100
VIEWS_OF_FIRST = 5
"""Of the ten pictures of a person the first five are the first camera's; some are empty."""

_FOLDER = (COLLECTION, ("cuhk03",), (".", "cuhk03_release"))
PICTURES = Place(
    steps=(*_FOLDER, ("images_labeled",)),
    shown="cuhk03/images_labeled",
    archive="cuhk03_release.zip",
    address=ADDRESS,
    example=EXAMPLE,
)
MAT = Place(
    steps=(*_FOLDER, ("cuhk-03.mat",)),
    shown="cuhk03/cuhk03_release/cuhk-03.mat",
    archive="cuhk03_release.zip",
    address=ADDRESS,
)

_NAME = re.compile(r"([1-5]_[0-9]{3})_([12])_[0-9]{2}")


def parse(file: str) -> PersonPicture | None:
    """The pair of cameras and the person's number there, the view (1 or 2), the picture's number.

    >>> parse("4_058_2_07.png")
    PersonPicture(file='4_058_2_07.png', identity='4_058', camera=1, role=None)
    """
    found = _NAME.fullmatch(PurePosixPath(file).stem)
    if found is None:
        return None
    return PersonPicture(file=file, identity=found[1], camera=int(found[2]) - 1)


def list_pictures(finder: FileFinder, _split: str) -> Listing:
    root = PICTURES.find(finder) or _extracted(MAT.require(finder))
    return list_named(PICTURES, root, parse, EXAMPLE)


def inspect(finder: FileFinder, verify: bool) -> Findings:
    place = PICTURES if PICTURES.find(finder) else MAT
    return [place.inspect(finder, "all", verify)]


def published_tests(finder: FileFinder) -> tuple[frozenset[str], ...]:
    """The identities of the published tests, empty where the ``.mat`` file is not at hand."""
    root = PICTURES.find(finder)
    if root is not None and (root / TEST_SETS).is_file():
        kept = json.loads((root / TEST_SETS).read_text(encoding="utf-8"))
        return tuple(frozenset(each) for each in kept)
    mat = MAT.find(finder)
    if mat is None:
        return ()
    with _opened(mat) as content:
        return tuple(_test_sets(content))


def _extracted(mat: Path) -> Path:
    """The folder in the cache with the pictures of ``mat``, written if it is not there yet.

    It appears whole or not at all; processes that want the same wait for the first.
    """
    from filelock import FileLock

    folder = cache_folder() / "cuhk03" / "images_labeled"
    with explain_write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _extract(mat, folder)
    return folder


def _extract(mat: Path, folder: Path) -> None:
    from PIL import Image

    with _opened(mat) as content:
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        temporary.chmod(0o755)  # mkdtemp's is its owner's alone
        try:
            for name, pixels in _pictures(content):
                Image.fromarray(pixels).save(temporary / name)
            tests = [sorted(each) for each in _test_sets(content)]
            (temporary / TEST_SETS).write_text(json.dumps(tests), encoding="utf-8")
            temporary.rename(folder)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise DataError(
                f"{mat} is damaged or no file of CUHK03 ({error}); {MAT.again}"
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _opened(mat: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise ConfigurationError(
            f"{mat} is an HDF5 file, which needs h5py: pip install h5py, or give the folder "
            f"{PICTURES.shown} that torchreid writes"
        ) from None
    try:
        return h5py.File(mat, "r")
    except OSError as error:
        raise DataError(f"{mat} is truncated or damaged ({error}); {MAT.again}") from error


def _pictures(content: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels, uint8 (height, width, 3); HDF5 stores MATLAB's arrays transposed."""
    for pair, reference in enumerate(content["labeled"][0], start=1):
        people = content[reference][:].T
        for person, cells in enumerate(people, start=1):
            for number, cell in enumerate(cells):
                pixels = content[cell][:].T
                if pixels.ndim == 3:  # others are empty
                    view = 1 if number < VIEWS_OF_FIRST else 2
                    yield f"{pair}_{person:03}_{view}_{number + 1:02}.png", pixels.copy()


def _test_sets(content: Any) -> Iterator[frozenset[str]]:
    for reference in content["testsets"][0]:
        rows = np.asarray(content[reference][:]).T.astype(int)
        yield frozenset(f"{pair}_{person:03}" for pair, person in rows.tolist())


register(
    Dataset(
        name="cuhk03",
        description="CUHK03, 1,467 people seen by five pairs of cameras, hand-drawn boxes",
        licence="on request; research use",
        class_names=(),
        input_shape=ANY_SIZE,
        splits=("all",),
        listing=list_pictures,
        inspector=inspect,
        counts={"all": 14096},
        address=ADDRESS,
        identities=IdentityProtocol(1467 - TEST_IDENTITIES, 0, 1),
        published_tests=published_tests,
    )
)
