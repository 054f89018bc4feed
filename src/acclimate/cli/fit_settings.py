"""From the options of ``acclimate fit`` to checked settings; every complaint names the option."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.core.errors import ConfigurationError, near_miss

if TYPE_CHECKING:
    from acclimate.core.configuration import Options
    from acclimate.training.settings import FitSettings

_RENAMED = {"learning_rate": "--lr", "loggers": "--logger"}


def option_of(name: str) -> str:
    """The option that sets ``name``.

    >>> option_of("batch_size"), option_of("learning_rate")
    ('--batch-size', '--lr')
    """
    return _RENAMED.get(name, f"--{name.replace('_', '-')}")


def new_settings(
    protocol: str | None, given: Mapping[str, Any], assignments: Sequence[str]
) -> FitSettings:
    """Settings of a new run; raises ``ConfigurationError`` for whatever is wrong with the options."""
    from acclimate.training.settings import make_settings

    for side in ("source", "target"):
        if not given.get(side):
            raise ConfigurationError(
                f"--{side} is missing: give a data set, a folder, an .npz file or a table"
            )
    chosen = chosen_settings(given, assignments)
    return checked(lambda: make_settings(protocol, **chosen))


def checked(make: Callable[[], FitSettings]) -> FitSettings:
    """What ``make`` makes, its parts checked too; raises ``ConfigurationError`` that names options."""
    try:
        made = make()
    except ConfigurationError as error:
        raise _in_terms_of_options(error, option_of) from error
    _check_parts(made)
    return made


def continued_settings(
    folder: Path, protocol: str | None, given: Mapping[str, Any], assignments: Sequence[str]
) -> FitSettings:
    """The settings of the run in ``folder`` with the options given on top, to be compared later."""
    from acclimate.core.records import read_record
    from acclimate.training.settings import FitSettings

    if protocol is not None:
        raise ConfigurationError(
            f"--protocol {protocol} is for a new run; leave it out with --resume, or repeat the whole command"
        )
    recorded = FitSettings.build(f"settings in {folder}", read_record(folder).settings)
    chosen = chosen_settings(given, assignments)
    before = recorded.model_dump()
    for name, value in chosen.items():
        if name.endswith("_options"):  # one of several may be said again
            chosen[name] = {**before[name], **value}
    try:
        return FitSettings.build("settings", {**before, **chosen})
    except ConfigurationError as error:
        raise _in_terms_of_options(error, option_of) from error


def default_folder(settings: FitSettings, algorithm: str | None = None) -> Path:
    """``acclimate-runs/SOURCE-to-TARGET-ALGORITHM-seedN``; ``algorithm``: if it is not the settings'."""
    parts = [
        "+".join(map(_short, settings.sources)),
        "to",
        _short(settings.target),
        algorithm or settings.algorithm,
    ]
    return Path("acclimate-runs") / "-".join([*parts, f"seed{settings.seed}"])


def check_folder(folder: Path, sources: Sequence[str]) -> None:
    """Raise ``ConfigurationError`` for an ``--output`` that cannot work, before data is opened."""
    resolved = folder.resolve()
    place = next(path for path in (resolved, *resolved.parents) if path.exists())
    if not place.is_dir():
        raise ConfigurationError(f"--output {folder}: {place} is a file; choose another place")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"--output {folder}: {place} cannot be written; choose another place"
        )
    for source in sources:
        if Path(source).is_dir() and resolved.is_relative_to(Path(source).resolve()):
            raise ConfigurationError(
                f"--output {folder} lies inside --source {source}, whose folders are classes; "
                "choose another place"
            )


def said_in(command: str, option: str) -> bool:
    """Whether ``option`` stands in a recorded command line.

    >>> said_in("acclimate fit --source 'a b' --no-baseline", "--no-baseline")
    True
    """
    try:
        return option in shlex.split(command)
    except ValueError:
        return False


def chosen_settings(given: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Settings by name from options by name and from ``--set``; raises ``ConfigurationError``."""
    from acclimate.cli.assignments import parse_assignments
    from acclimate.cli.backbone_options import as_network
    from acclimate.training.settings import FitSettings

    for name, value in given.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigurationError(f"{option_of(name)} {value}: should be a finite number")
    if given.get("steps") is not None and given.get("epochs") is not None:
        raise ConfigurationError("give --steps or --epochs, not both")
    given = dict(given)
    if (loggers := given.pop("logger", None)) is not None:
        given["loggers"] = tuple(name for name in loggers if name != "none")
    own = {name: option_of(name) for name in FitSettings.model_fields}
    own = {name: option for name, option in own.items() if not name.endswith("_options")}
    assigned = parse_assignments(assignments, own)
    of_network = assigned.get("network_options", {})
    chosen = {**assigned, **as_network(given, of_network)}
    if of_network:
        chosen["network_options"] = {**of_network, **chosen.get("network_options", {})}
    return chosen


def _check_parts(settings: FitSettings) -> None:
    """Names and options of the parts, before any data is opened."""
    from acclimate.algorithms import combination
    from acclimate.models import networks
    from acclimate.objectives import objectives
    from acclimate.training.settings import BY_DATA
    from acclimate.validators import validators
    from acclimate.validators.retrieval import retrieval_validators

    _check_part(objectives.get(settings.objective), "objective", settings.objective_options)
    scores = retrieval_validators if settings.objective == "retrieval" else validators
    scores.get(settings.validator)
    combined = combination.SEPARATOR in settings.algorithm
    assembled = combination.assemble(
        settings.algorithm,
        settings.algorithm_options,
        lambda kind, own, part: _check_part(
            kind, f"algorithm.{part}" if combined else "algorithm", own
        ),
    )
    if assembled.first_stage and settings.start_from is None:
        raise ConfigurationError(
            f"--algorithm {settings.algorithm} is a second stage and needs a trained model: give "
            f"--start-from RUN, of --algorithm {assembled.first_stage} for example"
        )
    if settings.network not in BY_DATA:
        if settings.network not in networks:
            names = (*BY_DATA, *networks.names())
            raise ConfigurationError(
                f"unknown network {settings.network!r}.{near_miss(settings.network, names)}"
            )
        _check_part(networks.get(settings.network), "network", settings.network_options)


def _check_part(kind: type[Options], section: str, options: Mapping[str, Any]) -> Options:
    try:
        return kind.build(section, options)
    except ConfigurationError as error:
        raise _in_terms_of_options(error, lambda key: f"--set {section}.{key}") from error


def _in_terms_of_options(
    error: ConfigurationError, option: Callable[[str], str]
) -> ConfigurationError:
    """The same complaints with the option that was written instead of the setting behind it."""
    from pydantic import ValidationError

    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return error
    problems = cause.errors()
    if any(problem["type"] == "extra_forbidden" or not problem["loc"] for problem in problems):
        return error
    return ConfigurationError("; ".join(_complaint(problem, option) for problem in problems))


def _complaint(problem: Any, option: Callable[[str], str]) -> str:
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    name = option(".".join(str(part) for part in problem["loc"]))
    separator = "=" if name.startswith("--set ") else " "
    return f"{name}{separator}{problem['input']}: {message[:1].lower()}{message[1:]}"


def _short(spec: str) -> str:
    path = Path(spec).expanduser()
    name = spec.rpartition(":")[2]  # without the prefix that marks a data set
    if path.exists():
        name = path.stem if path.is_file() else path.resolve().name
    return re.sub(r"[^\w.-]+", "_", name) or "data"
