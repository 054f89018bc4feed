"""VisDA-2017, classification: twelve kinds of things, rendered, cut out of COCO, and of videos.

Peng et al., *VisDA: The Visual Domain Adaptation Challenge*, 2017. The three parts are three
domains, and each is registered as a data set of its own.
"""

from __future__ import annotations

from functools import partial

from acclimate.data.files import FileFinder
from acclimate.data.folders import Listing
from acclimate.data.registry import ANY_SIZE, Dataset, Findings, register
from acclimate.data.sets.photo_layouts import Place, list_classes, list_pairs, read_list

ADDRESS = "https://github.com/VisionLearningGroup/taskcv-2017-public/tree/master/classification"
ARCHIVES = "http://csr.bu.edu/ftp/visda17/clf"
LIST = "image_list.txt"
CLASS_NAMES = (
    *("aeroplane", "bicycle", "bus", "car", "horse", "knife"),
    *("motorcycle", "person", "plant", "skateboard", "train", "truck"),
)
DOMAINS = {
    "train": (152_397, "rendered pictures"),
    "validation": (55_388, "cut out of COCO's photos"),
    "test": (72_372, "cut out of YouTube-BoundingBoxes' frames"),
}
_BASE = ("visda-2017", "visda", "visda17")


def pictures_place(domain: str) -> Place:
    """``train/CLASS/*``, ``validation/CLASS/*``, ``test/trunkNN/*``."""
    return Place(
        steps=(_BASE, (".", "clf"), (domain,)),
        shown=f"visda-2017/{domain}",
        archive=f"{domain}.tar",
        address=f"{ARCHIVES}/{domain}.tar",
        example=LIST,
    )


# the test pictures came without labels at first; the list that has them was published alone
TEST_LIST = Place(
    steps=(_BASE, (".", "clf"), (".", "test"), (LIST,)),
    shown=f"visda-2017/{LIST}",
    archive=LIST,
    address=f"{ADDRESS.replace('tree', 'raw', 1)}/data/{LIST}",
)


def list_domain(domain: str, finder: FileFinder, _split: str) -> Listing:
    """What ``image_list.txt`` names; without one, the class folders of *train* and *validation*."""
    place = pictures_place(domain)
    root = place.require(finder)
    if domain == "test":
        names, path = TEST_LIST, TEST_LIST.require(finder)
    else:
        names, path = place, root / LIST
        if not path.is_file():
            return list_classes(place, root, CLASS_NAMES)
    pairs = read_list(path, len(CLASS_NAMES), 0, names.again)
    return list_pairs(root, pairs, CLASS_NAMES, place.again)


def inspect(domain: str, finder: FileFinder, _verify: bool) -> Findings:
    pictures = pictures_place(domain).inspect(finder, "all")
    return [pictures, TEST_LIST.inspect(finder, "all")] if domain == "test" else [pictures]


for _domain, (_count, _what) in DOMAINS.items():
    register(
        Dataset(
            name=f"visda-{_domain}",
            description=f"VisDA-2017, {_what}, twelve kinds of things",
            licence="non-commercial research and education",
            class_names=CLASS_NAMES,
            input_shape=ANY_SIZE,
            splits=("train",),
            listing=partial(list_domain, _domain),
            inspector=partial(inspect, _domain),
            counts={"train": _count},
            address=ADDRESS,
            transductive=True,
        )
    )
