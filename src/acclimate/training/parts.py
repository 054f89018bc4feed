"""What a run is built of, from its settings: algorithm, step, batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from acclimate.algorithms import Algorithm, algorithms, combination, names_for
from acclimate.core.errors import ConfigurationError
from acclimate.core.seeding import derive_seed
from acclimate.core.types import Blend, Spec
from acclimate.data.augmentation import Augmentation, augmentation_pair
from acclimate.data.batches import BatchSource, make_batches
from acclimate.data.domain import Domain
from acclimate.data.loader import BatchLoader
from acclimate.layers.batch_norm_statistics import re_estimate_batch_norm
from acclimate.models import Network, build_network
from acclimate.models.files import ModelDescription, read_model
from acclimate.objectives import Objective, Retrieval, make_objective
from acclimate.training.settings import FitSettings
from acclimate.training.step import Step
from acclimate.training.task import Task

#: pictures of each domain whose statistics a network starts with, where it lacks its own
FIRST_LOOKS = 128


def make_algorithm(settings: FitSettings) -> Algorithm:
    """The configured algorithm; errors name the unknown name or option and the near miss."""
    made = combination.make(settings.algorithm, settings.algorithm_options)
    if len(makers_of_last_layers(made)) > 1:
        raise ConfigurationError(
            f"algorithm {settings.algorithm}: two of its parts make the last layer; leave one out"
        )
    _check_objective(settings, made)
    return made


def _check_objective(settings: FitSettings, algorithm: Algorithm) -> None:
    """Raise ``ConfigurationError`` where an algorithm is for another kind of labels."""
    for part in algorithm.members:
        name = next(
            name
            for name, kind in algorithms.items()
            if isinstance(part, kind) and type(part) is kind
        )
        if settings.objective in part.objectives:
            continue
        if settings.objective == "classification":
            raise ConfigurationError(
                f"algorithm {name} tells identities apart: give --objective retrieval, or an "
                "algorithm for classes"
            )
        raise ConfigurationError(
            f"algorithm {name} looks at class logits, and --objective {settings.objective} has none; "
            f"choose of {', '.join(names_for(settings.objective))}"
        )


def objective_of(settings: FitSettings) -> Objective:
    """What labels mean in this run; errors name the unknown name or option and the near miss."""
    return make_objective(settings.objective, settings.objective_options)


def makers_of_last_layers(algorithm: Algorithm) -> list[Algorithm]:
    """Those of the algorithm's parts that put a last layer of their own on the trained network."""
    return [part for part in algorithm.members if type(part).last_layer is not Algorithm.last_layer]


def draws_target(algorithm: Algorithm) -> bool:
    """Whether training looks at batches of the target."""
    return any(part.uses_target and not part.target_after_training for part in algorithm.members)


def make_step(settings: FitSettings, task: Task, *, restored: bool = False) -> Step:
    """Network and algorithm with the weights that ``settings.seed`` gives them.

    With ``start_from`` the network's are those of that model. It is not looked for where the step
    is to be ``restored`` from a checkpoint, so a run can be continued without it.
    """
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(settings.seed, "network"))
        network = build_network(
            settings.network, settings.network_options, task.spec, bare=restored
        )
        if settings.start_from is not None and not restored:
            _start_from(network, Path(settings.start_from), task)
        if network.wants_statistics and not restored:
            re_estimate_batch_norm(network, _looked_at_first(task))
        torch.manual_seed(derive_seed(settings.seed, "modules"))
        return Step(
            network,
            make_algorithm(settings),
            settings.averaging,
            joint_losses=settings.joint_losses,
            sync_batch_norm=settings.sync_batch_norm,
            objective=objective_of(settings),
        )


def _looked_at_first(task: Task) -> Iterator[Tensor]:
    """Some pictures of both domains, as the network sees them, for the statistics it starts with."""
    for domain in (task.source.train, task.target.adapt):
        spread = torch.linspace(0, len(domain) - 1, min(len(domain), FIRST_LOOKS)).round().long()
        for indices in torch.split(spread, 32):
            yield task.preprocessing(domain.store.gather(indices))


def make_loader(
    settings: FitSettings, labelled: Domain, task: Task, algorithm: Algorithm, fabric: Fabric
) -> BatchLoader:
    """Batches of the labelled items and of the target for every step, on the device."""
    augmentation, weak = augmentation_pair(settings.augmentation)
    common: dict[str, Any] = {
        "seed": settings.seed,
        "device": fabric.device,
        "rank": fabric.global_rank,
        "ranks": fabric.world_size,
        "workers": settings.workers,
    }
    size = settings.batch_size
    objective = objective_of(settings)
    together = objective.images_per_identity if isinstance(objective, Retrieval) else None
    source = make_batches(labelled, size, purpose="source", images_per_identity=together, **common)
    target = None
    if draws_target(algorithm):
        target = make_batches(task.target.adapt, size, purpose="target", **common)
    return BatchLoader(
        source,
        target,
        task.preprocessing,
        augmentation,
        weak if algorithm.uses_teacher else None,
        settings.seed,
        fabric.device,
        fabric.global_rank,
        _labelled_target(task.target.labelled, size, common),
        _blend(algorithm, augmentation),
    )


def _blend(algorithm: Algorithm, augmentation: Augmentation) -> Blend:
    """The algorithm's, without differences where the colours of a picture mean something."""
    blend = algorithm.source_blend
    return blend if augmentation.invert else blend._replace(difference=0.0)


def _labelled_target(few: Domain | None, size: int, common: dict[str, Any]) -> BatchSource | None:
    """Batches of the labelled target items: as large as the others, or all of them if they are fewer."""
    if few is None:
        return None
    ranks = common["ranks"]
    if len(few) < ranks:
        raise ConfigurationError(
            f"{few.name}: {len(few)} labelled items cannot be shared by {ranks} processes; "
            "give more, or fewer --devices"
        )
    fitting = min(size, len(few)) // ranks * ranks
    return make_batches(few, fitting, purpose="labelled target", **common)


def _start_from(network: Network, folder: Path, task: Task) -> None:
    """Give ``network`` the weights of the model in ``folder``.

    Raises ``ModelFileError`` where there is none, and ``ConfigurationError`` where it is of
    another architecture, of another task or used to other inputs.
    """
    model = read_model(folder)
    described = model.description
    difference = _difference(described.spec, network.spec)
    if difference:
        raise ConfigurationError(
            f"{folder} holds a model for another task, of {difference}: "
            "begin with a model of the same task"
        )
    made_of = task.tables.features_sha256 if task.tables else None
    if (described.table or {}).get("features_sha256") != made_of:
        raise ConfigurationError(
            f"{folder} holds a model for other features than this run's tables give: "
            "begin with a model of the same tables and options"
        )
    known, preprocessing = described.preprocessing.get("kind"), task.preprocessing.kind
    if known != preprocessing:
        raise ConfigurationError(
            f"{folder} holds a model for inputs prepared as {known!r}, and this run's are prepared "
            f"as {preprocessing!r}: give --preprocessing {known}"
        )
    try:
        network.load_state_dict(model.network.state_dict())
    except RuntimeError as error:
        raise ConfigurationError(
            f"{folder} holds a {described.network} with options {described.options}, which is "
            "another network than this run's: give the same --network and --set network.…"
        ) from error


def _difference(model: Spec, task: Spec) -> str | None:
    """What tells the model's task from this one, if anything."""
    if model.objective != task.objective:
        return f"{model.objective} instead of {task.objective}"
    if model.input_shape != task.input_shape:
        return f"inputs {model.input_shape} instead of {task.input_shape}"
    if model.class_names != task.class_names:
        return f"classes {_listed(model.class_names)} instead of {_listed(task.class_names)}"
    return None


def _listed(names: tuple[str, ...]) -> str:
    few = ", ".join(names[:5])
    return few if len(names) <= 5 else f"{few} … ({len(names)})"


def describe(settings: FitSettings, task: Task, folder: Path) -> ModelDescription:
    """What has to be known of a model beside its weights; what makes its inputs is saved in ``folder``."""
    return ModelDescription(
        network=settings.network,
        options=settings.network_options,
        input_shape=task.spec.input_shape,
        class_names=task.spec.class_names,
        objective=settings.objective,
        objective_options=settings.objective_options,
        preprocessing=task.preprocessing.model_dump(mode="json"),
        trained_by=settings.algorithm,
        table=task.tables.save(folder) if task.tables else None,
        pictures=task.features.save(folder) if task.features else None,
    )
