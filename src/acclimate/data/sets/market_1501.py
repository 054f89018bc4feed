"""Market-1501: 1,501 people seen by up to six cameras, detected boxes, 64×128.

Zheng, Shen, Tian, Wang, Wang and Tian, *Scalable Person Re-identification: A Benchmark*, ICCV
2015. Of the 19,732 pictures of the gallery 3,819 show nobody in particular (identity −1): they
count neither as right nor as wrong, and are left out. The 2,798 of identity 0000 are distractors.
"""

from __future__ import annotations

from acclimate.data.files import FileFinder
from acclimate.data.folders import Listing
from acclimate.data.identity_folders import MARKET_SPLITS, list_market
from acclimate.data.registry import ANY_SIZE, Dataset, Findings, IdentityProtocol, register
from acclimate.data.sets.people_layouts import COLLECTION
from acclimate.data.sets.photo_layouts import Place

ADDRESS = "https://zheng-lab.cecs.anu.edu.au/Project/project_reid.html"
PUBLISHED = {"bounding_box_train": 12936, "query": 3368, "bounding_box_test": 19732}
JUNK = 3819


def place(folder: str) -> Place:
    """``Market-1501-v15.09.15/query`` and so on."""
    return Place(
        steps=(
            COLLECTION,
            ("Market-1501-v15.09.15", "market1501"),
            (".", "Market-1501-v15.09.15"),
            (folder,),
        ),
        shown=f"Market-1501-v15.09.15/{folder}",
        archive="Market-1501-v15.09.15.zip",
        address=ADDRESS,
        example="0002_c1s1_000451_03.jpg",
    )


def list_pictures(finder: FileFinder, split: str) -> Listing:
    roots = [place(folder).require(finder).parent for folder in MARKET_SPLITS[split]]
    return list_market(roots[0], split)


def inspect(finder: FileFinder, verify: bool) -> Findings:
    return [
        place(folder).inspect(finder, split, verify)
        for split, folders in MARKET_SPLITS.items()
        for folder in folders
    ]


register(
    Dataset(
        name="market-1501",
        description="Market-1501, 1,501 people seen by six cameras",
        licence="unstated; research use",
        class_names=(),
        input_shape=ANY_SIZE,
        splits=("train", "test"),
        listing=list_pictures,
        inspector=inspect,
        counts={
            "train": PUBLISHED["bounding_box_train"],
            "test": PUBLISHED["query"] + PUBLISHED["bounding_box_test"] - JUNK,
        },
        address=ADDRESS,
        identities=IdentityProtocol(None, None, None),
    )
)
