"""Office-31: 31 kinds of office things from a shop's pages and two cameras.

Saenko, Kulis, Fritz and Darrell, *Adapting Visual Category Models to New Domains*, ECCV 2010.
"""

from __future__ import annotations

from acclimate.data.files import RemoteFile
from acclimate.data.registry import ANY_SIZE, Dataset, register
from acclimate.data.sets.photo_layouts import UNPACKED, ClassFolders, Place

ADDRESS = "https://faculty.cc.gatech.edu/~judy/domainadapt/"
CLASS_NAMES = (
    *("back_pack", "bike", "bike_helmet", "bookcase", "bottle", "calculator", "desk_chair"),
    *("desk_lamp", "desktop_computer", "file_cabinet", "headphones", "keyboard"),
    *("laptop_computer", "letter_tray", "mobile_phone", "monitor", "mouse", "mug"),
    *("paper_notebook", "pen", "phone", "printer", "projector", "punchers", "ring_binder"),
    *("ruler", "scissors", "speaker", "stapler", "tape_dispenser", "trash_can"),
)
COUNTS = {"amazon": 2817, "dslr": 498, "webcam": 795}
PICTURES = {
    "amazon": "a shop's product pictures",
    "dslr": "photos of a good camera",
    "webcam": "photos of a webcam",
}
# the same pictures as they are published with pytorch-adapt
ARCHIVE = RemoteFile(
    filename="office31.tar.gz",
    urls=("https://cornell.box.com/shared/static/3v2ftdkdhpz1lbbr4uhu0135w7m79p7q",),
    checksum="md5:89818e596f3cdda1d56da0f077435faa",
    split="all",
    folders=("office-31", "office31", "."),
)


def place(domain: str) -> Place:
    """``DOMAIN/images/CLASS/frame_0001.jpg``; the folder ``images`` may be left out."""
    return Place(
        steps=(
            ("office-31",),
            (".", UNPACKED),
            (".", "office31", "domain_adaptation_images"),
            (domain,),
            ("images", "."),
        ),
        shown=f"office-31/{domain}/images",
        archive="domain_adaptation_images.tar.gz",
        address=ADDRESS,
        example="back_pack/frame_0001.jpg",
        remote=ARCHIVE,
    )


for _domain in COUNTS:
    _folders = ClassFolders(place=place(_domain), class_names=CLASS_NAMES)
    register(
        Dataset(
            name=f"office-31-{_domain}",
            description=f"Office-31, {PICTURES[_domain]}, 31 kinds of office things",
            licence="unstated; research use",
            class_names=CLASS_NAMES,
            input_shape=ANY_SIZE,
            splits=("train",),
            listing=_folders.list,
            remote_files=(ARCHIVE,),
            inspector=_folders.inspect,
            counts={"train": COUNTS[_domain]},
            address=ADDRESS,
            transductive=True,
        )
    )
