"""A domain with the classes that were asked for: some of its own, or those of another domain."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import torch

from acclimate.data.domain import Domain
from acclimate.data.folders import check_any_left, check_class_names, left_out, wanted_classes


def with_classes(
    domain: Domain,
    class_names: tuple[str, ...] | None,
    only_classes: Collection[str] | None = None,
    labels_needed: bool = False,
) -> Domain:
    """The items of ``only_classes`` (``None``: all), with labels that count into ``class_names``.

    ``class_names`` ``None``: the domain's own, as far as they are left. Without labels every item
    stays. Raises ``DataError`` where a class is missing or unknown; ``labels_needed`` as in
    ``check_class_names``.
    """
    if domain.labels is None:
        return replace(domain, class_names=class_names or domain.class_names)
    if only_classes is not None:
        if class_names is None:
            names = wanted_classes(domain.name, domain.class_names, only_classes)
        else:
            names = [name for name in domain.class_names if name in only_classes]
            check_any_left(domain.name, names, only_classes)
        domain = _restricted(domain, names)
    return domain if class_names is None else _mapped(domain, class_names, labels_needed)


def _restricted(domain: Domain, names: list[str]) -> Domain:
    """The items of the classes ``names``, which are all that it then has."""
    assert domain.labels is not None
    number = [names.index(name) if name in names else -1 for name in domain.class_names]
    labels = torch.tensor(number)[domain.labels]
    counts = domain.labels.bincount(minlength=len(domain.class_names)).tolist()
    said = left_out(dict(zip(domain.class_names, counts, strict=True)), names)
    kept = (labels >= 0).nonzero().squeeze(1)
    return replace(
        replace(domain, labels=None).subset(kept),
        labels=labels[kept],
        class_names=tuple(names),
        skipped=domain.skipped,
        notes=(*domain.notes, *said),
    )


def _mapped(domain: Domain, class_names: tuple[str, ...], labels_needed: bool) -> Domain:
    """The same items with labels that count into ``class_names``."""
    if domain.class_names == class_names or domain.labels is None:
        return domain
    check_class_names(domain.name, domain.class_names, class_names, labels_needed)
    table = torch.tensor([class_names.index(name) for name in domain.class_names])
    return replace(domain, labels=table[domain.labels], class_names=class_names)
