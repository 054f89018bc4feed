"""What a user's text means: a registered data set, a list of pictures, a folder or a file."""

from __future__ import annotations

from pathlib import Path

from acclimate.core.errors import ConfigurationError, UnknownNameError, near_miss
from acclimate.data import Dataset, datasets, picture_tables, tar_shards
from acclimate.data.picture_tables import PictureTable
from acclimate.data.tar_shards import Shards

PREFIX = "dataset:"
"""Says that a name means the registered data set, where a folder of that name exists too."""

Found = Dataset | Path | PictureTable | Shards
"""What a user's text means."""


def resolve(spec: str | Path) -> Found:
    """The data set, list of pictures, shards or existing path that ``spec`` means.

    Raises ``UnknownNameError`` when it is none, ``ConfigurationError`` when it is a data set and a
    path, ``DataError`` for a list or shards that are not there.
    """
    text = str(spec)
    if text.startswith(PREFIX):
        return datasets.get(text.removeprefix(PREFIX))
    path = Path(text).expanduser()
    if isinstance(spec, str) and text in datasets:
        if path.exists():
            raise ConfigurationError(
                f"{text!r} is a registered data set and also a file or folder here: write "
                f"{PREFIX}{text} for the data set or ./{text} for the folder"
            )
        return datasets.get(text)
    found = _picture_list(text)
    if found is not None:
        return found
    if path.exists() and text:
        return path
    hint = near_miss(text, datasets.names())
    if "/" in text or "\\" in text or path.suffix:
        hint = " Check the spelling of the path."
    raise UnknownNameError(
        f"{text!r} is no existing folder or file, and no registered data set.{hint}"
    )


def whole_split(spec: str | Path) -> str:
    """The split that holds all items of a registered set, ``"train"`` for anything else."""
    found = resolve(spec)
    return found.whole_split if isinstance(found, Dataset) else "train"


def has_test_split(spec: str | Path) -> bool:
    """Whether ``spec`` is a registered data set that comes with its own test split."""
    found = resolve(spec)
    return isinstance(found, Dataset) and "test" in found.splits


def is_picture_list(spec: str | Path) -> bool:
    """Whether ``spec`` is a CSV file that lists pictures, or .tar shards; errors as in ``resolve``."""
    return _picture_list(str(spec)) is not None


def _picture_list(text: str) -> PictureTable | Shards | None:
    return (tar_shards.find_shards(text) or picture_tables.find_table(text)) if text else None


def item_folder(spec: str | Path) -> Path | None:
    """The folder below which an opened ``spec`` names its items; ``None`` where these are no files."""
    found = resolve(spec)
    if isinstance(found, PictureTable):
        return found.path.parent
    if isinstance(found, Shards):
        return found.root
    return found if isinstance(found, Path) and found.is_dir() else None
