"""The t-SNE panels of a run's sample items, beside those of its source-only run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acclimate.core.records import DomainSummary
from acclimate.report import embedding
from acclimate.report.cameras import Camera, list_cameras
from acclimate.report.chart import Chart, LegendEntry
from acclimate.report.run import Run
from acclimate.report.samples import Array, Items, Samples
from acclimate.report.table import algorithm_label

Cells = Mapping[str, Mapping[int, tuple[int, int]]]


@dataclass(frozen=True)
class FeaturePlanes:
    """The panels with what they share; ``legends`` has an entry for each colouring."""

    panels: list[Chart]
    legends: dict[str, list[LegendEntry]]
    items: dict[str, Any]
    missing: str


def make_planes(
    run: Run, chosen: Mapping[str, Array], cells: Cells, names: list[str]
) -> FeaturePlanes:
    """``chosen``: the items shown, by domain; ``cells``: where each has its thumbnail.

    ``names``: of the classes. Retrieval has none: its points are coloured by camera instead.
    """
    if run.samples is None:
        return FeaturePlanes([], {}, {}, "Left out: the run folder holds no sample items.")
    retrieval = run.record.objective == "retrieval"
    cameras = _cameras(run, chosen) if retrieval else []
    panels, missing = [], []
    for title, samples in _models(run):
        part = Samples(samples.source.take(chosen["source"]), samples.target.take(chosen["target"]))
        plane = embedding.embed_jointly(part.source.features, part.target.features)
        if isinstance(plane, str):
            missing.append(f"{title}: left out, {plane}.")
        elif retrieval:
            panels.append(embedding.camera_chart(title, part, plane, cameras))
        else:
            panels.append(embedding.embedding_chart(title, part, plane, names))
    legends = embedding.camera_legends(cameras) if retrieval else embedding.legends(names)
    items = _hover_items(run, chosen, cells, names)
    return FeaturePlanes(panels, legends, items, " ".join(missing))


def _models(run: Run) -> Iterator[tuple[str, Samples]]:
    assert run.samples is not None
    before = run.baseline.samples if run.baseline else None
    if before is not None and _sizes(before) == _sizes(run.samples):
        yield "Before: source-only", before
        yield f"After: {algorithm_label(run.record)}", run.samples
    else:
        yield algorithm_label(run.record), run.samples


def _sizes(samples: Samples) -> tuple[int, int]:
    return len(samples.source), len(samples.target)


def _cameras(run: Run, chosen: Mapping[str, Array]) -> list[Camera]:
    """Those of the items shown, of all models: the panels share one legend."""
    models = [samples for _, samples in _models(run)]
    return list_cameras(
        [samples.source.take(chosen["source"]).cameras for samples in models],
        [samples.target.take(chosen["target"]).cameras for samples in models],
    )


def _hover_items(
    run: Run, chosen: Mapping[str, Array], cells: Cells, names: list[str]
) -> dict[str, Any]:
    assert run.samples is not None
    record, retrieval = run.record, run.record.objective == "retrieval"
    sides = (
        ("source", run.samples.source, record.source),
        ("target", run.samples.target, record.target),
    )
    items: dict[str, Any] = {"classes": names}
    for domain, of_domain, summary in sides:
        picked = of_domain.take(chosen[domain])
        places = cells.get(domain)
        items[domain] = {
            "names": picked.names,
            "labels": None if picked.labels is None or retrieval else picked.labels.tolist(),
            "cells": None if places is None else [places[int(i)] for i in chosen[domain]],
        }
        if retrieval:
            items[domain]["lines"] = _lines(picked, summary, oracle=domain == "target")
    return items


def _lines(items: Items, summary: DomainSummary, oracle: bool) -> list[list[str]]:
    """Camera and identity of each item, as far as they are known."""
    lines: list[list[str]] = [[] for _ in range(len(items))]
    if items.cameras is not None:
        for line, camera in zip(lines, items.cameras.tolist(), strict=True):
            line.append(f"camera {camera}")
    if items.labels is not None:
        for line, label in zip(lines, items.labels.tolist(), strict=True):
            line.append(
                f"identity {_name(summary.class_names, label)}{' (oracle)' if oracle else ''}"
            )
    return lines


def _name(names: Sequence[str], label: int) -> str:
    return names[label] if 0 <= label < len(names) else str(label)
