"""PACS: seven kinds of things as photo, painting, cartoon and sketch.

Li, Yang, Song and Hospedales, *Deeper, Broader and Artier Domain Generalization*, ICCV 2017. Each
domain comes with three lists: ``train``, ``crossval`` (here *validation*) and ``test``, which
names all pictures of the domain, those of the other two lists again (here *all*).
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath

from acclimate.core.errors import DataError
from acclimate.data.files import FileFinder, plain_name
from acclimate.data.folders import Listing
from acclimate.data.registry import ANY_SIZE, Dataset, Findings, register
from acclimate.data.sets.photo_layouts import Place, list_classes, list_pairs, read_list

ADDRESS = "https://domaingeneralization.github.io"
LISTS_FOLDER = "Train val splits and h5py files pre-read"
CLASS_NAMES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
LISTS = {"train": "train", "validation": "crossval"}
# domain → its folder, its pictures, those in the list for training, and what they are
DOMAINS = {
    "photo": ("photo", 1670, 1499, "photos"),
    "art-painting": ("art_painting", 2048, 1840, "paintings"),
    "cartoon": ("cartoon", 2344, 2107, "cartoons"),
    "sketch": ("sketch", 3929, 3531, "sketches"),
}


def pictures_place(domain: str) -> Place:
    """``kfold/DOMAIN/CLASS/*``."""
    folder = DOMAINS[domain][0]
    return Place(
        steps=(("pacs",), (".", "raw_images"), ("kfold", "images", "."), (folder,)),
        shown=f"pacs/kfold/{folder}",
        archive="kfold.zip",
        address=ADDRESS,
        example="dog",
    )


def list_place(domain: str, split: str) -> Place:
    """``Train val splits and h5py files pre-read/DOMAIN_{train,crossval}_kfold.txt``."""
    name = f"{DOMAINS[domain][0]}_{LISTS[split]}_kfold.txt"
    return Place(
        steps=(
            ("pacs",),
            (".", "raw_images"),
            (LISTS_FOLDER, "splits", "pacs_label", "kfold", "."),
            (name,),
        ),
        shown=f"pacs/{LISTS_FOLDER}/{name}",
        archive=f"the folder '{LISTS_FOLDER}'",
        address=ADDRESS,
    )


def list_split(domain: str, finder: FileFinder, split: str) -> Listing:
    """*all*: the class folders; the others: the pictures that their list names."""
    place = pictures_place(domain)
    root = place.require(finder)
    if split == "all":
        return list_classes(place, root, CLASS_NAMES)
    names = list_place(domain, split)
    path = names.require(finder)
    pairs = []
    for name, label in read_list(path, len(CLASS_NAMES), 1, names.again):
        # photo/dog/056_0001.jpg: the domain's folder may be spelled otherwise on the disk
        first, *rest = PurePosixPath(name).parts
        if plain_name(first) != plain_name(domain) or not rest:
            raise DataError(f"{path}: {name!r} is no picture of {domain}; {names.again}")
        pairs.append((PurePosixPath(*rest).as_posix(), label))
    return list_pairs(root, pairs, CLASS_NAMES, place.again)


def inspect(domain: str, finder: FileFinder, _verify: bool) -> Findings:
    lists = [list_place(domain, split).inspect(finder, split) for split in LISTS]
    return [pictures_place(domain).inspect(finder, "all"), *lists]


for _domain, (_, _count, _training, _what) in DOMAINS.items():
    register(
        Dataset(
            name=f"pacs-{_domain}",
            description=f"PACS, {_what} of seven kinds of things",
            licence="unstated; research use",
            class_names=CLASS_NAMES,
            input_shape=ANY_SIZE,
            splits=("train", "validation", "all"),
            listing=partial(list_split, _domain),
            inspector=partial(inspect, _domain),
            counts={"train": _training, "validation": _count - _training, "all": _count},
            address=ADDRESS,
            transductive=True,
        )
    )
