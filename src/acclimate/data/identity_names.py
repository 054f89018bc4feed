"""Who is on a picture and which camera took it, as file names say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from acclimate.core.errors import DataError
from acclimate.data.folders import Listing, natural_key

MARKET_EXAMPLE = "0002_c1s1_000451_03.jpg"
WAYS = (
    f"name them like 0002_c1_1.jpg (person 2, camera 1) or {MARKET_EXAMPLE}, put them into a folder "
    "for each camera like cam_a/0002.jpg, or list them in a CSV file with path,identity,camera"
)
"""How pictures say whose they are, for messages."""

_MARKET = re.compile(r"(-?[0-9]+)_c([0-9]+)", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:[^\W\d_]+[ _-]?)?([0-9]+)(?:[ _.-].*)?", re.DOTALL)
# not "campus", which holds the pictures of one of the registered sets
_CAMERA = re.compile(r"cam(?:era)?(?:[0-9]+|[a-z]|[ _.-]+.+)", re.IGNORECASE | re.DOTALL)
_JUNK = re.compile(r"-[0-9]+")


@dataclass(frozen=True, kw_only=True)
class PersonPicture:
    """``file``: its name; ``identity`` as it is written, ``camera``: a name or a number, where known.

    ``role``: of a test picture, as in ``Domain.roles``.
    """

    file: str
    identity: str | None = None
    camera: str | int | None = None
    role: int | None = None


def parse_market(file: str) -> PersonPicture | None:
    """``0002_c1s1_000451_03.jpg`` or ``0002_c1_5.png``, in any folder; ``None`` for other names.

    >>> parse_market("query/0002_c1s1_000451_03.jpg")
    PersonPicture(file='query/0002_c1s1_000451_03.jpg', identity='0002', camera=1, role=None)
    """
    found = _MARKET.match(PurePosixPath(file).name)
    if found is None:
        return None
    return PersonPicture(file=file, identity=found[1], camera=int(found[2]))


def parse_camera_folder(file: str) -> PersonPicture | None:
    """``cam_a/0001_45.png``, ``cam_a/person_0001.png`` or ``cam_a/0001/5.png``; ``None`` for others.

    >>> parse_camera_folder("cam_b/person_0012.png")
    PersonPicture(file='cam_b/person_0012.png', identity='0012', camera='cam_b', role=None)
    """
    camera, slash, rest = file.partition("/")
    name = rest.partition("/")[0]
    number = identity_number(name if "/" in rest else PurePosixPath(name).stem)
    if not (slash and is_camera_folder(camera)) or number is None:
        return None
    return PersonPicture(file=file, identity=number, camera=camera)


def identity_number(stem: str) -> str | None:
    """The number that ``0001``, ``0001_45`` or ``person_0001`` begins with, a word aside."""
    found = _NUMBERED.fullmatch(stem)
    return found[1] if found else None


def is_camera_folder(name: str) -> bool:
    """Whether a folder is called ``cam_a``, ``camera 2``, ``cam1`` and so on."""
    return _CAMERA.fullmatch(name) is not None


def parse_people(root: Path, files: Sequence[str]) -> list[PersonPicture] | None:
    """Whose pictures the ``files`` below ``root`` are; ``None`` where no name says it.

    Raises ``DataError`` where some do and some do not.
    """
    in_cameras = any(is_camera_folder(file.partition("/")[0]) for file in files if "/" in file)
    parse = parse_camera_folder if in_cameras else parse_market
    parsed = [parse(file) for file in files]
    people = [picture for picture in parsed if picture is not None]
    if len(people) == len(files):
        return people
    if not people and not in_cameras:
        return None
    other = files[parsed.index(None)]
    like = "cam_a/0002.jpg or cam_a/person_0002.jpg" if in_cameras else MARKET_EXAMPLE
    raise DataError(
        f"{root / other}: its name does not say whose picture it is, as {len(people)} of "
        f"{len(files)} there do; name it like {like}, or remove it"
    )


def listing_of(
    root: Path,
    pictures: Iterable[PersonPicture],
    *,
    skipped: Iterable[str] = (),
    name: str = "",
    cameras: Sequence[str | int] | None = None,
) -> Listing:
    """A listing of ``pictures`` in their order; identities are numbered in natural order.

    Cameras are numbered as they are, if by number, else by their place among ``cameras`` (those
    of ``pictures`` in natural order if not given). Pictures of a negative identity show nobody
    whole: they are left out, with a note.
    """
    every = list(pictures)
    kept = [p for p in every if not (p.identity and _JUNK.fullmatch(p.identity))]
    if not kept:
        raise DataError(f"{root} holds no pictures of people; {WAYS}")
    names = sorted({p.identity for p in kept if p.identity is not None}, key=_spelling)
    number = {identity: k for k, identity in enumerate(names)}
    junk = len(every) - len(kept)
    roles = [p.role for p in kept if p.role is not None]
    notes = (f"{junk} pictures of nobody in particular (identity -1) are left out",)
    return Listing(
        root,
        tuple(p.file for p in kept),
        tuple(number[p.identity] for p in kept if p.identity is not None) if names else None,
        tuple(names),
        tuple(skipped),
        name,
        notes if junk else (),
        cameras=_camera_numbers(kept, cameras),
        roles=tuple(roles) if len(roles) == len(kept) else None,
    )


def _camera_numbers(
    pictures: Sequence[PersonPicture], cameras: Sequence[str | int] | None
) -> tuple[int, ...] | None:
    found = [p.camera for p in pictures if p.camera is not None]
    numbers = [camera for camera in found if isinstance(camera, int)]
    if len(found) < len(pictures) or len(numbers) == len(pictures):
        return tuple(numbers) if len(numbers) == len(pictures) else None
    known = sorted({str(camera) for camera in cameras or found}, key=_spelling)
    place = {camera: k for k, camera in enumerate(known)}
    return tuple(place[str(camera)] for camera in found)


def _spelling(text: str) -> tuple[object, str]:
    return natural_key(text), text
