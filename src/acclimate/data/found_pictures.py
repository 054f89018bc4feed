"""From pictures that say their class by name, in tables and shards, to a listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from acclimate.core.errors import DataError
from acclimate.data.folders import (
    Listing,
    check_any_left,
    check_class_names,
    left_out,
    natural_key,
    wanted_classes,
)
from acclimate.data.images import Pictures

if TYPE_CHECKING:
    from acclimate.data.domain import Labels


@dataclass(frozen=True, kw_only=True)
class FoundPictures:
    """Pictures with the name of each one's class, ``None`` where it has none.

    ``certain``: these must be classes, not just folders that pictures happen to lie in.
    ``what``: what the user gave, for messages. ``name``: the domain's. ``class_order``: names that
    stand in an order of their own; the others follow in natural order. ``how_to_label``: ends the
    message that labels are missing.
    """

    what: str
    name: str
    root: Path
    pictures: Pictures
    classes: tuple[str | None, ...]
    certain: bool = True
    skipped: tuple[str, ...] = ()
    class_order: tuple[str, ...] = field(default=(), repr=False)
    how_to_label: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that there are pictures of, in order."""
        present = {name for name in self.classes if name is not None}
        place = {name: number for number, name in enumerate(self.class_order)}
        last = len(place)
        return tuple(sorted(present, key=lambda name: (place.get(name, last), natural_key(name))))

    def listing(
        self,
        labels: Labels,
        class_names: tuple[str, ...] | None,
        only_classes: Collection[str] | None = None,
    ) -> Listing:
        """The pictures as asked for, see ``sources.open_domain``; ``DataError`` where they are not."""
        labelled = [index for index, name in enumerate(self.classes) if name is not None]
        complete = len(labelled) == len(self.classes)
        if labels == "ignored" or (labels == "if present" and not (complete and self.certain)):
            return self._plain(labels, len(labelled))
        if not labelled:
            raise DataError(f"{self.what}: its pictures have no classes; {self.how_to_label}")
        needed = labels == "required"
        names = self._names(class_names, needed, only_classes)
        number = {
            name: k for k, name in enumerate(names) if only_classes is None or name in only_classes
        }
        kept = [index for index in labelled if self.classes[index] in number]
        without = [f"{self.pictures.names[i]}: has no class" for i in self._unlabelled()]
        return Listing(
            self.root,
            tuple(self.pictures.names[index] for index in kept),
            tuple(number[str(self.classes[index])] for index in kept),
            names,
            (*self.skipped, *without),
            self.name,
            left_out(Counter(name for name in self.classes if name), only_classes),
            self.pictures.subset(kept),
        )

    def _names(
        self,
        known: tuple[str, ...] | None,
        needed: bool,
        only_classes: Collection[str] | None,
    ) -> tuple[str, ...]:
        if known is None:
            return tuple(wanted_classes(self.what, self.class_names, only_classes))
        found = [n for n in self.class_names if only_classes is None or n in only_classes]
        check_any_left(self.what, found, only_classes or known)
        check_class_names(self.what, found, known, needed)
        return known

    def _plain(self, labels: Labels, labelled: int) -> Listing:
        notes: tuple[str, ...] = ()
        if labelled and self.certain and labels != "ignored":
            count = len(self.classes)
            notes = (f"{labelled} of {count} pictures have a class: all are taken without",)
        names = self.pictures.names
        return Listing(self.root, names, None, (), self.skipped, self.name, notes, self.pictures)

    def _unlabelled(self) -> list[int]:
        return [index for index, name in enumerate(self.classes) if name is None]
