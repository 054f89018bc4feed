"""Run folders of retrieval as the engine writes them, made from numpy alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from acclimate.core.records import (
    Chosen,
    DomainSummary,
    Environment,
    Evaluation,
    RetrievalMetrics,
    RunRecord,
)

STEPS = (100, 200, 300, 400)


def search(descriptors, identities, cameras) -> RetrievalMetrics:
    """Camera 1's items as probes, camera 2's as gallery, item by item."""
    probes, gallery = np.flatnonzero(cameras == 1), np.flatnonzero(cameras == 2)
    first_matches, precisions, without = [], [], 0
    for probe in probes:
        similarity = descriptors[gallery] @ descriptors[probe]
        order = gallery[np.argsort(-similarity, kind="stable")]
        matches = np.flatnonzero(identities[order] == identities[probe])
        if not len(matches):
            without += 1
            continue
        first_matches.append(matches[0])
        precisions.append(np.mean([(n + 1) / (place + 1) for n, place in enumerate(matches)]))
    whole = [float(np.mean(np.array(first_matches) < k + 1)) for k in range(len(gallery))]
    at = lambda k: whole[min(k, len(whole)) - 1]  # noqa: E731
    return RetrievalMetrics(
        probes=len(first_matches), gallery=len(gallery), identities=len(set(identities.tolist())),
        rank1=at(1), rank5=at(5), rank10=at(10), rank20=at(20),
        mean_average_precision=float(np.mean(precisions)), area=float(np.mean(whole)),
        cmc=whole[:100], without_match=without,
    )  # fmt: skip


def people(generator, count: int, *, noise: float, shift: float = 0.0, alone: int = 0):
    """Descriptors, identities and cameras: two pictures of each of ``count``, ``alone`` of one."""
    identities = np.concatenate([np.arange(count), np.arange(count)[alone:]]).astype(np.int64)
    cameras = np.repeat([1, 2], [count, count - alone]).astype(np.int64)
    centres = generator.normal(0, 1, (count, 16))
    rows = centres[identities] + shift + generator.normal(0, noise, (len(identities), 16))
    rows += 0.3 * (cameras == 2)[:, None]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), identities, cameras


def write_retrieval_run(
    folder: Path,
    *,
    algorithm: str = "dann",
    seed: int = 0,
    identities: int = 60,
    noise: float = 0.8,
    shift: float = 0.3,
    alone: int = 0,
    oracle: bool = True,
    cameras: bool = True,
    samples: bool = True,
    baseline: bool = True,
    **changes,
) -> RunRecord:
    """Write a run folder, its source-only run included, and return its record.

    ``noise`` is what hides the identities of the target, ``shift`` its distance from the source;
    ``alone`` probes have no match.
    """
    folder.mkdir(parents=True)
    if baseline:
        write_retrieval_run(
            folder / "baseline", algorithm="source_only", seed=seed, identities=identities,
            noise=noise + 0.4, shift=shift + 0.5, alone=alone, oracle=oracle, cameras=cameras,
            samples=samples, baseline=False,
        )  # fmt: skip
    generator = np.random.default_rng(seed)
    source = people(generator, identities // 2, noise=0.5)
    target = people(generator, identities, noise=noise, shift=shift, alone=alone)
    if samples:
        _write_samples(folder, source, target, oracle, cameras)
        for step in STEPS:
            _write_evaluation(folder, step, generator, source, target, cameras)
    _write_metrics(folder / "metrics.csv", generator)
    record = _record(algorithm, seed, search(*source), search(*target), oracle)
    record = RunRecord(**{**dict(record), "baseline": "baseline" if baseline else None, **changes})
    record.write(folder)
    return record


def _write_samples(folder, source, target, oracle, cameras) -> None:
    arrays = {
        "source_labels": source[1],
        "source_features": source[0].astype(np.float16),
        "target_features": target[0].astype(np.float16),
        "target_indices": np.arange(len(target[0])),
    }
    if cameras:
        arrays |= {"source_cameras": source[2], "target_cameras": target[2]}
    np.savez(folder / "samples.npz", **arrays)
    if oracle:
        np.savez(folder / "oracle.npz", target_labels=target[1])
    names = {
        domain: [f"cam_{c}/{i:04d}.png" for i, c in zip(identities, numbers, strict=True)]
        for domain, (_, identities, numbers) in (("source", source), ("target", target))
    }
    (folder / "item_names.json").write_text(json.dumps(names), encoding="utf-8")


def _write_evaluation(folder, step, generator, source, target, cameras) -> None:
    (folder / "evaluations").mkdir(exist_ok=True)
    away = 1 - step / STEPS[-1]
    arrays = {
        "source_descriptors": source[0].astype(np.float16),
        "source_labels": source[1],
        "target_descriptors": (target[0] + away * generator.normal(0, 0.05, 16)).astype(np.float16),
    }
    if cameras:
        arrays |= {"source_cameras": source[2], "target_cameras": target[2]}
    np.savez(folder / "evaluations" / f"step-{step:08d}.npz", **arrays)


def _write_metrics(path: Path, generator) -> None:
    lines = [
        "step,progress,seconds,learning_rate,loss,loss/pairs,source_batch_rank1,domain_accuracy"
    ]
    for step in range(10, STEPS[-1] + 1, 10):
        p = step / STEPS[-1]
        loss = 0.9 * np.exp(-3 * p) + generator.normal(0, 0.02)
        shares = f"{0.4 + 0.5 * p:.4f},{0.5 + 0.4 * np.exp(-3 * p):.4f}"
        lines.append(f"{step},{p},{step / 10},0.001,{loss + 0.7:.4f},{loss:.4f},{shares}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _record(algorithm, seed, source, target, oracle) -> RunRecord:
    evaluations = [
        Evaluation(
            step=step,
            seconds=step / 10,
            source_accuracy=source.rank1 * step / STEPS[-1],
            source_mean_average_precision=source.mean_average_precision * step / STEPS[-1],
            oracle_target_accuracy=target.rank1 * step / STEPS[-1] if oracle else None,
            oracle_target_mean_average_precision=(
                target.mean_average_precision * step / STEPS[-1] if oracle else None
            ),
            scores={"source_accuracy": 0.2 + step / 1000, "domain_mixing": step / 500},
            predicted_class_shares=[],
        )
        for step in STEPS
    ]

    def domain(name: str, items: dict[str, int], count: int) -> DomainSummary:
        names = [f"{name}-{index:04d}" for index in range(count)]
        return DomainSummary(
            name=name, shape=(3, 128, 48), class_names=names, items=items, identities=len(names)
        )

    return RunRecord(
        status="finished", created="2026-11-21 07:00:00 UTC", finished="2026-11-21 07:09:00 UTC",
        command=f"acclimate fit --objective retrieval --algorithm {algorithm}",
        algorithm=algorithm, objective="retrieval",
        uses_target_labels=algorithm == "train_on_target",
        settings={
            "seed": seed, "steps": STEPS[-1], "algorithm": algorithm,
            "objective": {"name": "retrieval", "loss": "binomial-deviance", "mirrored": True},
        },
        environment=Environment(
            acclimate="0.1.0", python="3.11.9", torch="2.13.0", platform="Linux-6.1-x86_64",
            processor="Some CPU at 2.5 GHz", device="cpu", precision="32-true", threads=2,
        ),
        source=domain("viper", {"train": 1138, "validation": 126}, 632),
        target=domain("prid2011", {"adapt": 749, "evaluate": 749}, 749),
        steps_done=STEPS[-1], evaluations=evaluations,
        chosen=Chosen(step=300, validator="source_accuracy", score=0.5),
        source_retrieval=source, oracle_target_retrieval=target if oracle else None,
        training_seconds=141.3, images_per_second=1234.5, peak_memory_mib=612.0, parameters=700_000,
    )  # fmt: skip
