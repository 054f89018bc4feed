"""A model that tells identities apart, measured on people whose identities are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from acclimate.core.errors import AcclimateError, DataError, UnknownNameError, near_miss
from acclimate.core.records import RECORD_NAME, RetrievalMetrics, read_record
from acclimate.data.domain import Domain
from acclimate.data.download import Progress
from acclimate.data.identity_splits import split_identities, split_retrieval_target
from acclimate.data.people import (
    ALL,
    TEST,
    TRAIN,
    has_people_test,
    open_people,
    people_protocol,
)
from acclimate.data.picture_tables import PictureTable
from acclimate.data.registry import Dataset
from acclimate.data.specs import resolve
from acclimate.retrieval.metrics import cross_camera_metrics
from acclimate.serve.people import notes_for_models
from acclimate.training.inference import LoadedModel
from acclimate.training.settings import FitSettings

SPLITS = (TEST, TRAIN, ALL)

_Open = Callable[..., Domain]


def open_people_for(
    model: LoadedModel,
    run: Path | None,
    spec: str | Path,
    split: str = TEST,
    *,
    progress: Progress | None = None,
) -> Domain:
    """Labelled people in the model's own size: those of ``split``, with cameras and roles.

    *test*: of what comes with probes and a gallery those. Of the target of ``run`` those that it was
    not adapted to, of its source those that it held out, by its own ``split_seed``; of another
    registered set what its protocol tests on; of other pictures all. *train*: the others. *all*:
    everybody. A note says where people of the training are among them.

    Raises ``UnknownNameError`` for a split that there is not, and what ``open_people`` does.
    """
    model.check_has_descriptors("use 'open_for'")
    channels, height, width = model.stored_shape
    opened: _Open = partial(
        open_people,
        spec,
        size=(height, width),
        channels=channels,
        labels="required",
        progress=progress,
    )
    if split not in SPLITS:
        raise UnknownNameError(f"there is no split {split!r}.{near_miss(split, SPLITS)}")
    if has_people_test(spec):
        domain = opened(split=split)
        return replace(domain, notes=tuple(notes_for_models(domain)))
    whole = opened()
    part = _everybody(whole, run, spec) if split == ALL else _part(whole, run, spec, split)
    return replace(
        part.domain,
        skipped=whole.skipped,
        notes=(*notes_for_models(whole), *part.notes),
        class_names=whole.class_names,
    )


def evaluate_people(
    model: LoadedModel,
    domain: Domain,
    batch_size: int = 512,
    device: torch.device | str = "cpu",
) -> RetrievalMetrics:
    """CMC and mean average precision of ``model`` on a labelled ``domain``; see ``cross_camera_metrics``.

    Raises ``DataError`` where identities are missing or nobody has a match.
    """
    model.check_has_descriptors("use 'evaluate_model'")
    if domain.labels is None:
        raise DataError(
            f"{domain.name} does not say who is on its pictures; nothing can be measured"
        )
    found = model.descriptors(domain, batch_size, device)
    return cross_camera_metrics(found, domain.labels, domain.cameras, roles=domain.roles)


class _Part(NamedTuple):
    domain: Domain
    notes: tuple[str, ...] = ()


class _Known(NamedTuple):
    """What a run says of ``spec``; ``settings`` are ``None`` where there is no record of it."""

    settings: FitSettings | None
    is_target: bool
    is_source: bool


def _known(run: Path | None, spec: str | Path) -> _Known:
    if run is None or not (run / RECORD_NAME).exists():
        return _Known(None, False, False)
    settings = FitSettings.build("settings", read_record(run).settings)
    is_source = any(_same(spec, source) for source in settings.sources)
    return _Known(settings, _same(spec, settings.target), is_source)


def _same(spec: str | Path, other: str) -> bool:
    try:
        first, second = _place(spec), _place(other)
    except AcclimateError:  # a folder that the run was trained on and that has gone since
        return False
    return first == second


def _place(spec: str | Path) -> str | Path:
    found = resolve(spec)
    if isinstance(found, Dataset):
        return found.name
    if isinstance(found, PictureTable):
        return found.path.resolve()
    return found.resolve() if isinstance(found, Path) else str(found)


def _everybody(whole: Domain, run: Path | None, spec: str | Path) -> _Part:
    known = _known(run, spec)
    if known.settings is None:
        return _Part(whole, (_unknown(run),))
    if known.is_target:
        return _Part(
            whole, ("these include people that the run adapted to; --split test does not",)
        )
    if known.is_source:
        return _Part(
            whole, ("these include people that the run learnt from; --split test does not",)
        )
    return _Part(whole)


def _part(whole: Domain, run: Path | None, spec: str | Path, split: str) -> _Part:
    known = _known(run, spec)
    seed = 0 if known.settings is None else known.settings.split_seed
    protocol = people_protocol(spec)
    if known.is_target and known.settings is not None and known.settings.unlabelled_target:
        # cut by pictures and not by people
        return _Part(
            whole, ("all people: the run adapted to pictures of them, without identities",)
        )
    if known.is_source and not known.is_target:
        ours = split_identities(whole, seed=seed)
        held_out = _Part(ours.validation, ("the people that the run held out of its source",))
        return (
            held_out if split == TEST else _Part(ours.train, ("the run learnt from these people",))
        )
    if known.is_target or protocol is not None:
        theirs = split_retrieval_target(whole, protocol, seed=seed)
        assert theirs.oracle is not None
        if split == TEST:
            notes = (_unknown(run),) if known.settings is None else ()
            return _Part(replace(theirs.evaluate, labels=theirs.oracle.evaluate), notes)
        notes = ("the run adapted to these people",) if known.is_target else ()
        return _Part(theirs.oracle.training_domain(), notes)
    if split == TRAIN:
        raise UnknownNameError(
            f"{spec} has no split 'train', since the run was not trained on it; leave --split out"
        )
    return _Part(whole, (_unknown(run),) if known.settings is None else ())


def _unknown(run: Path | None) -> str:
    where = "" if run is None else f" ({run} has no {RECORD_NAME})"
    return f"whom the model was trained on is not known{where}; such people may be among these"
