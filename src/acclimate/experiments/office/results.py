"""Results of the tables, one checked file for each row, pair and seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from acclimate.experiments.result_files import read_results, write_result


class OfficeResult(BaseModel):
    """One row of a table on one pair for one seed."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["acclimate-office"] = "acclimate-office"
    benchmark: str
    row: str
    pair: str
    seed: int
    backbone: str
    weights: str = Field(description="file name and the first digits of its sha256")
    source_items: int = Field(ge=1)
    target_items: int = Field(ge=1)
    uses_target_labels: bool
    oracle_target_accuracy: float = Field(ge=0, le=1)
    oracle_target_auroc: float | None = Field(None, description="macro, one class against the rest")
    chosen: dict[str, Any] = Field(default_factory=dict, description="without labels of the target")
    seconds: float = Field(description="of training and predicting, features at hand")
    threads: int
    processor: str
    command: str


def place(results: Path, benchmark: str, row: str, pair: str, seed: int) -> Path:
    return results / "office" / benchmark / pair / f"{row}-seed{seed}.json"


def write(results: Path, result: OfficeResult) -> None:
    """One file, whole or not at all."""
    path = place(results, result.benchmark, result.row, result.pair, result.seed)
    write_result(path, result)


def read(results: Path, benchmark: str) -> list[OfficeResult]:
    """All results there are; raises ``RecordError`` for a file that is none."""
    paths = (results / "office" / benchmark).glob("*/*-seed*.json")
    return read_results(OfficeResult, paths, "this table")
