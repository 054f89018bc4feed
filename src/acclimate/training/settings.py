"""The settings of a run: typed, frozen, validated before anything is opened."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from acclimate.algorithms import DEFAULT
from acclimate.core.configuration import Options
from acclimate.core.errors import ConfigurationError, near_miss
from acclimate.core.schedules import LEARNING_RATE_SCHEDULES
from acclimate.data.augmentation import augmentation_pair
from acclimate.data.table_options import TableOptions, TextFeatures
from acclimate.objectives import objectives
from acclimate.training.protocols import FROZEN, FROZEN_BEST, OF_RETRIEVAL, PROTOCOLS

#: network setting → (network for pictures, network for vectors)
BY_DATA = {"auto": ("compact-cnn", "mlp"), "paper": ("mnist-cnn", "mlp")}
#: height and width of pictures of people, in pixels, where nothing else is asked for
PERSON = (128, 48)
Precision = Literal["auto", "32", "bf16", "16"]


class FitSettings(Options):
    """Everything that decides what a run computes. The defaults are our recipe."""

    source: str | tuple[str, ...] = Field(min_length=1, description="one, or several of one task")
    target: str = Field(min_length=1)
    unlabelled_target: bool = Field(False, description="take a target folder as plain images")
    transductive: bool = Field(
        False, description="adapt to all target items and evaluate on the same"
    )
    classes: Literal["all", "shared"] = Field(
        "all", description="shared = leave out what only one of the two domains has"
    )
    objective: str = Field(
        "classification", description="what labels mean: classification, or retrieval of identities"
    )
    objective_options: dict[str, Any] = Field(default_factory=dict)
    target_labels: int | str | None = Field(
        None, description="labelled target items: so many of each class, or a CSV file of them"
    )
    label: str | None = Field(
        None, min_length=1, description="of CSV and Parquet files: the column of classes"
    )
    text: tuple[str, ...] = Field((), description="columns whose words are counted")
    text_features: TextFeatures = Field(
        "tf-idf", description="hashing = words in 32,768 buckets, without a list of them"
    )
    drop: tuple[str, ...] = Field((), description="columns to leave out")
    id: str | None = Field(None, min_length=1, description="column that names rows in predictions")
    algorithm: str = Field(DEFAULT, description="a name, best for the default, or several: dann+mi")
    algorithm_options: dict[str, Any] = Field(default_factory=dict)
    start_from: str | None = Field(
        None, min_length=1, description="run folder whose model training begins with"
    )
    network: str = Field(
        "auto",
        description="auto = compact-cnn for pictures, mlp for vectors; paper = mnist-cnn and mlp",
    )
    network_options: dict[str, Any] = Field(default_factory=dict)
    size: int | None = Field(None, ge=8, le=1024, description="side in pixels; null = the source's")
    width: int | None = Field(
        None, ge=8, le=1024, description="of retrieval, in pixels; size is the height then"
    )
    resize: int | None = Field(
        None,
        ge=8,
        le=2048,
        description="side that pictures are kept at, cut to size when looked at",
    )
    fit: Literal["squash", "crop"] = Field(
        "squash", description="crop = keep the ratio of the sides, cut to a square"
    )
    channels: Literal[1, 3] | None = Field(
        None, description="null = the larger of the two domains'"
    )
    preprocessing: Literal["mean", "standard", "per-image", "network", "none"] = Field(
        "per-image", description="network = as the pretrained backbone was used to"
    )
    augmentation: str = "digits"
    steps: int | None = Field(
        None, ge=0, description="optimiser steps; 0, with start_from, keeps that model's weights"
    )
    epochs: float | None = Field(None, gt=0, description="passes over the source's training items")
    batch_size: int = Field(64, ge=1, description="items of each domain, all processes together")
    optimiser: Literal["sgd", "adam", "adamw"] = "adam"
    learning_rate: float = Field(4e-3, gt=0)
    schedule: str = "cosine"
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    averaging: float = Field(0.99, ge=0, lt=1, description="decay of the weight average; 0 = none")
    gradient_clip: float | None = Field(None, gt=0, description="largest norm of the gradient")
    sharpness: float = Field(0.0, ge=0, description="radius of SAM on the classification; 0 = none")
    seed: int = Field(0, ge=0, lt=2**63)
    split_seed: int = Field(0, ge=0, description="which items are held out; alike for all seeds")
    memory_limit: int = Field(
        2048, ge=1, description="MiB of decoded pictures to keep; a larger domain is streamed"
    )
    workers: int = Field(2, ge=0, le=64, description="processes that decode a streamed domain")
    device: str = "auto"
    devices: int = Field(1, ge=1, description="processes, one per device")
    nodes: int = Field(1, ge=1, description="machines, each with so many devices")
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    joint_losses: bool | None = Field(
        None, description="losses over the items of all processes; null = where they compare items"
    )
    sync_batch_norm: bool = Field(
        True, description="with several processes, BatchNorm's statistics are those of all items"
    )
    precision: Precision = Field(
        "auto", description="auto = bf16 where the processor computes with it, else 32"
    )
    validator: str = "default"
    evaluations: int = Field(20, ge=1, description="how often to evaluate and save")
    log_every: int = Field(50, ge=1, description="steps between logged rows")
    loggers: tuple[str, ...] = Field(("tensorboard",), description="beside metrics.csv")

    @field_validator("source")
    @classmethod
    def _each_source_once(cls, given: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(given, str):
            return given
        if not all(given) or len(set(given)) < len(given):
            raise ValueError(f"names a source twice or not at all: {', '.join(map(repr, given))}")
        return given if len(given) > 1 else given[0]

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,) if isinstance(self.source, str) else self.source

    @property
    def table_options(self) -> TableOptions:
        """What the columns of tables mean; raises ``ConfigurationError`` where one means two things."""
        values = {name: getattr(self, name) for name in TableOptions.model_fields}
        return TableOptions.build("tables", values)

    @field_validator("target_labels", mode="before")
    @classmethod
    def _number_or_file(cls, given: Any) -> Any:
        """``"10"`` is the number: a command line has no other way to say it."""
        if isinstance(given, str) and given.strip().lstrip("+-").isdecimal():
            given = int(given)
        if isinstance(given, bool) or (isinstance(given, int) and given < 1) or given == "":
            raise ValueError("should be a number of items, 1 or more, or a CSV file")
        return given

    @field_validator("algorithm")
    @classmethod
    def _best_is_the_default(cls, name: str) -> str:
        """``best`` stands for the default algorithm, also as a part of a combination."""
        parts = [DEFAULT if part.strip() == "best" else part.strip() for part in name.split("+")]
        return "+".join(parts)

    @field_validator("algorithm", "network", "validator", "objective")
    @classmethod
    def _one_spelling(cls, name: str) -> str:
        """``source_only`` is ``source-only``: the papers' code writes both."""
        return name.replace("_", "-")

    @field_validator("schedule")
    @classmethod
    def _known_schedule(cls, name: str) -> str:
        if name not in LEARNING_RATE_SCHEDULES:
            raise ValueError(f"unknown schedule.{near_miss(name, LEARNING_RATE_SCHEDULES)}")
        return name

    @field_validator("augmentation")
    @classmethod
    def _known_augmentation(cls, name: str) -> str:
        try:
            augmentation_pair(name)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return name

    @model_validator(mode="after")
    def _fits_the_objective(self) -> FitSettings:
        """Options that only one objective knows, or that it does not know, are mistakes."""
        if self.objective not in objectives:
            raise ValueError(
                f"unknown objective {self.objective!r}.{near_miss(self.objective, objectives.names())}"
            )
        if self.objective != "retrieval":
            if self.width is not None:
                raise ValueError("--width is for --objective retrieval; --size alone makes squares")
            return self
        frozen = self.network_options.get("freeze") == "backbone"
        wrong = {
            "--resize": self.resize is not None,
            "--fit crop": self.fit == "crop",
            "--transductive": self.transductive,
            "--classes shared": self.classes == "shared",
            "--target-labels": self.target_labels is not None,
            "--losses-per-process": self.joint_losses is False,
            "--freeze backbone": frozen,
            "several --source": len(self.sources) > 1,
        }
        for option, is_so in wrong.items():
            if is_so:
                raise ValueError(f"--objective retrieval does not know {option}: leave it out")
        return self

    @property
    def person_size(self) -> tuple[int, int]:
        """Height and width of what is retrieved: as set, or 128 × 48, or of that ratio."""
        height = self.size or PERSON[0]
        return height, self.width or round(height * PERSON[1] / PERSON[0])

    @model_validator(mode="after")
    def _labels_are_not_measured_on(self) -> FitSettings:
        if self.transductive and self.target_labels is not None:
            raise ValueError(
                "--target-labels would be of items that --transductive evaluates on: leave one out"
            )
        return self

    @model_validator(mode="after")
    def _something_to_do(self) -> FitSettings:
        if self.steps == 0 and self.start_from is None:
            raise ValueError("--steps 0 trains nothing; give 1 or more, or --start-from RUN")
        return self

    def step_count(self, source_items: int) -> int:
        """Steps to train: as given, or from epochs, or 5,000."""
        if self.steps is not None and self.epochs is not None:
            raise ConfigurationError("give --steps or --epochs, not both")
        if self.epochs is not None:
            return max(1, round(self.epochs * source_items / self.batch_size))
        return 5000 if self.steps is None else self.steps


def make_settings(protocol: str | None = None, **chosen: Any) -> FitSettings:
    """Settings of a protocol with what was ``chosen`` on top; ``ConfigurationError`` names all problems.

    Without a protocol it is that of photos for a pretrained backbone, and the default one otherwise.
    """
    if protocol is None:
        protocol = "photos" if chosen.get("network") == "backbone" else "default"
    if protocol not in PROTOCOLS:
        raise ConfigurationError(f"unknown protocol {protocol!r}.{near_miss(protocol, PROTOCOLS)}")
    retrieves = chosen.get("objective") == "retrieval"
    values = dict((OF_RETRIEVAL if retrieves else PROTOCOLS)[protocol])
    if retrieves and chosen.get("algorithm") == "best":
        chosen.pop("algorithm")
    for part in ("algorithm", "network"):
        # options of a part are for that part alone
        if retrieves and chosen.get(part) not in (None, values.get(part)):
            values.pop(f"{part}_options", None)
    frozen = (chosen.get("network_options") or {}).get("freeze") == "backbone"
    if protocol == "photos" and frozen and not retrieves:
        values |= FROZEN
        if chosen.get("algorithm") in (None, "best"):
            chosen.pop("algorithm", None)
            values |= FROZEN_BEST
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if chosen.get(one) is not None:
            values.pop(other, None)
    for key, value in chosen.items():
        inherited = values.get(key)
        if isinstance(value, dict) and isinstance(inherited, dict):
            value = {**inherited, **value}
        values[key] = value
    return FitSettings.build("settings", values)
