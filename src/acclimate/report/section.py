"""Everything the page says about one run, ready for the template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from acclimate.core.records import DomainSummary, RunRecord, Warned
from acclimate.report import classes, curves, gallery
from acclimate.report.chart import Chart
from acclimate.report.film import Film, make_film
from acclimate.report.measured import Measured, measured
from acclimate.report.planes import FeaturePlanes, make_planes
from acclimate.report.retrieval import Found, found
from acclimate.report.retrieval_words import retrieval_words
from acclimate.report.run import Run, Shift
from acclimate.report.samples import Array, Samples
from acclimate.report.sprites import LARGE_SIDE, Sheet, make_sheet
from acclimate.report.table import algorithm_label, seed_of, task_label
from acclimate.report.words import VerdictWords, verdict_words


@dataclass(frozen=True)
class Effort:
    """How much one run gets of the page and of the time that it takes to make.

    ``points``: most items per domain in a t-SNE; ``frames`` and ``frame_points``: of the film.
    ``picture_bytes``: of all its pictures in the page.
    """

    points: int
    frames: int
    frame_points: int
    picture_bytes: int


@dataclass(frozen=True)
class Group:
    """A heading with charts, or with one line that says why there are none."""

    title: str
    charts: list[Chart]
    missing: str
    intro: str = ""


@dataclass(frozen=True)
class Thumbnails:
    """A sheet and which cell each sample item has."""

    sheet: Sheet
    cells: dict[int, tuple[int, int]]


@dataclass(frozen=True)
class Section:
    key: str
    title: str
    verdict: VerdictWords
    warnings: list[Warned]
    notes: list[str]
    groups: list[Group]
    planes: FeaturePlanes
    film: Film
    measured: Measured
    strips: list[gallery.Strip]
    thumbnails: dict[str, Thumbnails]
    tables: list[tuple[str, list[tuple[str, str]]]]
    pictures: bool = True
    shift: Shift | None = None
    finished: bool = True
    seed: int | None = None
    noted: list[str] = field(default_factory=list)
    skipped: list[tuple[str, list[str]]] = field(default_factory=list)
    retrieval: Found | None = None


def build_section(
    run: Run,
    key: str,
    effort: Effort,
    oracle_baseline: float | None,
    reference: RunRecord | None = None,
) -> Section:
    """``key`` prefixes the ids in the page.

    ``oracle_baseline``: source-only's oracle target accuracy, where it is known; ``reference``:
    its record, which retrieval asks for.
    """
    samples, notes = run.samples, list(run.notes)
    retrieval = run.record.objective == "retrieval"
    names = [] if retrieval else _class_names(run)
    strips = gallery.strips(samples.target, names) if samples and not retrieval else []
    chosen = _chosen_items(samples, effort.points)
    thumbnails = _thumbnails(samples, chosen, strips, effort.picture_bytes)
    record = run.record
    return Section(
        key=key,
        title=f"{algorithm_label(record)}: {task_label(record)}",
        verdict=(
            retrieval_words(record, reference)
            if retrieval
            else verdict_words(record, oracle_baseline)
        ),
        warnings=record.warnings,
        notes=notes,
        groups=list(_groups(run)),
        planes=make_planes(run, chosen, {d: t.cells for d, t in thumbnails.items()}, names),
        film=make_film(run.folder, record, names, frames=effort.frames, points=effort.frame_points),
        measured=measured(record),
        strips=strips,
        thumbnails=thumbnails,
        tables=_tables(run),
        pictures=samples is None or samples.target.inputs is not None,
        shift=run.shift,
        finished=record.status == "finished",
        seed=seed_of(record),
        noted=[f"{d.name}: {line}" for d in (record.source, record.target) for line in d.notes],
        skipped=[(d.name, d.skipped) for d in (record.source, record.target) if d.skipped],
        retrieval=found(record, reference) if retrieval else None,
    )


def _class_names(run: Run) -> list[str]:
    names = run.record.source.class_names
    classes_seen = run.samples.target.logits.shape[1] if run.samples else 0
    return [*names, *(str(index) for index in range(len(names), classes_seen))]


def _groups(run: Run) -> Iterator[Group]:
    record = run.record
    charts = curves.learning_curves(record, run.metrics)
    yield Group("Learning curves", charts, "Nothing has been logged.")
    if record.objective == "retrieval":
        return
    yield Group(
        "Confusion matrix",
        classes.confusion_charts(record),
        "Left out: the record holds no metrics against labels.",
    )
    per_class = [classes.reliability_chart(record), classes.shares_chart(record, run.samples)]
    yield Group(
        "Confidence and class shares",
        [one for one in per_class if one is not None],
        "Left out: the record holds neither calibration nor predicted class shares.",
    )


def _chosen_items(samples: Samples | None, points: int) -> dict[str, Array]:
    if samples is None:
        return {}
    sizes = {"source": len(samples.source), "target": len(samples.target)}
    return {
        domain: np.unique(np.linspace(0, size - 1, min(size, points)).round().astype(int))
        if size
        else np.zeros(0, dtype=int)
        for domain, size in sizes.items()
    }


def _thumbnails(
    samples: Samples | None, chosen: dict[str, Array], strips: list[gallery.Strip], most: int
) -> dict[str, Thumbnails]:
    """Sheets of "source" and "target", and "large": the target's strips again where they are photos.

    ``most``: bytes of all of them together.
    """
    if samples is None:
        return {}
    result = {}
    large = _large(samples, strips, most // 4)
    if large is not None:
        result["large"] = large
    for domain, items in (("source", samples.source), ("target", samples.target)):
        shown = set(chosen[domain].tolist())
        if domain == "target":
            shown |= {tile.index for strip in strips for tile in strip.tiles}
        order = sorted(shown)
        sheet = None
        if items.inputs is not None:
            sheet = make_sheet(items.inputs[order], most_bytes=most * 3 // 8)
        if sheet is not None:
            cells = {index: sheet.cell(place) for place, index in enumerate(order)}
            result[domain] = Thumbnails(sheet, cells)
    return result


def _large(samples: Samples, strips: list[gallery.Strip], most: int) -> Thumbnails | None:
    large, indices = samples.target.large, samples.target.large_indices
    if large is None or indices is None:
        return None
    places = {int(index): place for place, index in enumerate(indices)}
    order = sorted({tile.index for strip in strips for tile in strip.tiles})
    if not order or not places.keys() >= set(order):
        return None
    sheet = make_sheet(large[[places[index] for index in order]], LARGE_SIDE, most)
    if sheet is None:
        return None
    return Thumbnails(sheet, {index: sheet.cell(place) for place, index in enumerate(order)})


def _tables(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    record = run.record
    about = {
        "status": record.status,
        "created": record.created,
        "finished": record.finished,
        "command": record.command,
        "folder": run.folder.name,
        "steps": record.steps_done,
        "last layer": record.last_layer or "as trained",
        "items per second": _rounded(record.images_per_second),
        "peak memory, MiB": _rounded(record.peak_memory_mib),
        "parameters": None if record.parameters is None else f"{record.parameters:,}",
    }
    domains = {
        f"{role}.{key}": value
        for role, domain in (("source", record.source), ("target", record.target))
        for key, value in _summary(domain, record.objective == "retrieval").items()
    }
    return [
        ("Run", _flat(about)),
        ("Data", _flat(domains)),
        ("Environment", _flat(record.environment.model_dump())),
        ("Settings", _flat(record.settings)),
    ]


def _summary(domain: DomainSummary, retrieval: bool) -> dict[str, Any]:
    """Names of classes are few and mean something; identities are only counted."""
    values = domain.model_dump(exclude={"skipped", "notes"})
    del values["class_names" if retrieval else "identities"]
    return values


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:,.0f}"


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as ``outer.inner`` with their value as text; ``None`` is said, not hidden."""
    lines: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, dict) and value:
            lines += _flat(value, f"{prefix}{key}.")
        else:
            lines.append((f"{prefix}{key}", _as_text(value)))
    return lines


def _as_text(value: Any) -> str:
    if value is None or value == {}:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(one, str | int) for one in value):
        return ", ".join(map(str, value)) or "–"
    return json.dumps(value, ensure_ascii=False, default=str)
