"""How domains are cut into parts, and the only place where target labels are handed out."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import DataError
from acclimate.core.seeding import generator
from acclimate.data.domain import Domain
from acclimate.data.labelled_items import LabelledItems

MINIMUM_TARGET_ITEMS = 10


class SourceSplits(NamedTuple):
    """Disjoint labelled parts of the source."""

    train: Domain
    validation: Domain


class OracleLabels:
    """The target's labels, apart from the target's items.

    Training, selection and the verdict never see this object. Whatever is computed from it is
    called *oracle*: in its name, its column and its file.
    """

    __slots__ = ("_adapt", "_evaluate", "_validation")

    def __init__(self, adapt: Domain, validation: Tensor | None, evaluate: Tensor | None) -> None:
        self._adapt = adapt
        self._validation = validation
        self._evaluate = evaluate

    @property
    def evaluate(self) -> Tensor | None:
        """(N,) int64, in the order of the evaluate part; ``None`` where that part has none."""
        return self._evaluate

    @property
    def validation(self) -> Tensor:
        """(N,) int64, in the order of the validation part, for train-on-target rows only."""
        if self._validation is None:
            raise DataError(self._missing())
        return self._validation

    def training_domain(self) -> Domain:
        """The adapt part with its labels, for train-on-target rows only."""
        if self._adapt.labels is None:
            raise DataError(self._missing())
        return self._adapt

    def _missing(self) -> str:
        return f"{self._adapt.name} has no labels for training on the target; give labelled items"

    def __repr__(self) -> str:
        return f"OracleLabels(of {self._adapt.name!r}, not shown)"


class TargetSplits(NamedTuple):
    """Disjoint parts of the target, all without labels; ``oracle`` holds them where there are any.

    ``adapt`` is trained on; ``validation`` serves the label-free choice of a checkpoint;
    ``evaluate`` serves the estimate, the verdict and, with ``oracle``, the measured accuracy.
    ``labelled``: the few items of ``adapt`` whose labels were given for training, if any were.
    """

    adapt: Domain
    validation: Domain
    evaluate: Domain
    oracle: OracleLabels | None
    labelled: Domain | None = None


def split_source(
    domain: Domain, *, fraction: float = 0.1, maximum: int = 2000, seed: int
) -> SourceSplits:
    """Set aside ``fraction`` of the items, at most about ``maximum``, class by class.

    Every class is in both parts; one with a single item is in ``train`` only, and so is one of
    several places that has no other item. A domain's groups stay whole, each dealt with the class
    of its first item. The same ``seed`` gives the same
    parts. Raises ``DataError`` when the domain has no labels or nothing is left.
    """
    if domain.labels is None:
        raise DataError(f"{domain.name} has no labels; a source needs one for each item")
    _check_fraction("fraction", fraction)
    share = min(fraction, maximum / max(len(domain), 1))
    order, groups = _shuffled(domain, generator(seed, "split", "source"))
    # a group of several classes goes where its first item goes
    labels = domain.labels[order][_starts(groups)]
    validation: list[Tensor] = []
    for label in range(len(domain.class_names)):
        here = labels == label
        wanted = max(round(int(here.sum()) * share), 1)
        validation.append(order[here][: _cut(groups[here], wanted)])
    chosen = torch.cat(validation) if validation else order[:0]
    if domain.places is not None:
        left = set(domain.places[_complement(len(domain), chosen)].tolist())
        kept = [int(place) in left for place in domain.places[chosen]]
        chosen = chosen[torch.tensor(kept, dtype=torch.bool)]
    if len(chosen) == 0:
        what = "items" if domain.groups is None else "items in groups that must stay whole"
        raise DataError(
            f"{domain.name}: {len(domain)} {what} are too few to set some aside for validation; "
            "give at least two of a class"
        )
    # ascending, so that neither part's order tells anything about the other
    return SourceSplits(
        domain.subset(_complement(len(domain), chosen)), domain.subset(chosen.sort().values)
    )


def _shuffled(domain: Domain, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Item indices (N,) in random order, groups in one piece, and each one's group (N,)."""
    groups = torch.arange(len(domain))
    if domain.groups is not None:
        groups = torch.from_numpy(np.unique(domain.groups.cpu().numpy(), return_inverse=True)[1])
    count = int(groups.max()) + 1 if len(groups) else 0
    place = torch.randperm(count, generator=draws).argsort()
    order = place[groups].argsort(stable=True)
    return order, groups[order]


def _starts(groups: Tensor) -> Tensor:
    """For each position the first position of its group, where groups lie in one piece."""
    positions = torch.arange(len(groups))
    positions[1:][groups.diff() == 0] = 0
    return positions.cummax(0).values


def _cut(groups: Tensor, wanted: int) -> int:
    """The border between two groups that is nearest to ``wanted``; 0 where there is none."""
    borders = groups.diff().nonzero().squeeze(1) + 1
    if len(borders) == 0:
        return 0
    return int(borders[(borders - wanted).abs().argmin()])


def split_target(
    domain: Domain,
    *,
    test: Domain | None = None,
    seed: int,
    validation_fraction: float = 0.1,
    evaluate_fraction: float = 0.2,
    maximum_validation: int = 2000,
    labelled: int | LabelledItems | None = None,
) -> TargetSplits:
    """Cut the target at random, without a look at its labels; its groups stay whole.

    ``test``, the data set's own test split, becomes ``evaluate`` where it is given; otherwise
    ``evaluate_fraction`` of the items does. ``labelled``: so many items of each class, drawn from
    ``adapt`` with the target's own labels, or items of ``domain`` with given ones, which go to
    ``adapt`` together with their groups. Raises ``DataError`` for fewer than 10 items, and where
    those labels cannot be had.
    """
    _check_fraction("validation_fraction", validation_fraction)
    _check_fraction("evaluate_fraction", evaluate_fraction)
    _check_target(domain, test)
    count = len(domain)
    order, groups = _shuffled(domain, generator(seed, "split", "target"))
    evaluate_count = 0 if test is not None else max(round(count * evaluate_fraction), 1)
    validation_count = max(min(round(count * validation_fraction), maximum_validation), 1)
    if evaluate_count + validation_count >= count:
        raise DataError(
            f"{domain.name}: setting aside {evaluate_count} + {validation_count} of {count} items "
            "leaves none to adapt to; lower the fractions"
        )
    first = _cut(groups, evaluate_count) if evaluate_count else 0
    second = first + _cut(groups[first:], evaluate_count + validation_count - first)
    if second == first or (first == 0 and test is None):
        raise DataError(
            f"{domain.name}: its {int(groups.max()) + 1} groups of near-duplicates must stay whole "
            "and are too few for three parts; give more groups"
        )
    if isinstance(labelled, LabelledItems):
        order, first, second = _adapted_last(domain, order, groups, (first, second), labelled)
        if second == first or (first == 0 and test is None):
            raise DataError(
                f"{domain.name}: with {len(labelled.indices)} labelled items to train on, none are "
                "left to choose a checkpoint or to evaluate on; label fewer"
            )
    evaluate, validation, adapt = (
        part.sort().values for part in order.tensor_split([first, second])
    )
    adapted = domain.subset(adapt)
    parts = _without_labels(
        adapted,
        domain.subset(validation),
        domain.subset(evaluate) if test is None else test,
        domain.skipped,
    )
    return parts._replace(labelled=_labelled(domain, adapted, labelled, seed))


def whole_target(domain: Domain) -> TargetSplits:
    """All three parts are all of ``domain``: the fully transductive protocol of the literature on photos.

    A model is measured on the very items that it was adapted to, without their labels. Raises
    ``DataError`` for fewer than 10 items.
    """
    _check_target(domain, None)
    return _without_labels(domain, domain, domain, domain.skipped)


def _adapted_last(
    domain: Domain, order: Tensor, groups: Tensor, cuts: tuple[int, int], labelled: LabelledItems
) -> tuple[Tensor, int, int]:
    """``order`` and the cuts once labelled items, with their groups, lie in its last part."""
    given = torch.isin(order, labelled.indices)
    moved = torch.isin(groups, groups[given])
    moved[cuts[1] :] = False
    first, second = (cut - int(moved[:cut].sum()) for cut in cuts)
    return torch.cat([order[~moved], order[moved]]), first, second


def _labelled(
    domain: Domain, adapted: Domain, labelled: int | LabelledItems | None, seed: int
) -> Domain | None:
    """The labelled items, in the domain's order."""
    if labelled is None:
        return None
    if isinstance(labelled, LabelledItems):
        chosen = replace(domain.subset(labelled.indices), labels=labelled.labels)
    else:
        chosen = adapted.subset(_drawn(adapted, labelled, seed))
    return replace(chosen, groups=None)


def _drawn(adapted: Domain, count: int, seed: int) -> Tensor:
    """Indices of ``count`` items of each class."""
    if adapted.labels is None:
        raise DataError(
            f"{adapted.name} has no labels to draw {count} of each class from; give a file that "
            "names some items and their classes"
        )
    there = torch.bincount(adapted.labels, minlength=len(adapted.class_names))
    fewest = int(there.min())
    if fewest < count:
        way_out = f"ask for {fewest} or fewer" if fewest else "give a file of items instead"
        raise DataError(
            f"{adapted.name}: class {adapted.class_names[int(there.argmin())]!r} has {fewest} items "
            f"to adapt to, fewer than the {count} labelled ones asked for; {way_out}"
        )
    order = torch.randperm(len(adapted), generator=generator(seed, "split", "labelled target"))
    labels = adapted.labels[order]
    chosen = [order[labels == label][:count] for label in range(len(there))]
    return torch.cat(chosen).sort().values


def _without_labels(
    adapt: Domain, validation: Domain, evaluate: Domain, skipped: tuple[str, ...]
) -> TargetSplits:
    oracle = None
    if adapt.labels is not None or evaluate.labels is not None:
        oracle = OracleLabels(adapt, validation.labels, evaluate.labels)
    # which items belong together tells of their labels, and has served its purpose
    bare = [replace(part.unlabelled(), groups=None) for part in (adapt, validation, evaluate)]
    return TargetSplits(replace(bare[0], skipped=skipped), bare[1], bare[2], oracle)


def _check_target(domain: Domain, test: Domain | None) -> None:
    if len(domain) < MINIMUM_TARGET_ITEMS:
        raise DataError(
            f"{domain.name} has {len(domain)} items; a target needs at least "
            f"{MINIMUM_TARGET_ITEMS}, and hundreds to be of use"
        )
    if test is not None and len(test) == 0:
        raise DataError(f"{test.name}: the test split is empty; leave it out")


def _check_fraction(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise DataError(f"{name} is {value}; it must lie between 0 and 1, both excluded")


def _complement(count: int, chosen: Tensor) -> Tensor:
    keep = torch.ones(count, dtype=torch.bool)
    keep[chosen] = False
    return keep.nonzero().squeeze(1)
