"""PRID 2011, single shot: 385 people seen by camera A, 749 by camera B, 200 of them by both.

Hirzer, Beleznai, Roth and Bischof, *Person Re-Identification by Descriptive and Discriminative
Classification*, SCIA 2011. The first 200 numbers are the same people in both cameras, all others
are different ones.
"""

from __future__ import annotations

from acclimate.data.registry import ANY_SIZE, Dataset, IdentityProtocol, register
from acclimate.data.sets.people_layouts import COLLECTION, CameraFolders
from acclimate.data.sets.photo_layouts import Place

ADDRESS = "https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/prid11"
SHARED = 200
"""People whom both cameras saw; they have the first numbers."""


def identity(camera: int, number: str) -> str:
    """``0007`` for one whom both cameras saw, ``a_0207`` or ``b_0207`` for another.

    >>> identity(0, "0200"), identity(1, "0201")
    ('0200', 'b_0201')
    """
    return number if int(number) <= SHARED else f"{'ab'[camera]}_{number}"


_folders = CameraFolders(
    place=Place(
        steps=(COLLECTION, ("prid_2011",), (".", "prid_2011"), ("single_shot", "."), ("cam_a",)),
        shown="prid_2011/single_shot/cam_a",
        archive="prid_2011.zip",
        address=ADDRESS,
        example="person_0001.png",
    ),
    cameras=("cam_a", "cam_b"),
    identity=identity,
)

register(
    Dataset(
        name="prid2011",
        description="PRID 2011 single shot, 934 people, 200 of them seen by both cameras",
        licence="unstated; research use",
        class_names=(),
        input_shape=ANY_SIZE,
        splits=("all",),
        listing=_folders.list,
        inspector=_folders.inspect,
        counts={"all": 1134},
        address=ADDRESS,
        identities=IdentityProtocol(100, 0, 1),
    )
)
