"""Run folders as the engine writes them, made from numpy alone and from real digits."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from acclimate.core.records import (
    Calibration,
    Chosen,
    DomainSummary,
    Environment,
    Estimate,
    Evaluation,
    LabelledMetrics,
    RunRecord,
    Verdict,
    Warned,
)

CLASSES = [str(digit) for digit in range(10)]


def environment() -> Environment:
    return Environment(
        acclimate="0.1.0",
        python="3.11.9",
        torch="2.13.0",
        platform="Linux-6.1-x86_64",
        processor="Some CPU at 2.5 GHz",
        device="cpu",
        precision="32-true",
        threads=2,
    )


def domain(name: str, items: dict[str, int], class_names: list[str]) -> DomainSummary:
    return DomainSummary(name=name, shape=(3, 28, 28), class_names=class_names, items=items)


def minimal_record(**changes) -> RunRecord:
    """Only what the schema asks for."""
    fields = {
        "created": "2026-11-21T07:00:00Z",
        "command": "acclimate fit",
        "algorithm": "dann",
        "settings": {},
        "environment": environment(),
        "source": domain("digits", {}, ["a", "b"]),
        "target": domain("digits-m", {}, ["a", "b"]),
    }
    return RunRecord(**{**fields, **changes})


def metrics_of(labels, predicted, confidence, class_names) -> LabelledMetrics:
    count = len(class_names)
    confusion = np.zeros((count, count), dtype=int)
    np.add.at(confusion, (labels, predicted), 1)
    right = labels == predicted
    bins = np.minimum((confidence * 10).astype(int), 9)
    used = [index for index in range(10) if (bins == index).any()]
    calibration = Calibration(
        expected_calibration_error=float(
            sum(
                abs(right[bins == i].mean() - confidence[bins == i].mean()) * (bins == i).mean()
                for i in used
            )
        ),
        confidence=[float(confidence[bins == i].mean()) for i in used],
        accuracy=[float(right[bins == i].mean()) for i in used],
        count=[int((bins == i).sum()) for i in used],
    )
    counts = confusion.sum(axis=1)
    return LabelledMetrics(
        n=len(labels),
        accuracy=float(right.mean()),
        auroc=0.95,
        class_names=class_names,
        class_accuracy=[float(confusion[i, i] / c) if c else None for i, c in enumerate(counts)],
        class_auroc=[0.95] * count,
        class_counts=counts.tolist(),
        confusion=confusion.tolist(),
        calibration=calibration,
    )


def pictures(count: int, generator: np.random.Generator, colourful: bool):
    digits = load_digits()
    order = generator.integers(0, len(digits.images), count)
    grey = np.kron(digits.images[order] * 15.9, np.ones((1, 3, 3)))
    grey = np.pad(grey, ((0, 0), (2, 2), (2, 2)))
    images = np.repeat(grey[..., None], 3, axis=3)
    if colourful:
        ramp = np.linspace(0, 1, 28)
        ends = generator.uniform(0, 255, (count, 2, 1, 1, 3))
        ground = ends[:, 0] * ramp[:, None, None] + ends[:, 1] * ramp[None, :, None]
        images = np.abs(images - np.clip(ground, 0, 255) - generator.normal(0, 12, images.shape))
    return np.clip(images, 0, 255).astype(np.uint8), digits.target[order].astype(np.int64)


def logits_of(labels, skill: float, generator: np.random.Generator, count: int, bias: float = 0):
    logits = generator.normal(0, 1.6, (len(labels), count))
    logits[np.arange(len(labels)), labels] += skill
    logits[:, count // 2] += bias
    return logits


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture
def minimal():
    return minimal_record()


@pytest.fixture(scope="session")
def make_run():
    return write_run


def write_run(
    folder: Path,
    *,
    algorithm: str = "dann",
    skill: float = 3.5,
    shift: float = 2.0,
    bias: float = 0.0,
    outcome: str | None = "helped",
    items: int = 60,
    oracle: bool = True,
    vectors: bool = False,
    names: bool = True,
    class_names: list[str] = CLASSES,
    baseline: bool = True,
    warnings: tuple[Warned, ...] = (),
    seed: int = 0,
    steps: int = 400,
    **record_changes,
) -> RunRecord:
    """Write a run folder, its source-only run included, and return its record.

    ``skill`` is the margin of the right class's logit on the target, ``shift`` the distance
    between the domains' features, ``bias`` pushes every prediction to one class.
    """
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    count = len(class_names)
    source_x, source_y = pictures(items, generator, colourful=False)
    target_x, target_y = pictures(items, generator, colourful=True)
    source_y, target_y = source_y % count, target_y % count
    if baseline:
        write_run(
            folder / "baseline", algorithm="source_only", skill=2.2, shift=4.0, outcome=None,
            items=items, oracle=oracle, vectors=vectors, names=names, class_names=class_names,
            baseline=False, seed=seed, steps=steps,
        )  # fmt: skip
    centres = np.random.default_rng(7).normal(0, 2.5, (count, 32))
    source_logits = logits_of(source_y, 7.0, generator, count, bias)
    target_logits = logits_of(target_y, skill, generator, count, bias)
    samples = {
        "source_labels": source_y,
        "source_logits": source_logits.astype(np.float16),
        "target_logits": target_logits.astype(np.float16),
        "source_features": (centres[source_y] + generator.normal(0, 1.2, (items, 32))).astype(
            np.float16
        ),
        "target_features": (
            centres[target_y] + shift + generator.normal(0, 1.6, (items, 32))
        ).astype(np.float16),
        "target_indices": np.arange(items),
    }  # fmt: skip
    if not vectors:
        samples |= {"source_inputs": source_x, "target_inputs": target_x}
    np.savez(folder / "samples.npz", **samples)
    if oracle:
        np.savez(folder / "oracle.npz", target_labels=target_y)
    if names:
        listed = {d: [f"{d}/photo {i:04d}.png" for i in range(items)] for d in ("source", "target")}
        (folder / "item_names.json").write_text(json.dumps(listed), encoding="utf-8")
    write_metrics(folder / "metrics.csv", algorithm, steps, generator)
    record = run_record(
        algorithm, steps, seed, class_names, (source_y, source_logits), (target_y, target_logits),
        outcome, oracle, warnings, "baseline" if baseline else None, record_changes,
    )  # fmt: skip
    record.write(folder)
    return record


def write_metrics(path: Path, algorithm: str, steps: int, generator: np.random.Generator) -> None:
    adapts = algorithm not in ("source_only", "train_on_target")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = None
        for step in range(10, steps + 1, 10):
            p = step / steps
            row = {
                "step": step, "progress": p, "seconds": step * 0.1,
                "learning_rate": 0.01 / (1 + 10 * p) ** 0.75,
                "loss": 2.3 * np.exp(-3 * p) + 0.7 + generator.normal(0, 0.04),
                "loss/classification": 2.3 * np.exp(-3 * p) + generator.normal(0, 0.03),
                "source_batch_accuracy": min(1.0, 0.1 + 0.9 * (1 - np.exp(-5 * p))),
            }  # fmt: skip
            if adapts:
                row |= {
                    "loss/domain": 0.68 + generator.normal(0, 0.02),
                    "loss/self_training": 0.3 * (1 - np.exp(-2 * p)),
                    "domain_accuracy": 0.5 + 0.35 * np.exp(-3 * p) + generator.normal(0, 0.02),
                    "reversal_weight": 2 / (1 + np.exp(-10 * p)) - 1,
                    "confident_share": "" if step < 100 else 0.8 * p,
                }
            if writer is None:
                writer = csv.DictWriter(file, fieldnames=list(row))
                writer.writeheader()
            writer.writerow(row)


def run_record(
    algorithm,
    steps,
    seed,
    class_names,
    source,
    target,
    outcome,
    oracle,
    warnings,
    baseline,
    changes,
) -> RunRecord:
    source_p, target_p = softmax(source[1]), softmax(target[1])
    shares = np.bincount(target_p.argmax(1), minlength=len(class_names)) / len(target_p)
    source_metrics = metrics_of(source[0], source_p.argmax(1), source_p.max(1), class_names)
    target_metrics = metrics_of(target[0], target_p.argmax(1), target_p.max(1), class_names)
    evaluations = [
        Evaluation(
            step=step,
            seconds=step / 10,
            source_accuracy=source_metrics.accuracy * (1 - np.exp(-6 * step / steps)),
            scores={"information_maximisation": 1.8 * step / steps, "source_accuracy": 0.9},
            predicted_class_shares=shares.tolist(),
            oracle_target_accuracy=target_metrics.accuracy * step / steps if oracle else None,
        )
        for step in range(steps // 8, steps + 1, steps // 8)
    ]
    value = target_metrics.accuracy
    verdict = outcome and Verdict(
        outcome=outcome,
        probability_helped={"helped": 0.97, "hurt": 0.03}.get(outcome, 0.55),
        reason="the interval of the difference to source-only "
        + ("contains" if outcome == "cannot tell" else "does not contain")
        + " zero",
        baseline_estimate=Estimate(method="x", value=0.55, low=0.5, high=0.61),
    )
    fields = {
        "status": "finished",
        "created": "2026-11-21 07:00:00 UTC",
        "finished": "2026-11-21 07:01:00 UTC",
        "command": f"acclimate fit --source digits --target digits-m --algorithm {algorithm}",
        "algorithm": algorithm,
        "uses_target_labels": algorithm == "train_on_target",
        "settings": {
            "seed": seed, "steps": steps, "batch_size": 64, "network": "mnist",
            "algorithm": {"weight": 1.0, "gamma": 10.0, "attach": ["features"]},
            "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
        },
        "environment": environment(),
        "source": domain("digits", {"train": 720, "validation": 180}, class_names),
        "target": domain("digits-m", {"adapt": 500, "evaluate": 300}, class_names),
        "steps_done": steps,
        "evaluations": evaluations,
        "chosen": Chosen(
            step=evaluations[-2].step, validator="information_maximisation", score=1.6
        ),
        "source_metrics": source_metrics,
        "oracle_target_metrics": target_metrics if oracle else None,
        "estimate": Estimate(
            method="average_thresholded_confidence", value=value,
            low=max(0, value - 0.05), high=min(1, value + 0.05),
        ),
        "verdict": verdict or None,
        "warnings": list(warnings),
        "training_seconds": 41.3,
        "images_per_second": 1234.5,
        "peak_memory_mib": 612.0,
        "parameters": 120_000,
        "baseline": baseline,
    }  # fmt: skip
    return RunRecord(**{**fields, **changes})


COLLAPSE = (
    Warned(
        step=180,
        kind="one_class",
        message="92% of the target is predicted as one class; try --set algorithm.weight=0.1",
    ),
    Warned(
        step=200,
        kind="domain_accuracy",
        message="the domain classifier is right in 100% of the batches; lower its learning rate",
    ),
)


@pytest.fixture(scope="session")
def collapse_warnings():
    return COLLAPSE
