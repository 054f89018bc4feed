"""Whether a registered data set is at hand, whole, and what is in it."""

from __future__ import annotations

from pathlib import Path

from acclimate.core.errors import DataError
from acclimate.data import Dataset, datasets
from acclimate.data.domain import Domain
from acclimate.data.files import Finding

CHECK_SIZE = 32
MOST_SKIPPED = 5


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
    # pictures of any size are decoded to find the damaged ones, small because nobody looks at them
    size = None if dataset.listing is None else CHECK_SIZE
    try:
        domain = dataset.load(root, split, size=size, download=False)
    except DataError as error:
        return Finding(what=what, split=split, status="damaged", where="", detail=str(error))
    expected = dataset.counts.get(split, len(domain))
    return Finding(
        what=what,
        split=split,
        status="ok" if len(domain) == expected else "different",
        where="",
        detail=_describe(domain, dataset.counts.get(split)),
    )


def _describe(domain: Domain, expected: int | None) -> str:
    assert domain.labels is not None
    counts = domain.labels.bincount(minlength=len(domain.class_names)).tolist()
    per_class = ", ".join(f"{n}: {c}" for n, c in zip(domain.class_names, counts, strict=True))
    if domain.cameras is not None:  # hundreds of people, who are no classes
        seen = len(set(domain.cameras.tolist()))
        per_class = f"{len(domain.class_names)} people, {seen} cameras"
    published = "" if expected is None else f" of {expected} published"
    if expected == len(domain):
        published = ", as published"
    return f"{len(domain)} items{published}; {per_class}{_left_out(domain.skipped)}"


def _left_out(skipped: tuple[str, ...]) -> str:
    shown = "; ".join(skipped[:MOST_SKIPPED])
    more = f"; and {len(skipped) - MOST_SKIPPED} more" if len(skipped) > MOST_SKIPPED else ""
    return f"; left out: {shown}{more}" if skipped else ""
