"""Run folders in, one HTML file out that opens without a network."""

from __future__ import annotations

import base64
import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from acclimate.core.errors import ConfigurationError
from acclimate.core.files import write_text_atomically
from acclimate.core.records import Outcome, RunRecord
from acclimate.report.chart import embed
from acclimate.report.run import Run, load_run
from acclimate.report.section import Effort, build_section
from acclimate.report.seeds import (
    has_several_seeds,
    once_per_seed,
    summary_rows,
    summary_table,
)
from acclimate.report.table import (
    by_objective,
    comparison_rows,
    is_source_only,
    oracle_source_only_accuracy,
    oracle_target_accuracy,
    source_only_record,
    task_label,
    text_table,
)

Table = tuple[list[str], list[list[str]]]
TEMPLATES = Path(__file__).parent / "templates"
# a t-SNE of 600 + 600 items takes 3 s on one core, a frame of 200 + 200 less than one; with
# several runs each gets fewer
_ALONE, _AMONG_SEVERAL = (600, 6, 200), (300, 4, 100)
# of all pictures in the page; with plotly.js (2 MB) and the charts one run stays below 8 MB
_PICTURE_BYTES = 4_500_000


def write_report(run_folders: Sequence[Path], output: Path, title: str | None = None) -> Path:
    """Write the report of one or several runs to ``output`` and return its path.

    Source-only runs that the given ones were compared with become rows of the table. Raises
    ``RecordError`` for a folder that is not a run folder, ``RunError`` when ``output`` cannot be
    written, and ``ConfigurationError`` for no folder at all.
    """
    return write_page(load_runs(run_folders), output, title)


def load_runs(run_folders: Sequence[Path]) -> list[Run]:
    """Everything in the folders, each read once; raises as ``write_report`` does."""
    if not run_folders:
        raise ConfigurationError("no run folder to report on: give at least one")
    return [load_run(Path(folder)) for folder in _once(run_folders)]


def write_page(runs: Sequence[Run], output: Path, title: str | None = None) -> Path:
    """Write the report of ``runs`` to ``output`` and return its path."""
    if output.is_dir():
        raise ConfigurationError(f"{output} is a folder; give the path of an HTML file")
    write_text_atomically(output, render_report(runs, title))
    return output


def render_report(runs: Sequence[Run], title: str | None = None) -> str:
    """The page as text."""
    records = compared_records(runs)
    sizes = _ALONE if len(runs) == 1 else _AMONG_SEVERAL
    effort = Effort(*sizes, picture_bytes=_PICTURE_BYTES // len(runs))
    sections = [
        build_section(run, f"run{index}", effort, _before(run, records), _reference(run, records))
        for index, run in enumerate(runs)
    ]
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=title or _title(runs),
            created=_readable(max(run.record.finished or run.record.created for run in runs)),
            version=runs[0].record.environment.acclimate,
            summary=_summary(runs),
            comparisons=_comparisons(records),
            sections=sections,
            plotly=Markup(_packed_plotly()),  # base64 has nothing to escape
        )
    )


@dataclass(frozen=True)
class Comparison:
    """The tables of the runs of one objective: one row for each run, and over seeds."""

    objective: str
    single: Table
    over_seeds: Table | None


def _comparisons(records: Sequence[RunRecord]) -> list[Comparison]:
    """Accuracies and ranks have nothing to do with each other: each objective has its own tables."""
    single = by_objective(comparison_rows(records))
    summaries = by_objective(summary_rows(records))
    return [
        Comparison(
            rows[0].objective,
            text_table(rows),
            summary_table(summary) if has_several_seeds(summary) else None,
        )
        for rows, summary in zip(single, summaries, strict=True)
    ]


def _once(folders: Sequence[Path]) -> list[Path]:
    return list({Path(folder).resolve(): Path(folder) for folder in folders}.values())


def compared_records(runs: Sequence[Run]) -> list[RunRecord]:
    """The runs' records, each after that of the source-only run behind it, and each run once."""
    found: dict[Path, tuple[RunRecord, bool]] = {}
    given = {run.folder.resolve() for run in runs}
    for run in runs:
        if run.baseline is not None and (place := run.baseline.folder.resolve()) not in given:
            found.setdefault(place, (run.baseline.record, False))
        found[run.folder.resolve()] = (run.record, True)
    records = [record for record, _ in found.values()]
    return [records[index] for index in once_per_seed(records, [own for _, own in found.values()])]


def _before(run: Run, records: Sequence[RunRecord]) -> float | None:
    """What the run's oracle accuracy is to be compared with; nothing for source-only itself."""
    if is_source_only(run.record):
        return None
    if run.baseline is not None:
        return oracle_target_accuracy(run.baseline.record)
    return oracle_source_only_accuracy(run.record, records)


def _reference(run: Run, records: Sequence[RunRecord]) -> RunRecord | None:
    """The record of the source-only run behind ``run``; nothing for source-only itself."""
    if is_source_only(run.record):
        return None
    return run.baseline.record if run.baseline else source_only_record(run.record, records)


def _title(runs: Sequence[Run]) -> str:
    tasks = list(dict.fromkeys(task_label(run.record) for run in runs))
    return tasks[0] if len(tasks) == 1 else f"{len(runs)} runs on {len(tasks)} tasks"


def _readable(moment: str) -> str:
    """An ISO date and time without its seconds' fractions; anything else as it is."""
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    zone = "UTC" if parsed.utcoffset() == timedelta(0) else parsed.strftime("%z")
    return f"{parsed:%Y-%m-%d %H:%M} {zone}".rstrip()


def _summary(runs: Sequence[Run]) -> str:
    """One sentence over several runs; nothing for a single one."""
    if len(runs) == 1:
        return ""
    outcomes = Counter(run.record.verdict.outcome for run in runs if run.record.verdict)
    if not outcomes:
        return f"{len(runs)} runs, none with a verdict."
    order = get_args(Outcome)
    parts = [f"{outcomes[outcome]} {outcome}" for outcome in order if outcomes[outcome]]
    rest = len(runs) - sum(outcomes.values())
    if rest:
        parts.append(f"{rest} without a verdict")
    return f"{len(runs)} runs: {', '.join(parts)}."


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["embed"] = lambda data: Markup(embed(data))
    environment.globals["raw"] = lambda name: Markup((TEMPLATES / name).read_text("utf-8"))
    return environment


def _packed_plotly() -> str:
    """plotly.js for the page, compressed: 2 MB instead of 4.8; the page unpacks it."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
