"""Amazon product reviews of four kinds of goods: counts of words and pairs of words; praise or not.

Collected by Blitzer et al. (ACL 2007), counted by Chen et al. (ICML 2012), in the files that were
published with the code of the shallow network of Ganin et al. (JMLR 2016, section 5.1.3).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from acclimate.core.errors import DataError
from acclimate.data.files import FileFinder, RemoteFile
from acclimate.data.registry import Arrays, Dataset, register

ADDRESS = (
    "https://raw.githubusercontent.com/GRAAL-Research/domain_adversarial_neural_network/master/data"
)
FEATURES = 5000
CLASS_NAMES = ("negative", "positive")
# bytes and md5 of the files as published, which are not packed
PUBLISHED = {
    ("books", "train"): (1134070, "83789c2eee7b75ae04716547500f939a"),
    ("books", "test"): (2426071, "c935cc917e347cdfe4d10b4658901b08"),
    ("dvd", "train"): (1133356, "324c4f3d50a624cc6de38eb84ca203e3"),
    ("dvd", "test"): (2039832, "303f077777487e4e7c9af0abb9b016c3"),
    ("electronics", "train"): (872265, "e1f0ecf59f556969ce20271fb113a522"),
    ("electronics", "test"): (2461224, "8a55e9844afcbac73fa3dd7614a4175b"),
    ("kitchen", "train"): (771076, "352cacc8daa5ef7fa611f6cbcca65168"),
    ("kitchen", "test"): (2280620, "4b60270b3be2f27563179df4f0068fb1"),
}


def _remote(goods: str, split: str) -> RemoteFile:
    name = f"{goods}_{split}.svmlight"
    size, md5 = PUBLISHED[goods, split]
    return RemoteFile(
        filename=name,
        urls=(f"{ADDRESS}/{name}",),
        checksum=f"md5:{md5}",
        # whoever keeps them packed has packed them alone
        content_checksum=f"md5:{md5}",
        size=size,
        split=split,
        folders=("amazon_reviews",),
        other_names=(f"{name}.gz",),
    )


FILES = {key: _remote(*key) for key in PUBLISHED}


def read(goods: str, finder: FileFinder, split: str) -> Arrays:
    """CSR (N, 5000) float32 and (N,) int64; the files' labels are -1 and 1."""
    from acclimate.data.svmlight import read_svmlight

    path = finder.obtain(FILES[goods, split])
    rows, labels = read_svmlight(path)
    _check(path, rows.shape[1], labels)
    rows.resize(rows.shape[0], FEATURES)
    return Arrays(rows, (labels > 0).astype(np.int64))


def _check(path: Path, width: int, labels: np.ndarray) -> None:
    """Raise ``DataError`` for features or labels that the published files have not."""
    if width > FEATURES:
        raise DataError(
            f"{path} has features up to {width - 1}, the published files up to {FEATURES - 1}; "
            "fetch it again"
        )
    wrong = np.flatnonzero(np.abs(labels) != 1)
    if len(wrong):
        raise DataError(
            f"{path}: label {labels[wrong[0]]:g} of row {wrong[0]} is out of range, labels are -1 "
            "and 1; fetch the file again"
        )


for _goods in ("books", "dvd", "electronics", "kitchen"):
    register(
        Dataset(
            name=f"amazon-{_goods}",
            description=f"product reviews, {_goods}, counts of 5,000 words and pairs of words",
            licence="unstated; research use",
            class_names=CLASS_NAMES,
            input_shape=(FEATURES,),
            splits=("train", "test"),
            read=partial(read, _goods),
            remote_files=(FILES[_goods, "train"], FILES[_goods, "test"]),
        )
    )
