"""Listed pictures of people as a domain: who is who, and whether anybody can be found again."""

from __future__ import annotations

from dataclasses import replace

import torch

from acclimate.core.errors import DataError
from acclimate.core.types import GALLERY, PROBE
from acclimate.data.domain import Domain
from acclimate.data.file_store import RESIDENT_LIMIT, open_listing
from acclimate.data.folders import Listing
from acclimate.data.images import Pictures, dimensions
from acclimate.data.picture_cache import PictureCache

LOOKED_AT = 64
"""Pictures whose shape is compared with the one that all get."""


def open_identities(
    listing: Listing,
    *,
    size: int,
    width: int | None,
    channels: int,
    resident_limit: int = RESIDENT_LIMIT,
    cache: PictureCache | None = None,
) -> Domain:
    """``open_listing`` for people: labels and groups are identities, ``class_names`` their names.

    An identity of which no picture can be read is left out with its pictures. A note says where
    most pictures have a shape far from the one that they get. Raises ``DataError`` where there is
    nobody to be found again: nobody was seen twice, by two cameras where these are known, or
    there are no probes or no gallery.
    """
    domain = open_listing(
        # a person more or less is no reason to refuse the others, as it is for a class
        replace(listing, labels=None, class_names=()),
        size=size,
        width=width,
        channels=channels,
        resident_limit=resident_limit,
        cache=cache,
    )
    domain = _with_identities(domain, listing)
    note = shape_note(listing.pictures, size, width or size)
    domain = replace(domain, notes=(*domain.notes, *([note] if note else [])))
    check_matches(domain)
    return domain


def _with_identities(domain: Domain, listing: Listing) -> Domain:
    if listing.labels is None:
        return domain
    label_of = dict(zip(listing.files, listing.labels, strict=True))
    assert domain.item_names is not None
    kept = torch.tensor([label_of[name] for name in domain.item_names], dtype=torch.int64)
    there = sorted(set(kept.tolist()))
    labels = torch.searchsorted(torch.tensor(there), kept)
    names = tuple(listing.class_names[label] for label in there)
    return replace(domain, labels=labels, groups=labels, class_names=names)


def check_matches(domain: Domain) -> None:
    """Raise ``DataError`` where identities are known and nobody can be found again."""
    if domain.roles is not None:
        _check_roles(domain)
    if domain.labels is None or bool(seen_twice(domain).any()):
        return
    if domain.cameras is None:
        raise DataError(
            f"{domain.name}: everybody is on a single picture, so that nobody can be found again; "
            "give two or more pictures of a person"
        )
    cameras = len(set(domain.cameras.tolist()))
    raise DataError(
        f"{domain.name}: everybody is seen by one camera only ({cameras} in all), so that nobody "
        "can be found again; give pictures of the same people from another camera, under the same "
        "identities, or take these as an unlabelled target"
    )


def seen_twice(domain: Domain) -> torch.Tensor:
    """(identities,) bool: seen by two cameras or more, or on two pictures if cameras are unknown."""
    assert domain.labels is not None
    seen = domain.labels
    if domain.cameras is not None:
        pairs = set(zip(domain.labels.tolist(), domain.cameras.tolist(), strict=True))
        seen = torch.tensor([label for label, _ in pairs], dtype=torch.int64)
    return seen.bincount(minlength=len(domain.class_names)) > 1


def _check_roles(domain: Domain) -> None:
    assert domain.roles is not None
    for role, what in ((PROBE, "probes (query)"), (GALLERY, "gallery")):
        if not bool((domain.roles & role).any()):
            raise DataError(
                f"{domain.name}: the test has no {what}; give some, or leave the split out"
            )


def shape_note(pictures: Pictures, size: int, width: int) -> str | None:
    """What to say where most pictures are far wider or narrower than ``width``/``size``."""
    count = len(pictures.names)
    found = []
    for index in range(0, count, max(1, count // LOOKED_AT)):
        try:
            across, down = dimensions(pictures.picture(index))
        # Pillow raises nearly anything; whoever decodes the picture names it
        except Exception:
            continue
        found.append((across * size / (down * width), across, down))
    far = [(across, down) for ratio, across, down in found if not 0.5 <= ratio <= 2]
    if 2 * len(far) <= len(found):
        return None
    across, down = far[0]
    return (
        f"most of its pictures are far from {width}×{size} in shape, for example {across}×{down}, "
        f"and are distorted; --size {size} --width {max(1, round(size * across / down))} keeps "
        "people as they are"
    )
