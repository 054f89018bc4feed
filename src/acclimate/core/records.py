"""What a run leaves behind: ``record.json``, schema-checked when written and when read.

A reader needs only this module (no torch), so reports and other tools stay light. Fields whose
value used target labels have ``oracle`` in their name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from acclimate.core.errors import RecordError
from acclimate.core.files import write_text_atomically

SCHEMA_VERSION = 1
RECORD_NAME = "record.json"

Status = Literal["running", "finished", "interrupted", "failed"]
Outcome = Literal["helped", "hurt", "cannot tell"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class Environment(_Part):
    """Where a run took place."""

    acclimate: str
    python: str
    torch: str
    platform: str
    processor: str
    device: str
    precision: str
    threads: int
    world_size: int = 1


class DomainSummary(_Part):
    """One domain's part in a run; ``items`` counts per split, e.g. ``{"train": 720}``."""

    name: str
    shape: tuple[int, ...]
    class_names: list[str]
    items: dict[str, int]
    identities: int | None = Field(
        default=None, description="people on its pictures, where they are told apart and known"
    )
    skipped: list[str] = Field(
        default_factory=list, description="unreadable files, with the reason"
    )
    notes: list[str] = Field(default_factory=list, description="what else was found in the data")


class PlaceMetrics(_Part):
    """Held-out items of one of several sources: accuracy and macro AUROC, both in [0, 1].

    ``None`` where there is nothing to measure on, see ``LabelledMetrics.auroc``.
    """

    name: str
    n: int
    accuracy: float | None
    auroc: float | None = None


class RetrievalMetrics(_Part):
    """How well probes find pictures of the same identity in a gallery; shares in [0, 1].

    ``cmc[k - 1]``: share of probes with a match among their k nearest, for at most the first 100
    ranks. ``area``: mean of that curve over all ranks of the gallery. ``probes`` counts those that
    have a match at all; ``without_match`` the others, which count nowhere.
    """

    probes: int
    gallery: int
    identities: int
    rank1: float
    rank5: float
    rank10: float
    rank20: float
    mean_average_precision: float
    area: float
    cmc: list[float]
    without_match: int = 0


class Evaluation(_Part):
    """What was measured at one checkpoint.

    ``scores`` holds every label-free validator's value (higher is better throughout).
    ``source_auroc`` is the macro one-vs-rest area on the held-out source. ``oracle_target_accuracy``
    and ``oracle_target_auroc`` are on the evaluate split and enter no choice. ``place_metrics``:
    where several sources were pooled, the held-out items of each.

    Of retrieval, accuracy is rank 1, the share of probes whose nearest gallery item is of the same
    identity; there is no AUROC, but the mean average precision, and no class share.
    """

    step: int
    seconds: float
    source_accuracy: float
    scores: dict[str, float]
    predicted_class_shares: list[float]
    oracle_target_accuracy: float | None = None
    source_auroc: float | None = None
    oracle_target_auroc: float | None = None
    source_mean_average_precision: float | None = None
    oracle_target_mean_average_precision: float | None = None
    place_metrics: list[PlaceMetrics] = Field(default_factory=list)


class Estimate(_Part):
    """Label-free estimate of the accuracy on the target's evaluate split, all in [0, 1]."""

    method: str
    value: float
    low: float
    high: float


class Behaviour(_Part):
    """How a model behaves on unlabelled target items, all in [0, 1]; see ``validators.verdict``.

    ``few_classes``: whether it predicts far fewer classes of them than the source has.
    """

    share_distance: float
    consistency: float
    stability: float
    few_classes: bool = False


class Verdict(_Part):
    """Whether adaptation helped, judged without target labels, against source-only.

    ``expected_change`` is in accuracy, e.g. 0.05 for five points more than source-only.
    """

    outcome: Outcome
    probability_helped: float | None
    reason: str
    expected_change: float | None = None
    before: Behaviour | None = None
    after: Behaviour | None = None
    baseline_estimate: Estimate | None = None


class Chosen(_Part):
    """The checkpoint that was kept, and by which label-free score."""

    step: int
    validator: str
    score: float


class Warned(_Part):
    """A sign of collapse, when it was seen, and what to try."""

    step: int
    kind: str
    message: str


class Calibration(_Part):
    """Reliability curve: equal-width confidence bins in [0, 1]; empty bins are left out."""

    expected_calibration_error: float
    confidence: list[float]
    accuracy: list[float]
    count: list[int]


class LabelledMetrics(_Part):
    """Metrics against labels; a list over classes is in the order of ``class_names``.

    ``confusion[i][j]`` counts items of class i predicted as j. ``auroc`` is the macro average of
    one-vs-rest areas over the classes present on both sides, ``None`` where there are none.
    """

    n: int
    accuracy: float
    auroc: float | None
    class_names: list[str]
    class_accuracy: list[float | None]
    class_auroc: list[float | None]
    class_counts: list[int]
    confusion: list[list[int]]
    calibration: Calibration


class RunRecord(_Part):
    """One run: what ran, where, on what, what came out, and what may be believed of it."""

    schema_version: int = SCHEMA_VERSION
    status: Status = "running"
    created: str
    finished: str | None = None
    command: str
    algorithm: str
    objective: Literal["classification", "retrieval"] = "classification"
    uses_target_labels: bool = False
    labelled_target_items: int = Field(
        default=0, description="target items whose labels were given for training"
    )
    settings: dict[str, Any]
    method: dict[str, Any] = Field(
        default_factory=dict, description="every option of the algorithm, defaults included"
    )
    environment: Environment
    source: DomainSummary
    target: DomainSummary
    steps_done: int = 0
    evaluations: list[Evaluation] = Field(default_factory=list)
    chosen: Chosen | None = None
    last_layer: str | None = Field(
        default=None, description="how the last layer was made, where it was not simply trained"
    )
    choice: str | None = Field(default=None, description="why this algorithm, where auto chose it")
    source_metrics: LabelledMetrics | None = None
    oracle_target_metrics: LabelledMetrics | None = None
    source_retrieval: RetrievalMetrics | None = None
    oracle_target_retrieval: RetrievalMetrics | None = None
    place_metrics: list[PlaceMetrics] = Field(
        default_factory=list, description="held-out items of each of several sources"
    )
    estimate: Estimate | None = None
    target_consistency: float | None = Field(
        default=None,
        description="Cohen's kappa of the model's predictions before and after a small change of the "
        "input, on target items that are not of the evaluate part; what runs are compared by",
    )
    verdict: Verdict | None = None
    warnings: list[Warned] = Field(default_factory=list)
    training_seconds: float = 0.0
    images_per_second: float | None = None
    peak_memory_mib: float | None = None
    parameters: int | None = None
    baseline: str | None = Field(default=None, description="folder of the source-only run")

    def write(self, folder: Path) -> None:
        """Write ``record.json`` into ``folder``, whole or not at all."""
        write_text_atomically(folder / RECORD_NAME, self.model_dump_json(indent=2) + "\n")


def read_record(folder: Path) -> RunRecord:
    """The record in a run folder; raises ``RecordError`` in one line when there is none to read."""
    path = folder / RECORD_NAME
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecordError(
            f"{folder} is not a run folder: it has no {RECORD_NAME}; "
            "give the folder that 'acclimate fit --output' wrote"
        ) from error
    except NotADirectoryError as error:
        raise RecordError(f"{folder} is a file; give a run folder") from error
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read as JSON: {error}") from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise RecordError(
            f"{path} has schema {version}, newer than this version's {SCHEMA_VERSION}: "
            "update acclimate"
        )
    try:
        return RunRecord.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the top level"
        raise RecordError(
            f"{path} is not a valid record: {where}: {first['msg']} "
            f"({error.error_count()} problem{'s' if error.error_count() > 1 else ''})"
        ) from error
