"""How pictures of people are cut into parts that share nobody, and who looks for whom in a test."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from acclimate.core.errors import DataError
from acclimate.core.seeding import generator
from acclimate.core.types import GALLERY, PROBE
from acclimate.data.domain import Domain
from acclimate.data.identity_domains import check_matches, seen_twice
from acclimate.data.registry import IdentityProtocol
from acclimate.data.splits import MINIMUM_TARGET_ITEMS, OracleLabels, SourceSplits, TargetSplits

EVALUATED = 0.2
"""Share of a target without any identities that is set aside."""
FEWEST = 4
"""Identities that can be found again: two to train on, two to tell apart in validation."""


def split_identities(
    domain: Domain, *, fraction: float = 0.2, maximum: int = 500, seed: int
) -> SourceSplits:
    """Set aside the pictures of a ``fraction`` of the identities, of ``maximum`` at most.

    Only identities that can be found again are set aside: seen by two cameras or more, on two
    pictures or more where cameras are unknown. All others stay in ``train``; those with a
    single picture make no pair and are never drawn, and a note counts them. No identity is in both parts,
    and the same ``seed`` gives the same ones. Raises ``DataError`` without identities, and for
    fewer than four that can be found again.
    """
    if domain.labels is None:
        raise DataError(f"{domain.name} has no identities; a source needs one for each picture")
    if not 0 < fraction < 1:
        raise DataError(f"fraction is {fraction}; it must lie between 0 and 1, both excluded")
    found = seen_twice(domain).nonzero().squeeze(1)
    if len(found) < FEWEST:
        raise DataError(
            f"{domain.name}: {len(found)} people are {_again(domain)}, too few to set some aside "
            f"for validation; give {FEWEST} or more"
        )
    count = min(max(round(fraction * len(found)), 2), maximum, len(found) - 2)
    draws = generator(seed, "split", "source identities")
    aside = found[torch.randperm(len(found), generator=draws)[:count]]
    chosen = torch.isin(domain.labels, aside)
    train = domain.subset(_where(~chosen))
    single = int((domain.labels.bincount(minlength=len(domain.class_names)) == 1).sum())
    if single:
        note = f"{single} people are on a single picture, of which there is no pair: not trained on"
        train = replace(train, notes=(note,))
    return SourceSplits(train, domain.subset(_where(chosen)))


def split_retrieval_target(
    domain: Domain,
    protocol: IdentityProtocol | None = None,
    *,
    test: Domain | None = None,
    seed: int,
) -> TargetSplits:
    """Parts of a target that share nobody: one to adapt to, one to evaluate on.

    ``test``: the target's own test split, which is evaluated on; all of ``domain`` is adapted to.
    Otherwise ``protocol`` says how many identities are adapted to, and by which camera the others
    are looked for where; without one they are half of the identities. Without any identities a
    fifth of the pictures is set aside, and nothing can be measured on it.

    ``adapt``, ``validation`` and ``evaluate`` have cameras and roles, but neither labels nor
    groups. ``validation`` is ``adapt`` again: what chooses a checkpoint without labels looks at
    the pictures that were adapted to. Raises ``DataError`` where there are too few pictures or
    identities, and where ``test`` shares an identity with ``domain``.
    """
    if len(domain) < MINIMUM_TARGET_ITEMS:
        raise DataError(
            f"{domain.name} has {len(domain)} pictures; a target needs at least "
            f"{MINIMUM_TARGET_ITEMS}, and hundreds to be of use"
        )
    if test is not None:
        _check_apart(domain, test)
        return _parts(domain, test, domain.skipped)
    if domain.labels is None:
        draws = generator(seed, "split", "target pictures")
        order = torch.randperm(len(domain), generator=draws)
        aside = max(round(EVALUATED * len(domain)), 1)
        adapt, evaluate = (domain.subset(p.sort().values) for p in (order[aside:], order[:aside]))
        return _parts(adapt, evaluate, domain.skipped)
    if protocol is None:
        chosen = torch.isin(domain.labels, _half(domain, seed))
        adapt, evaluate = domain.subset(_where(chosen)), domain.subset(_where(~chosen))
        return _parts(adapt, evaluate, domain.skipped)
    return _by_protocol(domain, protocol, seed)


def _half(domain: Domain, seed: int) -> Tensor:
    """Half of the identities, as many of those that can be found again as of the others."""
    again = seen_twice(domain)
    if int(again.sum()) < 2:
        raise DataError(
            f"{domain.name}: {int(again.sum())} people are {_again(domain)}, too few for a part to "
            "adapt to and one to evaluate on; give more, or take all as an unlabelled target"
        )
    draws = generator(seed, "split", "target identities")
    order = torch.randperm(len(again), generator=draws)
    kinds = (order[again[order]], order[~again[order]])
    return torch.cat([kind[: len(kind) // 2] for kind in kinds])


def _by_protocol(domain: Domain, protocol: IdentityProtocol, seed: int) -> TargetSplits:
    labels, cameras = domain.labels, domain.cameras
    if protocol.train_identities is None or labels is None or cameras is None:
        raise DataError(
            f"{domain.name}: its protocol has a test split of its own; evaluate on that"
        )
    probes, gallery = (
        torch.tensor([camera == wanted for camera in cameras.tolist()])
        for wanted in (protocol.probe_camera, protocol.gallery_camera)
    )
    in_both = _in(labels, probes, domain) & _in(labels, gallery, domain)
    training = _training(domain, protocol, in_both, seed)
    # whom both cameras saw is trained on or looked for, whom one saw is in the gallery or nowhere
    looked_for = ~training & (in_both if not protocol.published else torch.ones_like(in_both))
    in_training = training[labels]
    roles = PROBE * (probes & looked_for[labels]) + GALLERY * (gallery & ~in_training)
    evaluated = _where(roles > 0)
    evaluate = replace(domain.subset(evaluated), roles=roles[evaluated])
    check_matches(evaluate)
    adapt = domain.subset(_where(in_training))
    unused = len(domain) - len(adapt) - len(evaluate)
    note = f"{unused} pictures of people whom one camera alone has seen are not used"
    parts = _parts(adapt, evaluate, domain.skipped)
    return parts._replace(adapt=replace(parts.adapt, notes=(note,))) if unused else parts


def _training(domain: Domain, protocol: IdentityProtocol, in_both: Tensor, seed: int) -> Tensor:
    """(identities,) bool: adapted to."""
    assert protocol.train_identities is not None
    if protocol.published:
        # by the seed alone, so that seeds 0 … 19 are the 20 published draws
        tested = protocol.published[seed % len(protocol.published)]
        return torch.tensor([name not in tested for name in domain.class_names])
    found = _where(in_both)
    if len(found) <= protocol.train_identities:
        raise DataError(
            f"{domain.name}: {len(found)} people are seen by both cameras, and its protocol trains on "
            f"{protocol.train_identities} and tests on others; complete the data set, or give its "
            "folder instead of its name"
        )
    draws = generator(seed, "split", "target identities")
    training = torch.zeros(len(in_both), dtype=torch.bool)
    training[found[torch.randperm(len(found), generator=draws)[: protocol.train_identities]]] = True
    return training


def _in(labels: Tensor, there: Tensor, domain: Domain) -> Tensor:
    """(identities,) bool: with a picture among ``there``."""
    return labels[there].bincount(minlength=len(domain.class_names)) > 0


def _parts(adapt: Domain, evaluate: Domain, skipped: tuple[str, ...]) -> TargetSplits:
    oracle = None
    if adapt.labels is not None or evaluate.labels is not None:
        oracle = OracleLabels(adapt, adapt.labels, evaluate.labels)
    bare = [replace(part.unlabelled(), groups=None) for part in (adapt, evaluate)]
    return TargetSplits(replace(bare[0], skipped=skipped), bare[0], bare[1], oracle)


def _check_apart(domain: Domain, test: Domain) -> None:
    shared = sorted(_names(domain) & _names(test))
    if shared:
        raise DataError(
            f"{domain.name}: {len(shared)} people, for example {shared[0]!r}, are in its training "
            "part and in its test part; nobody may be in both"
        )


def _names(domain: Domain) -> set[str]:
    if domain.labels is None:
        return set()
    return {domain.class_names[label] for label in set(domain.labels.tolist())}


def _again(domain: Domain) -> str:
    return "on two pictures" if domain.cameras is None else "seen by two cameras"


def _where(chosen: Tensor) -> Tensor:
    return chosen.nonzero().squeeze(1)
