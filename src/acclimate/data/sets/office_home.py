"""Office-Home: 65 kinds of things from offices and homes in four domains.

Venkateswara, Eusebio, Chakraborty and Panchanathan, *Deep Hashing Network for Unsupervised Domain
Adaptation*, CVPR 2017.
"""

from __future__ import annotations

from acclimate.data.registry import ANY_SIZE, Dataset, register
from acclimate.data.sets.photo_layouts import ClassFolders, Place

ADDRESS = "https://www.hemanthdv.org/officeHomeDataset.html"
ARCHIVE = "OfficeHomeDataset_10072016"
LICENCE = "non-commercial research and education"
# names as the folders are written, in the order of the publisher's page
CLASS_NAMES = (
    *("Alarm_Clock", "Backpack", "Batteries", "Bed", "Bike", "Bottle", "Bucket", "Calculator"),
    *("Calendar", "Candles", "Chair", "Clipboards", "Computer", "Couch", "Curtains", "Desk_Lamp"),
    *("Drill", "Eraser", "Exit_Sign", "Fan", "File_Cabinet", "Flipflops", "Flowers", "Folder"),
    *("Fork", "Glasses", "Hammer", "Helmet", "Kettle", "Keyboard", "Knives", "Lamp_Shade"),
    *("Laptop", "Marker", "Monitor", "Mop", "Mouse", "Mug", "Notebook", "Oven", "Pan"),
    *("Paper_Clip", "Pen", "Pencil", "Postit_Notes", "Printer", "Push_Pin", "Radio"),
    *("Refrigerator", "Ruler", "Scissors", "Screwdriver", "Shelf", "Sink", "Sneakers", "Soda"),
    *("Speaker", "Spoon", "Table", "Telephone", "ToothBrush", "Toys", "Trash_Can", "TV", "Webcam"),
)
# domain → its folder, its pictures and what they are
DOMAINS = {
    "art": ("Art", 2427, "paintings, sketches and other art"),
    "clipart": ("Clipart", 4365, "clip art"),
    "product": ("Product", 4439, "product pictures without background"),
    "real-world": ("Real World", 4357, "photos"),
}


def place(domain: str) -> Place:
    """``DOMAIN/CLASS/00001.jpg``; ``Real World`` is ``RealWorld``, ``Real_World`` or ``real`` too."""
    folder = DOMAINS[domain][0]
    return Place(
        steps=(
            ("office-home", ARCHIVE),
            (".", ARCHIVE),
            (folder, "real") if domain == "real-world" else (folder,),
        ),
        shown=f"office-home/{folder}",
        archive=f"{ARCHIVE}.zip",
        address=ADDRESS,
        example="Alarm_Clock/00001.jpg",
    )


for _domain, (_, _count, _what) in DOMAINS.items():
    _folders = ClassFolders(place=place(_domain), class_names=CLASS_NAMES)
    register(
        Dataset(
            name=f"office-home-{_domain}",
            description=f"Office-Home, {_what}, 65 kinds of things",
            licence=LICENCE,
            class_names=CLASS_NAMES,
            input_shape=ANY_SIZE,
            splits=("train",),
            listing=_folders.list,
            inspector=_folders.inspect,
            counts={"train": _count},
            address=ADDRESS,
            transductive=True,
        )
    )
