"""Office-Caltech-10: the ten classes that Office-31 and Caltech-256 share, in four domains.

Gong, Shi, Sha and Grauman, *Geodesic Flow Kernel for Unsupervised Domain Adaptation*, CVPR 2012.
"""

from __future__ import annotations

from acclimate.data.registry import ANY_SIZE, Dataset, register
from acclimate.data.sets.photo_layouts import ClassFolders, Place

ADDRESS = "https://github.com/jindongwang/transferlearning/tree/master/data"
CLASS_NAMES = (
    *("backpack", "bike", "calculator", "headphones", "keyboard"),
    *("laptop", "monitor", "mouse", "mug", "projector"),
)
ALIASES = {"laptopcomputer": "laptop"}
COUNTS = {"amazon": 958, "caltech": 1123, "dslr": 157, "webcam": 295}
PICTURES = {
    "amazon": "a shop's product pictures",
    "caltech": "pictures of Caltech-256",
    "dslr": "photos of a good camera",
    "webcam": "photos of a webcam",
}


def place(domain: str) -> Place:
    """``DOMAIN/CLASS/*.jpg``."""
    return Place(
        steps=(
            ("office_caltech10", "office_caltech", "office_caltech_10_images"),
            (".", "office_caltech10", "office_caltech_10"),
            (domain, "caltech10") if domain == "caltech" else (domain,),
            (".", "images"),
        ),
        shown=f"office_caltech10/{domain}",
        archive="the pictures of Office-Caltech-10",
        address=ADDRESS,
        example="backpack/003_0001.jpg" if domain == "caltech" else "backpack/frame_0001.jpg",
    )


for _domain in COUNTS:
    _folders = ClassFolders(place=place(_domain), class_names=CLASS_NAMES, aliases=ALIASES)
    register(
        Dataset(
            name=f"office-caltech-10-{_domain}",
            description=f"Office-Caltech-10, {PICTURES[_domain]}, ten kinds of office things",
            licence="unstated; research use",
            class_names=CLASS_NAMES,
            input_shape=ANY_SIZE,
            splits=("train",),
            listing=_folders.list,
            inspector=_folders.inspect,
            counts={"train": COUNTS[_domain]},
            address=ADDRESS,
            transductive=True,
        )
    )
