"""VIPeR: 632 people, each seen once by each of two cameras, 48×128.

Gray, Brennan and Tao, *Evaluating Appearance Models for Recognition, Reacquisition, and
Tracking*, PETS 2007. The number that a file's name begins with is the person, the other one the
angle of view.
"""

from __future__ import annotations

from acclimate.data.registry import ANY_SIZE, Dataset, IdentityProtocol, register
from acclimate.data.sets.people_layouts import COLLECTION, CameraFolders
from acclimate.data.sets.photo_layouts import Place

ADDRESS = "https://vision.soe.ucsc.edu/node/178"

_folders = CameraFolders(
    place=Place(
        steps=(COLLECTION, ("viper", "VIPeR.v1.0"), (".", "viper"), ("cam_a",)),
        shown="viper/cam_a",
        archive="VIPeR.v1.0.zip",
        address=ADDRESS,
        example="000_45.bmp",
    ),
    cameras=("cam_a", "cam_b"),
)

register(
    Dataset(
        name="viper",
        description="VIPeR, 632 people seen by two cameras",
        licence="unstated; research use",
        class_names=(),
        input_shape=ANY_SIZE,
        splits=("all",),
        listing=_folders.list,
        inspector=_folders.inspect,
        counts={"all": 1264},
        address=ADDRESS,
        identities=IdentityProtocol(316, 0, 1),
    )
)
