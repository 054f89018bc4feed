"""What the registered sets of people share: finding their folders, and who is on which picture.

Photos of people are asked for at their publishers' and never fetched. Identities are in the
files' names; two cameras and the split are the publication's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from acclimate.core.errors import DataError
from acclimate.data.files import FileFinder, entry_called
from acclimate.data.folders import Listing, list_images
from acclimate.data.identity_names import PersonPicture, identity_number, listing_of
from acclimate.data.registry import Findings
from acclimate.data.sets.photo_layouts import Place

COLLECTION = (".", "reid")
"""Sets of people may lie in a folder of their own below a data folder."""


@dataclass(frozen=True, kw_only=True)
class CameraFolders:
    """A folder for each camera, identities by number: ``cam_a/0001_45.png``; the split is all of it.

    ``place``: the first camera's folder; the others lie beside it. ``identity(camera, number)``:
    what the person with that number there is called.
    """

    place: Place
    cameras: tuple[str, ...]
    identity: Callable[[int, str], str] = lambda _camera, number: number

    def list(self, finder: FileFinder, _split: str) -> Listing:
        root = self.place.require(finder).parent
        pictures: list[PersonPicture] = []
        skipped: list[str] = []
        for camera, called in enumerate(self.cameras):
            folder = entry_called(root, called)
            files, unsupported = list_images(root, folder.name) if folder else ([], [])
            if not files:
                raise DataError(f"{root / called} holds no pictures; {self.place.again}")
            skipped += unsupported
            for file in files:
                number = identity_number(PurePosixPath(file).stem)
                if number is None:
                    skipped.append(f"{file}: its name holds no number of a person")
                    continue
                person = self.identity(camera, number)
                pictures.append(PersonPicture(file=file, identity=person, camera=camera))
        return listing_of(root, pictures, skipped=skipped)

    def inspect(self, finder: FileFinder, verify: bool) -> Findings:
        return [self.place.inspect(finder, "all", verify)]


def list_named(
    place: Place, root: Path, parse: Callable[[str], PersonPicture | None], example: str
) -> Listing:
    """The pictures of ``root`` whose names ``parse`` understands; others are skipped and named.

    Raises ``DataError`` where there are none.
    """
    files, skipped = list_images(root)
    parsed = [(file, parse(file)) for file in files]
    pictures = [picture for _, picture in parsed if picture is not None]
    if not pictures:
        raise DataError(f"{root} holds no pictures called like {example}; {place.again}")
    skipped += [f"{file}: is not called like {example}" for file, picture in parsed if not picture]
    return listing_of(root, pictures, skipped=skipped)
