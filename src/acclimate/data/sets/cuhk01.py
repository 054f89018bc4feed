"""CUHK01, also called CUHK/p1: 971 people, each seen twice by each of two cameras, 60×160.

Li, Zhao and Wang, *Human Reidentification with Transferred Metric Learning*, ACCV 2012.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from acclimate.data.files import FileFinder
from acclimate.data.folders import Listing
from acclimate.data.identity_names import PersonPicture
from acclimate.data.registry import ANY_SIZE, Dataset, Findings, IdentityProtocol, register
from acclimate.data.sets.people_layouts import COLLECTION, list_named
from acclimate.data.sets.photo_layouts import Place

ADDRESS = "https://www.ee.cuhk.edu.hk/~xgwang/CUHK_identification.html"
EXAMPLE = "0001001.png"
PLACE = Place(
    steps=(COLLECTION, ("cuhk01", "CUHK/p1"), (".", "cuhk01"), ("campus", ".")),
    shown="cuhk01/campus",
    archive="CUHK01.zip",
    address=ADDRESS,
    example=EXAMPLE,
)

_NAME = re.compile(r"([0-9]{4})00([1-4])")


def parse(file: str) -> PersonPicture | None:
    """Four digits of the person, then 001 and 002 of the first camera, 003 and 004 of the second.

    >>> parse("0971003.png")
    PersonPicture(file='0971003.png', identity='0971', camera=1, role=None)
    """
    found = _NAME.fullmatch(PurePosixPath(file).stem)
    if found is None:
        return None
    return PersonPicture(file=file, identity=found[1], camera=int(found[2]) // 3)


def list_pictures(finder: FileFinder, _split: str) -> Listing:
    return list_named(PLACE, PLACE.require(finder), parse, EXAMPLE)


def inspect(finder: FileFinder, verify: bool) -> Findings:
    return [PLACE.inspect(finder, "all", verify)]


register(
    Dataset(
        name="cuhk01",
        description="CUHK01 (CUHK/p1), 971 people seen twice by each of two cameras",
        licence="on request; research use",
        class_names=(),
        input_shape=ANY_SIZE,
        splits=("all",),
        listing=list_pictures,
        inspector=inspect,
        counts={"all": 3884},
        address=ADDRESS,
        identities=IdentityProtocol(485, 0, 1),
    )
)
