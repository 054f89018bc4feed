"""Results of the table, one checked file for each row, task and seed; and what they add up to."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import beta

from acclimate.experiments.result_files import read_results, write_result


class AmazonResult(BaseModel):
    """One row of the table on one task for one seed."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["acclimate-amazon"] = "acclimate-amazon"
    row: str
    task: str
    seed: int
    features: str
    chosen: dict[str, Any] = Field(description="without labels of the target")
    oracle_target_accuracy: float = Field(ge=0, le=1)
    oracle_correct: str = Field(description="a bit for each test item, hexadecimal")
    test_items: int = Field(ge=1)
    proxy_a_distance: float | None = Field(None, description="of what the row sees, or makes")
    seconds: float
    threads: int
    processor: str
    command: str

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(N,) which test items were right."""
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(self.oracle_correct), np.uint8))
        return bits[: self.test_items].astype(bool)


def packed(correct: NDArray[np.bool_]) -> str:
    return np.packbits(correct).tobytes().hex()


def place(results: Path, row: str, task: str, seed: int) -> Path:
    return results / "amazon" / task / f"{row}-seed{seed}.json"


def write(results: Path, result: AmazonResult) -> None:
    path = place(results, result.row, result.task, result.seed)
    write_result(path, result)


def read(results: Path) -> list[AmazonResult]:
    """All results there are; raises ``RecordError`` for a file that is none."""
    paths = (results / "amazon").glob("*/*-seed*.json")
    return read_results(AmazonResult, paths, "the Amazon table")


def better_on_one(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Probability that the first is the better classifier, from the items that only one has right.

    With a uniform prior on the shares of (only the first right, only the second, neither or both).

    >>> better_on_one(np.array([True, False]), np.array([True, False]))
    0.5
    """
    ours, theirs = int((first & ~second).sum()), int((second & ~first).sum())
    return float(beta.sf(0.5, ours + 1, theirs + 1))


def better_on_most(probabilities: list[float]) -> float:
    """Poisson-binomial probability of being better on more than half of the tasks; a tie counts half.

    Lacoste et al., "Bayesian Comparison of Machine Learning Algorithms on Single and Multiple
    Datasets", AISTATS 2012.

    >>> better_on_most([1.0, 1.0, 0.0])
    1.0
    >>> better_on_most([0.5, 0.5])
    0.5
    """
    distribution = np.ones(1)
    for probability in probabilities:
        distribution = np.convolve(distribution, [1 - probability, probability])
    half, count = len(probabilities) / 2, np.arange(len(probabilities) + 1)
    return float(distribution[count > half].sum() + distribution[count == half].sum() / 2)
