"""Whether a registered data set is at hand, whole, and what is in it."""

from __future__ import annotations

from pathlib import Path

from acclimate.core.errors import DataError
from acclimate.data import Dataset, datasets
from acclimate.data.domain import Domain
from acclimate.data.files import Finding


def check_dataset(name: str, root: Path | None = None) -> list[Finding]:
    """Files (place, size, checksum), then each split at hand (items, counts per class).

    Downloads nothing. Raises ``UnknownNameError`` for a name that is not registered.
    """
    dataset = datasets.get(name)
    findings = dataset.inspect(root)
    available = [split for split in dataset.splits if dataset.is_available(split, root)]
    return findings + [_check_split(dataset, split, root) for split in available]


def _check_split(dataset: Dataset, split: str, root: Path | None) -> Finding:
    what = f"{split} split"
    try:
        domain = dataset.load(root, split, download=False)
    except DataError as error:
        return Finding(what=what, split=split, status="damaged", where="", detail=str(error))
    return Finding(what=what, split=split, status="ok", where="", detail=_describe(domain))


def _describe(domain: Domain) -> str:
    assert domain.labels is not None
    counts = domain.labels.bincount(minlength=len(domain.class_names)).tolist()
    per_class = ", ".join(f"{n}: {c}" for n, c in zip(domain.class_names, counts, strict=True))
    return f"{len(domain)} items; {per_class}"
