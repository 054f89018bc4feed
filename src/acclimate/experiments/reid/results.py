"""Results of the table: one small checked file for each pair, row and split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from acclimate.core.errors import RecordError
from acclimate.core.records import Environment, RetrievalMetrics, RunRecord
from acclimate.experiments.reid.recipes import Recipe
from acclimate.experiments.result_files import read_results, write_result

RANKS = 50
"""Of the CMC curves that are kept."""


class ReidResult(BaseModel):
    """What one row gave on one split. Fields with ``oracle`` in their name used target identities.

    ``oracle_target`` is measured on the target's test part, at the checkpoint that was chosen without
    target labels; ``oracle_last_…`` at the last one, where only two of the measures are taken.
    ``source``: held-out identities of the source, at the chosen checkpoint. Seconds: of training.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["acclimate-reid"] = "acclimate-reid"
    recipe: Recipe
    pair: str
    row: str
    split: int = Field(ge=0)
    algorithm: str
    uses_target_labels: bool
    shape: tuple[int, ...] = Field(description="of pictures: channels, height, width")
    items: dict[str, int]
    settings: dict[str, Any]
    method: dict[str, Any]
    steps: int = Field(ge=1)
    chosen_step: int = Field(ge=0)
    validator: str
    oracle_target: RetrievalMetrics
    oracle_last_rank1: float = Field(ge=0, le=1)
    oracle_last_mean_average_precision: float = Field(ge=0, le=1)
    source: RetrievalMetrics
    seconds: float = Field(ge=0)
    peak_memory_mib: float | None = None
    warnings: list[str] = Field(default_factory=list)
    environment: Environment
    finished: str | None
    command: str


def result_of(record: RunRecord, recipe: Recipe, pair: str, row: str) -> ReidResult:
    """A finished run as a result; raises ``RecordError`` for a target without identities."""
    last = record.evaluations[-1]
    rank1, precision = last.oracle_target_accuracy, last.oracle_target_mean_average_precision
    target, source = record.oracle_target_retrieval, record.source_retrieval
    if None in (target, source, rank1, precision) or record.chosen is None:
        raise RecordError(f"{pair}/{row}: {record.target.name} has no identities to measure with")
    assert target is not None
    assert source is not None
    return ReidResult(
        recipe=recipe,
        pair=pair,
        row=row,
        split=record.settings["split_seed"],
        algorithm=record.algorithm,
        uses_target_labels=record.uses_target_labels,
        shape=record.target.shape,
        items={
            f"{side} {part}": count
            for side, domain in (("source", record.source), ("target", record.target))
            for part, count in domain.items.items()
        },
        settings=without_places(record.settings),
        method=record.method,
        steps=record.steps_done,
        chosen_step=record.chosen.step,
        validator=record.chosen.validator,
        oracle_target=_shortened(target),
        oracle_last_rank1=rank1,
        oracle_last_mean_average_precision=precision,
        source=_shortened(source),
        seconds=record.training_seconds,
        peak_memory_mib=record.peak_memory_mib,
        warnings=[f"step {warned.step}: {warned.message}" for warned in record.warnings],
        environment=record.environment,
        finished=record.finished,
        command=record.command,
    )


def _shortened(metrics: RetrievalMetrics) -> RetrievalMetrics:
    return metrics.model_copy(update={"cmc": metrics.cmc[:RANKS]})


def without_places(value: Any) -> Any:
    """The same with the last part of every absolute path instead of the path, and after ``=`` too.

    Results are published; where files lie on somebody's machine is nobody's business.

    >>> without_places({"weights": "/home/me/net.safetensors", "name": "resnet50"})
    {'weights': 'net.safetensors', 'name': 'resnet50'}
    >>> without_places(["--set", "network.weights=/home/me/net.safetensors", "*/dann"])
    ['--set', 'network.weights=net.safetensors', '*/dann']
    """
    if isinstance(value, Mapping):
        return {key: without_places(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_places(each) for each in value)
    if not isinstance(value, str):
        return value
    name, equals, place = value.rpartition("=")
    return f"{name}{equals}{Path(place).name if _is_a_place(place) else place}"


def _is_a_place(text: str) -> bool:
    return text.startswith(("~", "..")) or Path(text).is_absolute()


def table_name(recipe: Recipe) -> str:
    """``reid`` for the default recipe, ``reid-paper`` for the paper's."""
    return "reid" if recipe == "default" else f"reid-{recipe}"


def place(results: Path, recipe: Recipe, pair: str, row: str, split: int) -> Path:
    return results / table_name(recipe) / pair / f"{row}-split{split}.json"


def write(results: Path, result: ReidResult) -> Path:
    """One file, whole or not at all; returns its path."""
    path = place(results, result.recipe, result.pair, result.row, result.split)
    write_result(path, result)
    return path


def read(results: Path, recipe: Recipe) -> list[ReidResult]:
    """All results of a recipe; raises ``RecordError`` for a file that is none, and for a copy."""
    paths = sorted((results / table_name(recipe)).glob("*/*.json"))
    found = read_results(ReidResult, paths, "the re-identification table")
    for path, result in zip(paths, found, strict=True):
        belongs = place(results, result.recipe, result.pair, result.row, result.split)
        if path != belongs:  # a copy would count twice
            raise RecordError(
                f"{path} holds the result that belongs in {belongs}; delete or rename it"
            )
    return found
