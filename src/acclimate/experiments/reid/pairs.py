"""The eight pairs of the paper's re-identification experiments, and what is published of them."""

from __future__ import annotations

from dataclasses import dataclass

TITLES = {"viper": "VIPeR", "prid2011": "PRID 2011", "cuhk01": "CUHK/p1", "cuhk03": "CUHK03"}
"""Registered data set → how it is called in headings."""

#: of each target, by its registered protocol
PROTOCOLS = {
    "viper": (
        "316 of the 632 people are adapted to; the other 316, as camera A saw them, are looked for "
        "among these 316 as camera B saw them"
    ),
    "prid2011": (
        "100 of the 200 people whom both cameras saw are adapted to; the other 100, as camera A saw "
        "them, are looked for among the 649 others whom camera B saw"
    ),
    "cuhk01": (
        "485 of the 971 people are adapted to; every picture of the other 486 by the first camera is "
        "looked for among all of them by the second. The paper compares people by the mean over "
        "their pictures instead (16 combinations)"
    ),
}

#: rank 1 in percent of Yi et al., "Deep metric learning for practical person re-identification", 2014,
#: trained on the target itself
TRAINED_ON_TARGET = {"viper": 34.4, "prid2011": 17.9}
#: rank 1 in percent of people who were asked to do it: Liu et al., ICCV 2013, as the paper quotes it
HUMAN = 71.08


@dataclass(frozen=True)
class Pair:
    """``paper_steps``: how long the paper trains this pair. ``note``: what differs from it."""

    name: str
    source: str
    target: str
    paper_steps: int = 20_000
    note: str = ""

    @property
    def title(self) -> str:
        return f"{TITLES[self.source]} → {TITLES[self.target]}"


# The paper has "whole CUHK" as a source, of which CUHK/p1 (CUHK01) is the part of one pair of cameras. Which
# release that is cannot be told from what we have of it; five pairs of cameras with CUHK01 among them
# would be CUHK02 (Li and Wang, CVPR 2013). CUHK03, of five pairs of cameras too, stands in.
_WHOLE = "The paper has the whole of CUHK here, CUHK/p1 and more; CUHK03 stands in for it."

PAIRS = {
    pair.name: pair
    for pair in (
        Pair("viper-prid", "viper", "prid2011"),
        Pair("prid-viper", "prid2011", "viper", 50_000),
        Pair("cuhk01-viper", "cuhk01", "viper", 50_000),
        Pair("cuhk01-prid", "cuhk01", "prid2011"),
        Pair("viper-cuhk01", "viper", "cuhk01", 50_000),
        Pair("prid-cuhk01", "prid2011", "cuhk01"),
        Pair("cuhk03-viper", "cuhk03", "viper", note=_WHOLE),
        Pair("cuhk03-prid", "cuhk03", "prid2011", note=_WHOLE),
    )
}
